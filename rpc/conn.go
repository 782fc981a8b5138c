package rpc

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	maxStub      = 48 << 10 // of one reply, all fragments together, with their security tokens
	maxFragments = 6 << 10  // of one reply: 48 KiB in fragments of eight bytes
)

// A Conn is the client's end of an association over one connection. It is not
// safe for concurrent use.
type Conn struct {
	w         io.Writer
	r         *bufio.Reader
	callID    uint32
	contextID uint16 // of the interface bound last
	in        pdu    // read last
	out       []byte // sent last
	room      []byte // for a reply's NDR data
}

// NewConn returns a Conn over a connection that nothing was sent on yet.
func NewConn(rw io.ReadWriter) *Conn {
	return &Conn{w: rw, r: bufio.NewReaderSize(rw, 256)}
}

// Bind binds to an interface, without a logon; calls then go to it. The first
// is a bind, each further one an alter_context on the same association.
func (c *Conn) Bind(s Syntax) error {
	typ, answer := uint8(typeBind), uint8(typeBindAck)
	if c.callID > 0 {
		typ, answer = typeAlterContext, typeAlterContextResp
		c.contextID++
	}
	p, err := c.exchange(typ, appendBind(nil, c.contextID, s), nil)
	if err != nil {
		return err
	}
	if p.typ != answer || !p.whole() {
		return unexpected(p)
	}
	return parseBindAck(p)
}

// A stub is the NDR data of a reply, until the next call.
type stub struct {
	data  []byte
	order binary.ByteOrder
}

// call calls the interface bound last and returns the reply's NDR data, put
// together from its fragments.
func (c *Conn) call(opnum uint16, in []byte) (stub, error) {
	le := binary.LittleEndian
	body := le.AppendUint32(make([]byte, 0, 8+len(in)), uint32(len(in))) // alloc_hint
	body = le.AppendUint16(body, c.contextID)
	body = le.AppendUint16(body, opnum)
	p, err := c.exchange(typeRequest, append(body, in...), nil)
	if err != nil {
		return stub{}, err
	}
	out := stub{data: c.room[:0], order: p.order}
	for n, taken := 1, 0; ; n++ {
		first, last := p.flags&flagFirst != 0, p.flags&flagLast != 0
		if p.typ != typeResponse || p.order != out.order || first != (n == 1) {
			return stub{}, unexpected(p)
		}
		r := p.reader()
		r.Bytes(8) // alloc_hint, p_cont_id, cancel_count, reserved
		part := r.Rest()
		if r.Err() != nil {
			return stub{}, fmt.Errorf("response: %w", r.Err())
		}
		if taken += len(part) + len(p.auth); taken > maxStub || n > maxFragments {
			return stub{}, wire.Garbled("response of more than %d bytes or %d fragments", maxStub, maxFragments)
		}
		if first && last {
			out.data = part
			return out, nil
		}
		c.room = append(roomFor(out.data, len(part)), part...)
		out.data = c.room
		if last {
			return out, nil
		}
		if p, err = c.read(); err != nil {
			return stub{}, err
		}
	}
}

// roomFor returns b with room for n more bytes. It grows eightfold, and then to
// all that a reply may have, so that no reply costs much more than its own length.
func roomFor(b []byte, n int) []byte {
	if n <= cap(b)-len(b) {
		return b
	}
	size := max(len(b)+n, 8*len(b), 1<<10)
	if size > maxStub/2 {
		size = maxStub
	}
	return append(make([]byte, 0, size), b...)
}

// exchange sends a PDU and reads the first fragment of the answer.
func (c *Conn) exchange(typ uint8, body, token []byte) (*pdu, error) {
	c.callID++
	c.out = appendPDU(c.out[:0], typ, c.callID, body, token)
	if _, err := c.w.Write(c.out); err != nil {
		return nil, err
	}
	return c.read()
}

// read reads a fragment of the answer to the last PDU sent. It stands until the
// next is read.
func (c *Conn) read() (*pdu, error) {
	p := &c.in
	switch err := p.read(c.r); {
	case err != nil:
		return nil, err
	case p.typ == typeBindNak:
		return nil, parseBindNak(p)
	case p.callID != c.callID:
		return nil, wire.Garbled("answer to call %d, not %d", p.callID, c.callID)
	case p.typ == typeFault:
		return nil, parseFault(p)
	}
	return p, nil
}
