package winhost

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// An RPC is a DCE/RPC server on a TCP port, C706 and [MS-RPCE]. It takes
// anonymous binds, says who its host is to an NTLM one, and lets those log on
// whom its host admits.
type RPC struct {
	Host       *Host
	Interfaces []Interface

	BigEndian      bool          // headers and NDR of the replies
	Fragment       int           // most stub bytes in a response PDU; 0: as many as fit
	Nak            *uint16       // bind_nak with this reason to every bind
	NoNTLM         bool          // bind_nak 8 to a bind with a verifier of NTLM's, in SPNEGO too
	NakLogon       *uint16       // bind_nak with this reason to a bind with a verifier
	FailLogon      bool          // the last token of every logon is not accepted
	WantHeaderSign bool          // bind_nak 0 to a bind with a verifier whose client does not sign headers
	Reject         [2]uint16     // result and reason for every context
	Fault          uint32        // this fault to every call
	BindDelay      time.Duration // before the answer to a bind
	CallDelay      time.Duration // before the answer to a call

	// Spoil changes the stub of every answer to a secured call, before it is protected.
	Spoil func(stub []byte) []byte
}

// An Interface is what a server serves. One without calls wants a logon: it
// takes an anonymous bind and answers every call with fault 5.
type Interface struct {
	Syntax rpc.Syntax
	Level  byte // what its secured calls must be protected by, at least; integrity if not set

	// Raw answers the secured calls of an interface of a test's own: it takes a stub
	// and returns one, or a fault.
	Raw func(opnum uint16, stub []byte) (answer []byte, fault uint32)

	calls   map[uint16]call    // for everybody
	secured map[uint16]secured // for who has logged on
}

// A call reads its arguments and writes its results, or returns a fault.
type call func(in *reader, out *writer) (fault uint32)

// A secured call is told who calls.
type secured func(by *caller, in *reader, out *writer) (fault uint32)

// Faults, C706 appendix E, and reasons of a bind_nak, section 12.6.3.1.
const (
	accessDenied   = 5
	badStubData    = 0x6f7
	opRangeError   = 0x1c010002
	unknownContext = 0x1c010003 // nca_s_unk_if
	protocolError  = 0x1c01000b

	versionNotSupported = 4
	unknownAuthType     = 8
)

// featureNegotiation begins the "transfer syntax" of bind time feature
// negotiation, [MS-RPCE] section 2.2.2.14; the features asked for follow it.
const featureNegotiation = "\x2c\x1c\xb7\x6c\x12\x98\x40\x45"

// A session is one connection to an RPC server.
type session struct {
	*RPC
	conn     net.Conn
	in       *bufio.Reader
	contexts map[uint16]Interface
	maxXmit  int

	logons      map[uint32]*association // by auth_context_id; empty while nobody has begun to log on
	signHeaders bool                    // as the bind agreed
	pending     *pending                // a call whose last fragment has not come yet
	handles     handles
}

// A pending call is what has come of one. All its fragments are of the same caller.
type pending struct {
	call uint32
	by   *association
	stub []byte
}

// Serve answers a client until one of them has enough.
func (s *RPC) Serve(c net.Conn) {
	v := &session{RPC: s, conn: c, in: bufio.NewReaderSize(c, maxFrag), contexts: map[uint16]Interface{}, maxXmit: maxFrag}
	v.logons, v.handles = map[uint32]*association{}, handles{}
	for ok := true; ok; {
		p, err := readPDU(v.in)
		if errors.Is(err, errJunk) {
			v.nak(0, versionNotSupported)
		}
		if err != nil {
			return
		}
		if len(p.auth) > 0 && len(p.body)%trailerAlign != 0 {
			ok = v.misaligned(p)
			continue
		}
		switch p.kind {
		case bind, alterContext:
			ok = v.pause(s.BindDelay) && v.bind(p)
		case request:
			ok = v.pause(s.CallDelay) && v.call(p)
		case auth3: // to which there is no answer
			v.finish(p)
		default:
			ok = false
		}
	}
}

// misaligned refuses a PDU whose verifier does not stand where it must.
func (v *session) misaligned(p *pdu) bool {
	switch p.kind {
	case bind:
		return v.nak(p.call, notSpecified)
	case request, alterContext:
		return v.fault(p.call, 0, protocolError)
	}
	return false
}

func (v *session) writer() *writer {
	if v.BigEndian {
		return &writer{order: binary.BigEndian}
	}
	return &writer{order: binary.LittleEndian}
}

// bind answers a bind or an alter_context and reports whether to go on.
func (v *session) bind(p *pdu) bool {
	if v.Nak != nil {
		return v.nak(p.call, *v.Nak)
	}
	in, out, verifier := p.reader(), v.writer(), v.writer()
	if p.kind == bind {
		v.signHeaders = p.flags&signHeader != 0
	}
	if len(p.auth) > 0 {
		if ok, goOn := v.logOn(p, verifier); !ok {
			return goOn
		}
	}
	xmit, recv, group := in.u16(), in.u16(), in.u32()
	if group == 0 {
		group = 0x6773
	}
	v.maxXmit = min(maxFrag, max(int(recv), 1432)) // MustRecvFragSize
	out.u16(uint16(v.maxXmit), min(xmit, maxFrag))
	out.u32(group)
	v.results(p.kind, in, out)
	if in.err != nil {
		return v.nak(p.call, versionNotSupported)
	}
	flags := byte(firstFrag | lastFrag)
	if v.signHeaders && len(v.logons) > 0 {
		flags |= signHeader
	}
	return v.send(p.kind+1, flags, p.call, out.b, verifier.b) // each answer is one more than its question
}

