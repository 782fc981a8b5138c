package winhost

import (
	"cmp"
	"encoding/binary"
	"io"
	"unicode/utf16"

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
	size  int // of b at the beginning, from where fields are aligned
	err   error
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) && r.err == nil {
		r.b, r.err = nil, io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return make([]byte, min(n, 16))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// align skips what stands before a field that is aligned to n bytes.
func (r *reader) align(n int) { r.bytes((len(r.b) - r.size) & (n - 1)) }

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

// text writes a string of UTF-16, C706 section 14.3.4: conformant, varying, and
// ended by a zero.
func (w *writer) text(s string) {
	u := append(utf16.Encode([]rune(s)), 0)
	n := uint32(len(u))
	w.u32(n, 0, n)
	w.u16(u...)
	w.align(4)
}

// text reads a string of UTF-16 without the zero that ends it.
func (r *reader) text() string {
	r.align(4)
	most, offset, n := r.u32(), r.u32(), r.u32()
	if offset != 0 || n > most || n > maxText || int(n)*2 > len(r.b) {
		r.b, r.err = nil, cmp.Or(r.err, io.ErrUnexpectedEOF)
		return ""
	}
	u := make([]uint16, n)
	for i := range u {
		u[i] = r.u16()
	}
	r.align(4)
	if n > 0 && u[n-1] == 0 {
		u = u[:n-1]
	}
	return string(utf16.Decode(u))
}

// unique reads what a unique pointer points to, "" for a null pointer.
func (r *reader) unique(read func() string) string {
	r.align(4)
	if r.u32() == 0 {
		return ""
	}
	return read()
}
