// Package wire reads the fixed-size fields that SMB and DCE/RPC are made of.
// All bounds are checked here, in one place, and not in each message.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
)

// ErrGarbled is wrapped by every error that says that a message is not the
// protocol: cut short, out of bounds, or with a field that cannot be.
var ErrGarbled = errors.New("not the protocol")

// Garbled returns an error that wraps ErrGarbled.
func Garbled(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrGarbled, fmt.Sprintf(format, args...))
}

// ReadRest fills b with what follows of a message that has begun, so that an
// end of the connection is io.ErrUnexpectedEOF.
func ReadRest(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A Reader takes fields off the front of a message. The first read past the
// end is remembered, and it and all reads after it give zeros: a parser reads
// straight down its struct and asks Err once. A Reader never copies or
// allocates for the message's lengths; Bytes and At return parts of it.
type Reader struct {
	msg   []byte
	off   int
	order binary.ByteOrder
	err   error
}

// NewReader returns a Reader of msg in the given byte order.
func NewReader(msg []byte, order binary.ByteOrder) *Reader {
	return &Reader{msg: msg, order: order}
}

// Err returns what went wrong first, wrapping ErrGarbled, or nil.
func (r *Reader) Err() error { return r.err }

// Len returns the number of bytes not yet read.
func (r *Reader) Len() int { return len(r.msg) - r.off }

// Fail makes the Reader fail, unless it already has.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = Garbled(format, args...)
	}
	r.off = len(r.msg)
}

// Bytes takes the next n bytes.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > r.Len() {
		r.Fail("%d bytes wanted at offset %d of %d", n, r.off, len(r.msg))
		return nil
	}
	b := r.msg[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Rest takes all bytes not yet read.
func (r *Reader) Rest() []byte { return r.Bytes(r.Len()) }

// At returns n bytes at an offset from the start of the message without
// moving on, as SMB2's and NTLM's offset and length pairs ask.
func (r *Reader) At(off, n int) []byte {
	if off < 0 || n < 0 || off > len(r.msg) || n > len(r.msg)-off {
		r.Fail("%d bytes wanted at offset %d of %d", n, off, len(r.msg))
		return nil
	}
	return r.msg[off : off+n : off+n]
}

// Align skips to a multiple of n bytes from the start of the message.
func (r *Reader) Align(n int) { r.Bytes((n - r.off%n) % n) }

// Uint8 takes one byte.
func (r *Reader) Uint8() uint8 {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 takes a 16-bit integer.
func (r *Reader) Uint16() uint16 {
	if b := r.Bytes(2); b != nil {
		return r.order.Uint16(b)
	}
	return 0
}

// Uint32 takes a 32-bit integer.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

// Uint64 takes a 64-bit integer.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return r.order.Uint64(b)
	}
	return 0
}

// maxText is how many bytes of a text UTF16 looks at: no name is so long.
const maxText = 1 << 10

// UTF16 decodes little-endian UTF-16, ending before a NUL or half a unit, and
// after 512 units.
func UTF16(b []byte) string {
	b = b[:min(len(b), maxText)]
	u := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		c := binary.LittleEndian.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}
