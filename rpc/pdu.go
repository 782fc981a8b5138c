package rpc

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/gpreach/gpreach/internal/wire"
)

// PDU types, C706 section 12.6.4.
const (
	typeRequest          = 0
	typeResponse         = 2
	typeFault            = 3
	typeBind             = 11
	typeBindAck          = 12
	typeBindNak          = 13
	typeAlterContext     = 14
	typeAlterContextResp = 15
)

// PDU flags, C706 section 12.6.3.1.
const (
	flagFirst = 0x01
	flagLast  = 0x02
)

const (
	headerLen  = 16
	trailerLen = 8    // sec_trailer, [MS-RPCE] section 2.2.2.11
	maxFrag    = 5840 // what Windows offers; no fragment may be longer
)

// A pdu is one fragment: the common header, C706 section 12.6.3.1, and what
// follows it.
type pdu struct {
	typ, flags uint8
	order      binary.ByteOrder // of the header, and of NDR data in the body
	callID     uint32
	body       []byte
	auth       []byte // the security token, if any

	header [headerLen]byte
	room   []byte // body and auth are parts of it
}

// appendPDU appends a single-fragment PDU in our own representation:
// little-endian, ASCII, IEEE. A token goes behind a sec_trailer.
func appendPDU(b []byte, typ uint8, callID uint32, body, token []byte) []byte {
	n := headerLen + len(body)
	if token != nil {
		n += trailerLen + len(token)
	}
	le := binary.LittleEndian
	b = append(slices.Grow(b, n), 5, 0, typ, flagFirst|flagLast, 0x10, 0, 0, 0)
	b = le.AppendUint16(b, uint16(n))
	b = le.AppendUint16(b, uint16(len(token)))
	b = le.AppendUint32(b, callID)
	b = append(b, body...)
	if token != nil {
		b = append(b, authNTLM, levelPrivacy, 0, 0, 1, 0, 0, 0)
		b = append(b, token...)
	}
	return b
}

// read reads one fragment in the place of the last. Its length is bounded
// before it is allocated, and a server that does not speak RPC is found out by
// its first bytes: it may send no more than a few.
func (p *pdu) read(r io.Reader) error {
	h := p.header[:]
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return err
	}
	if h[0] != 5 || h[1] > 1 {
		return wire.Garbled("RPC version %d.%d", h[0], h[1])
	}
	if err := wire.ReadRest(r, h[2:]); err != nil {
		return err
	}
	p.typ, p.flags, p.order = h[2], h[3], binary.LittleEndian
	switch h[4] >> 4 { // drep, C706 section 14.1
	case 0:
		p.order = binary.BigEndian
	case 1:
	default:
		return wire.Garbled("data representation %#x", h[4])
	}
	fragLen, authLen := int(p.order.Uint16(h[8:])), int(p.order.Uint16(h[10:]))
	p.callID = p.order.Uint32(h[12:])
	if fragLen < headerLen || fragLen > maxFrag {
		return wire.Garbled("fragment of %d bytes", fragLen)
	}
	if authLen > 0 && authLen+trailerLen > fragLen-headerLen {
		return wire.Garbled("security token of %d bytes in a fragment of %d", authLen, fragLen)
	}
	if n := fragLen - headerLen; n > len(p.room) {
		p.room = make([]byte, n)
	}
	p.body, p.auth = p.room[:fragLen-headerLen], nil
	if err := wire.ReadRest(r, p.body); err != nil {
		return err
	}
	if authLen > 0 {
		at := len(p.body) - authLen
		p.body, p.auth = p.body[:at-trailerLen], p.body[at:]
	}
	return nil
}

func (p *pdu) whole() bool { return p.flags&(flagFirst|flagLast) == flagFirst|flagLast }

func (p *pdu) reader() *wire.Reader { return wire.NewReader(p.body, p.order) }