// results answers the contexts of a bind, after the secondary address, which
// only a bind_ack has.
func (v *session) results(kind byte, in *reader, out *writer) {
	if kind == bind {
		_, port, _ := net.SplitHostPort(v.conn.LocalAddr().String())
		out.u16(uint16(len(port) + 1))
		out.bytes(append([]byte(port), 0)...)
	} else {
		out.u16(0)
	}
	out.align(4)
	n := in.u8()
	in.bytes(3)
	out.bytes(n, 0, 0, 0)
	for range n {
		id, count := in.u16(), in.u8()
		in.u8()
		abstract := in.syntax()
		var transfer []rpc.Syntax
		for range count {
			transfer = append(transfer, in.syntax())
		}
		result, reason := v.negotiate(id, abstract, transfer)
		out.u16(result, reason)
		if result == 0 {
			out.syntax(rpc.NDR20)
		} else {
			out.syntax(rpc.Syntax{})
		}
	}
}

// negotiate decides about a context: p_result_t of C706 section 12.6.3.1.
func (v *session) negotiate(id uint16, abstract rpc.Syntax, transfer []rpc.Syntax) (result, reason uint16) {
	if len(transfer) == 1 && string(transfer[0].UUID[:8]) == featureNegotiation {
		return 3, uint16(transfer[0].UUID[8] & 3) // negotiate_ack, and the features granted
	}
	if v.Reject[0] != 0 {
		return v.Reject[0], v.Reject[1]
	}
	i := slices.IndexFunc(v.Interfaces, func(o Interface) bool {
		return o.Syntax.UUID == abstract.UUID && o.Syntax.Major == abstract.Major && o.Syntax.Minor >= abstract.Minor
	})
	if i < 0 {
		return 2, 1 // abstract_syntax_not_supported
	}
	if !slices.Contains(transfer, rpc.NDR20) {
		return 2, 2 // proposed_transfer_syntaxes_not_supported
	}
	v.contexts[id] = v.Interfaces[i]
	return 0, 0
}

// call answers a request, when all of it is there, and reports whether to go on.
func (v *session) call(p *pdu) bool {
	in := p.reader()
	in.u32() // alloc_hint
	context, opnum := in.u16(), in.u16()
	by := &caller{session: v}
	if p.flags&objectUUID != 0 {
		by.object = in.uuid()
	}
	if first := p.flags&firstFrag != 0; in.err != nil || first == (v.pending != nil) {
		return v.fault(p.call, context, protocolError)
	}
	start := len(p.body) - len(in.b)
	if status := v.verify(by, p, start); status != 0 {
		v.pending = nil
		return v.fault(p.call, context, status)
	}
	so := cmp.Or(v.pending, &pending{call: p.call, by: by.association})
	v.pending = nil
	if so.call != p.call || so.by != by.association {
		return v.fault(p.call, context, protocolError)
	}
	so.stub = append(so.stub, p.body[start:len(p.body)-by.padding]...)
	if p.flags&lastFrag == 0 {
		v.pending = so
		return len(so.stub) <= maxStub
	}
	out := v.writer()
	bound, ok := v.contexts[context]
	status := v.execute(by, bound, ok, opnum, &reader{order: p.order, b: so.stub, size: len(so.stub)}, out)
	if status != 0 {
		return v.fault(p.call, context, status)
	}
	return v.respond(p.call, context, out.b, by.association)
}

// execute executes a call of an interface, which is not known where the context is not.
func (v *session) execute(by *caller, bound Interface, known bool, opnum uint16, in *reader, out *writer) (fault uint32) {
	open, secured := bound.calls[opnum], bound.secured[opnum]
	switch {
	case v.Fault != 0:
		return v.Fault
	case !known:
		return unknownContext
	case open != nil:
		if by.association == nil && len(v.logons) > 0 { // who has begun to log on is held to it
			return accessDenied
		}
		return open(in, out)
	case bound.calls == nil && by.level() < max(bound.Level, levelIntegrity):
		return accessDenied
	case bound.Raw != nil:
		out.b, fault = bound.Raw(opnum, in.b)
		return fault
	case secured == nil:
		return opRangeError
	}
	if fault = secured(by, in, out); fault == 0 && v.Spoil != nil {
		out.b = v.Spoil(out.b)
	}
	return fault
}

// pause waits, and reports whether the client waited too. A client that sends
// more than a PDU meanwhile is cut off.
func (v *session) pause(d time.Duration) bool {
	if d == 0 {
		return true
	}
	if v.conn.SetReadDeadline(time.Now().Add(d)) != nil {
		return false
	}
	for {
		if _, err := v.in.Peek(v.in.Buffered() + 1); err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded) && v.conn.SetReadDeadline(time.Time{}) == nil
		}
	}
}
