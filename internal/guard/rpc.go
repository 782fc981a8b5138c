package guard

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/gpreach/gpreach/internal/wire"
)

// What a conversation by RPC may come to. The replies that are asked for have a
// few hundred bytes.
const (
	maxFragment     = 5840      // what Windows offers
	minFragment     = 1432      // MustRecvFragSize, C706 section 12.6.3.1
	maxReply        = 64 << 10  // the fragments of one reply together, and its alloc_hint
	maxFragments    = 64        // of one reply
	maxRPC          = 256 << 10 // all that a host may say on a connection
	maxAuthPad      = 16        // [MS-RPCE] section 2.2.2.11 pads to 16 bytes
	rpcHeaderLen    = 16
	authTrailerLen  = 8
	callHeaderLen   = 8 // of a request or response, behind the common header
	maxPresentation = 8 // contexts that a bind of ours may offer
)

// PDU types, C706 section 12.6.4 and [MS-RPCE] section 2.2.2.1.
const (
	ptypeRequest          = 0
	ptypeResponse         = 2
	ptypeFault            = 3
	ptypeBind             = 11
	ptypeBindAck          = 12
	ptypeBindNak          = 13
	ptypeAlterContext     = 14
	ptypeAlterContextResp = 15
	ptypeAuth3            = 16
)

// PDU flags, C706 section 12.6.3.1 and [MS-RPCE] section 2.2.2.3.
const (
	pfcFirstFrag         = 0x01
	pfcLastFrag          = 0x02
	pfcSupportHeaderSign = 0x04 // of a bind_ack; elsewhere PFC_PENDING_CANCEL
	pfcConcMpx           = 0x10
	pfcDidNotExecute     = 0x20
)

// An rpcHeader is the common header, C706 section 12.6.3.1.
type rpcHeader struct {
	Ptype, Flags uint8
	FragLength   int
	AuthLength   int
	CallID       uint32
}

// A secTrailer is a sec_trailer, [MS-RPCE] section 2.2.2.11.
type secTrailer struct {
	AuthType, AuthLevel uint8
	AuthPadLength       int
	AuthContextID       uint32
}

// An RPC is a connection to an RPC server that a library binds to with a logon.
type RPC struct {
	stream

	sent      sync.Mutex
	asked     rpcHeader // the last PDU that wants an answer
	contexts  int       // that were offered last
	trailer   secTrailer
	fragments int // of the answer so far
	bytes     int
	token     []byte // of the last bind_ack or alter_context_resp
	fault     uint32 // that the host answered last
	nak       int    // reason of its bind_nak, -1 for none
}

// NewRPC returns an RPC over a connection that nothing was sent on yet.
func NewRPC(conn net.Conn) *RPC {
	c := &RPC{stream: stream{Conn: conn, max: maxRPC}, nak: -1}
	c.next = c.read
	return c
}

// Token returns the security token that the host sent last while the library
// bound to it.
func (c *RPC) Token() []byte {
	c.sent.Lock()
	defer c.sent.Unlock()
	return c.token
}

// Fault returns the status of the last fault that the host answered, or 0.
func (c *RPC) Fault() uint32 {
	c.sent.Lock()
	defer c.sent.Unlock()
	return c.fault
}

// BindNak returns the reason of a bind_nak, and whether the host sent one.
func (c *RPC) BindNak() (reason uint16, ok bool) {
	c.sent.Lock()
	defer c.sent.Unlock()
	return uint16(max(c.nak, 0)), c.nak >= 0
}

// Write sends a whole PDU, and notes what it asks.
func (c *RPC) Write(p []byte) (int, error) {
	if h, ok := parseRPCHeader(p); ok {
		c.note(h, p)
	}
	return c.Conn.Write(p)
}

// note keeps what an answer must fit.
func (c *RPC) note(h rpcHeader, p []byte) {
	c.sent.Lock()
	defer c.sent.Unlock()
	if h.Ptype == ptypeAuth3 {
		h.CallID = 0 // it has no answer
	}
	c.asked, c.fragments, c.bytes = h, 0, 0
	if h.Ptype != ptypeBind && h.Ptype != ptypeAlterContext {
		return
	}
	r := wire.NewReader(p, binary.LittleEndian)
	r.Bytes(rpcHeaderLen + 8) // max_xmit_frag, max_recv_frag, assoc_group_id
	c.contexts = int(r.Uint8())
	if h.AuthLength > 0 {
		at := len(p) - h.AuthLength - authTrailerLen
		c.trailer = parseTrailer(wire.NewReader(r.At(at, authTrailerLen), binary.LittleEndian))
	}
}

