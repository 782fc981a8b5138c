package winhost

import (
	"encoding/binary"
	"io"

	"github.com/gpreach/gpreach/rpc"
)

// A byteOrder is binary.LittleEndian or binary.BigEndian.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// A writer appends NDR fields in a byte order; it does not align by itself.
type writer struct {
	order byteOrder
	b     []byte
}

func (w *writer) bytes(b ...byte) { w.b = append(w.b, b...) }

func (w *writer) u16(values ...uint16) {
	for _, v := range values {
		w.b = w.order.AppendUint16(w.b, v)
	}
}

func (w *writer) u32(values ...uint32) {
	for _, v := range values {
		w.b = w.order.AppendUint32(w.b, v)
	}
}

func (w *writer) uuid(u rpc.UUID) {
	le := binary.LittleEndian
	w.u32(le.Uint32(u[0:]))
	w.u16(le.Uint16(u[4:]), le.Uint16(u[6:]))
	w.bytes(u[8:]...)
}

func (w *writer) syntax(s rpc.Syntax) {
	w.uuid(s.UUID)
	w.u32(uint32(s.Major) | uint32(s.Minor)<<16)
}

func (w *writer) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

// A reader takes fields off the front of b. A read past the end sets err, and
// every read from then on gives zeros.
type reader struct {
	order byteOrder
	b     []byte
	err   error
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.b, r.err = nil, io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return make([]byte, min(n, 16))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() byte    { return r.bytes(1)[0] }
func (r *reader) u16() uint16 { return r.order.Uint16(r.bytes(2)) }
func (r *reader) u32() uint32 { return r.order.Uint32(r.bytes(4)) }

func (r *reader) uuid() rpc.UUID {
	le, u := binary.LittleEndian, rpc.UUID{}
	le.PutUint32(u[0:], r.u32())
	le.PutUint16(u[4:], r.u16())
	le.PutUint16(u[6:], r.u16())
	copy(u[8:], r.bytes(8))
	return u
}

func (r *reader) syntax() rpc.Syntax {
	u, version := r.uuid(), r.u32()
	return rpc.Syntax{UUID: u, Major: uint16(version), Minor: uint16(version >> 16)}
}
