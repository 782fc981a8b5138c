package winhost

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// The PDU types of C706 section 12.6.4 that are used here.
const (
	request          = 0
	response         = 2
	fault            = 3
	bind             = 11
	bindAck          = 12
	bindNak          = 13
	alterContext     = 14
	alterContextResp = 15
	auth3            = 16 // [MS-RPCE] section 2.2.2.5
)

// PDU flags.
const (
	firstFrag     = 0x01
	lastFrag      = 0x02
	signHeader    = 0x04 // PFC_SUPPORT_HEADER_SIGN, of a bind and its answer
	didNotExecute = 0x20
	objectUUID    = 0x80
)

const (
	headerLen = 16
	maxFrag   = 5840
	maxStub   = 256 << 10
)

// A pdu is what a client sent.
type pdu struct {
	kind, flags byte
	call        uint32
	order       byteOrder
	header      []byte
	body        []byte
	auth        []byte // sec_trailer and token, empty without
}

var errJunk = errors.New("not a PDU")

// readPDU reads a PDU of at most maxFrag bytes, but for one with a ticket, which cannot be
// cut: users of other clients report that Windows takes it whole. Anything else is errJunk, at its first wrong byte or
// field.
func readPDU(in *bufio.Reader) (*pdu, error) {
	first, err := in.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] != 5 {
		return nil, errJunk
	}
	h := make([]byte, headerLen)
	if _, err := io.ReadFull(in, h); err != nil {
		return nil, err
	}
	p := &pdu{kind: h[2], flags: h[3], order: binary.LittleEndian, header: h}
	if h[4]&0xf0 == 0 {
		p.order = binary.BigEndian
	}
	n, auth := int(p.order.Uint16(h[8:]))-headerLen, int(p.order.Uint16(h[10:]))
	p.call = p.order.Uint32(h[12:])
	if auth > 0 {
		auth += trailerLen
	}
	ticket := auth > 0 && (p.kind == bind || p.kind == alterContext || p.kind == auth3)
	if h[1] > 1 || n < auth || n > maxFrag-headerLen && !ticket {
		return nil, errJunk
	}
	p.body = make([]byte, n)
	_, err = io.ReadFull(in, p.body)
	p.body, p.auth = p.body[:n-auth], p.body[n-auth:]
	return p, err
}

func (p *pdu) reader() *reader { return &reader{order: p.order, b: p.body, size: len(p.body)} }

// send writes a PDU: body and verifier, if any, already in the replies' byte
// order. It reports whether the connection took it.
func (v *session) send(kind, flags byte, call uint32, body, verifier []byte) bool {
	_, err := v.conn.Write(v.assemble(kind, flags, call, body, verifier))
	return err == nil
}

func (v *session) assemble(kind, flags byte, call uint32, body, verifier []byte) []byte {
	drep := byte(0x10)
	if v.BigEndian {
		drep = 0
	}
	w := v.writer()
	w.bytes(5, 0, kind, flags, drep, 0, 0, 0)
	w.u16(0, uint16(max(0, len(verifier)-trailerLen)))
	w.u32(call)
	w.bytes(body...)
	w.bytes(verifier...)
	w.order.PutUint16(w.b[8:], uint16(len(w.b)))
	return w.b
}

// nak refuses a bind: 24 bytes, as Windows pads them. The connection ends with it.
func (v *session) nak(call uint32, reason uint16) bool {
	w := v.writer()
	w.u16(reason)
	w.bytes(1, 5, 0, 0, 0, 0)
	v.send(bindNak, firstFrag|lastFrag, call, w.b, nil)
	return false
}

// fault answers a call that was not executed: 32 bytes.
func (v *session) fault(call uint32, context uint16, status uint32) bool {
	w := v.writer()
	w.u32(32)
	w.u16(context, 0)
	w.u32(status, 0)
	return v.send(fault, firstFrag|lastFrag|didNotExecute, call, w.b, nil)
}

// respond answers a call, in as many fragments as the stub needs, each of them
// protected as the call was.
func (v *session) respond(call uint32, context uint16, stub []byte, by *association) bool {
	size := (v.maxXmit - headerLen - callHeaderLen - by.overhead()) &^ 15
	if by == nil {
		size = (v.maxXmit - headerLen - callHeaderLen) &^ 7
	}
	if v.Fragment > 0 {
		size = min(size, v.Fragment)
	}
	for flags := byte(firstFrag); ; flags = 0 {
		n := min(size, len(stub))
		if n == len(stub) {
			flags |= lastFrag
		}
		w := v.writer()
		w.u32(uint32(len(stub)))
		w.u16(context, 0)
		w.bytes(stub[:n]...)
		if !v.reply(flags, call, w.b, by) {
			return false
		}
		if stub = stub[n:]; flags&lastFrag != 0 {
			return true
		}
	}
}