// read reads one fragment and checks it.
func (c *RPC) read() ([]byte, error) {
	var head [rpcHeaderLen]byte
	if err := c.begin(head[:]); err != nil {
		return nil, err
	}
	h, ok := parseRPCHeader(head[:])
	if !ok {
		return nil, wire.Garbled("RPC header %x", head)
	}
	pdu := make([]byte, h.FragLength)
	copy(pdu, head[:])
	if err := c.fill(pdu[rpcHeaderLen:]); err != nil {
		return nil, err
	}
	return pdu, c.check(h, pdu)
}

// parseRPCHeader reads a common header of version 5.0 or 5.1 in our own
// representation, and bounds its lengths.
func parseRPCHeader(p []byte) (h rpcHeader, ok bool) {
	r := wire.NewReader(p, binary.LittleEndian)
	version, minor := r.Uint8(), r.Uint8()
	h.Ptype, h.Flags = r.Uint8(), r.Uint8()
	drep := r.Uint32()
	h.FragLength, h.AuthLength = int(r.Uint16()), int(r.Uint16())
	h.CallID = r.Uint32()
	room := h.FragLength - rpcHeaderLen
	if h.AuthLength > 0 {
		room -= h.AuthLength + authTrailerLen
	}
	ok = r.Err() == nil && version == 5 && minor <= 1 && drep == 0x10 && room >= 0
	// Our own bind may be longer: it carries a ticket.
	return h, ok && (h.FragLength <= maxFragment || h.Ptype == ptypeBind || h.Ptype == ptypeAlterContext || h.Ptype == ptypeAuth3)
}

func parseTrailer(r *wire.Reader) secTrailer {
	t := secTrailer{AuthType: r.Uint8(), AuthLevel: r.Uint8(), AuthPadLength: int(r.Uint8())}
	r.Uint8() // auth_reserved
	t.AuthContextID = r.Uint32()
	return t
}

// check looks whether a PDU answers what was asked, and is well formed.
func (c *RPC) check(h rpcHeader, pdu []byte) error {
	c.sent.Lock()
	defer c.sent.Unlock()
	if h.CallID != c.asked.CallID || c.asked.CallID == 0 {
		return wire.Garbled("answer to call %d, not %d", h.CallID, c.asked.CallID)
	}
	if c.fragments++; c.fragments > maxFragments {
		return wire.Garbled("reply of more than %d fragments", maxFragments)
	}
	if c.bytes += len(pdu); c.bytes > maxReply {
		return wire.Garbled("reply of more than %d bytes", maxReply)
	}
	r := wire.NewReader(pdu, binary.LittleEndian)
	r.Bytes(rpcHeaderLen)
	body := wire.NewReader(r.Bytes(h.FragLength-rpcHeaderLen-trailerRoom(h)), binary.LittleEndian)
	t, token := secTrailer{}, []byte(nil)
	if h.AuthLength > 0 {
		t = parseTrailer(r)
		if token = r.Rest(); t.AuthType != c.trailer.AuthType || t.AuthLevel != c.trailer.AuthLevel || t.AuthContextID != c.trailer.AuthContextID {
			return wire.Garbled("security trailer %+v, not %+v", t, c.trailer)
		}
		if t.AuthPadLength > maxAuthPad || t.AuthPadLength > body.Len() {
			return wire.Garbled("%d bytes of padding in %d", t.AuthPadLength, body.Len())
		}
	}
	switch uint16(c.asked.Ptype)<<8 | uint16(h.Ptype) {
	case ptypeBind<<8 | ptypeBindAck, ptypeAlterContext<<8 | ptypeAlterContextResp:
		c.token = token
		return checkBindAck(h, body, c.contexts)
	case ptypeBind<<8 | ptypeBindNak:
		return c.checkBindNak(h, body)
	case ptypeRequest<<8 | ptypeResponse:
		return checkResponse(h, body, c.fragments == 1, t.AuthPadLength, c.trailer.AuthLevel > 0)
	case ptypeRequest<<8 | ptypeFault, ptypeAlterContext<<8 | ptypeFault, ptypeBind<<8 | ptypeFault:
		return c.checkFault(h, body)
	}
	return wire.Garbled("PDU type %d to type %d", h.Ptype, c.asked.Ptype)
}

func trailerRoom(h rpcHeader) int {
	if h.AuthLength == 0 {
		return 0
	}
	return h.AuthLength + authTrailerLen
}

func whole(h rpcHeader) bool { return h.Flags&(pfcFirstFrag|pfcLastFrag) == pfcFirstFrag|pfcLastFrag }
