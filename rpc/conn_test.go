package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/gpreach/gpreach/internal/wire"
)

// part is a fragment of the response to the first call.
func part(flags uint8, in []byte) []byte {
	return message{typ: typeResponse, flags: flags, call: 1, body: pack(le, "ffffffff 0000 00 00", in)}.bytes()
}

// parts cuts a stub into fragments of n bytes.
func parts(in []byte, n int) []byte {
	var out []byte
	for i := 0; i < len(in); i += n {
		flags := uint8(middle)
		if i == 0 {
			flags |= flagFirst
		}
		if i+n >= len(in) {
			flags |= flagLast
		}
		out = append(out, part(flags, in[i:min(i+n, len(in))])...)
	}
	return out
}

// numbered is a stub in which each 16-bit unit is another.
func numbered(n int) []byte {
	b := make([]byte, 0, n+1)
	for i := uint16(0); len(b) < n; i++ {
		b = le.AppendUint16(b, i)
	}
	return b[:n]
}

func TestResponse(t *testing.T) {
	tests := []struct {
		name  string
		in    []byte
		want  []byte
		order binary.ByteOrder
	}{
		{"one fragment", part(whole, numbered(100)), numbered(100), le},
		{"nothing", part(whole, nil), nil, le},
		{"big-endian", response(be, numbered(100)), numbered(100), be},
		{"fragments of eight bytes", parts(numbered(100), 8), numbered(100), le},
		{"fragments of one byte", parts(numbered(100), 1), numbered(100), le},
		{"Windows' fragments", parts(numbered(45540), 4280-24), numbered(45540), le},
		{"as much as is taken", parts(numbered(maxStub), maxFrag-24), numbered(maxStub), le},
		{"as much as is taken, in eight bytes", parts(numbered(maxStub), 8), numbered(maxStub), le},
		{
			"empty fragments between", bytes.Join([][]byte{
				part(flagFirst, nil), part(middle, numbered(9)), part(middle, nil), part(flagLast, nil),
			}, nil), numbered(9), le,
		},
		{"more flags", part(whole|0x20|0x40|0x80, numbered(9)), numbered(9), le},
		{
			"a token, which nobody asked for",
			message{typ: typeResponse, flags: whole, call: 1, body: pack(le, "00000000 0000 00 00 aabb"), token: unhex("cc")}.bytes(),
			unhex("aabb"), le,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &peer{Reader: iotest.HalfReader(bytes.NewReader(append(tt.in, "next"...)))}
			c := NewConn(p)
			got, err := c.call(0, nil)
			if err != nil || got.order != tt.order || !bytes.Equal(got.data, tt.want) {
				t.Errorf("%d bytes, %v, error %v; want %d, %v", len(got.data), got.order, err, len(tt.want), tt.order)
			}
			if next, err := io.ReadAll(c.r); err != nil || string(next) != "next" {
				t.Errorf("after the response %q is left, error %v", next, err)
			}
		})
	}
}

func TestResponseRefused(t *testing.T) {
	beyond := numbered(maxStub + 1)
	tests := []struct {
		name string
		in   [][]byte
		want error
	}{
		{"a byte too many", [][]byte{parts(beyond, maxFrag-24)}, wire.ErrGarbled},
		{"a byte too many, in eight bytes", [][]byte{parts(beyond, 8)}, wire.ErrGarbled},
		{"no first fragment", [][]byte{part(middle, numbered(8)), part(flagLast, numbered(8))}, wire.ErrGarbled},
		{"last fragment first", [][]byte{part(flagLast, numbered(8)), part(flagFirst, numbered(8))}, wire.ErrGarbled},
		{"first fragment twice", [][]byte{part(flagFirst, numbered(8)), part(flagFirst, numbered(8))}, wire.ErrGarbled},
		{"a whole response behind the first fragment", [][]byte{part(flagFirst, numbered(8)), part(whole, numbered(8))}, wire.ErrGarbled},
		{
			"a fragment of another call",
			[][]byte{part(flagFirst, numbered(8)), message{typ: typeResponse, flags: flagLast, call: 2, body: numbered(8)}.bytes()},
			wire.ErrGarbled,
		},
		{
			"a fragment of another type",
			[][]byte{part(flagFirst, numbered(8)), message{typ: typeBindAck, flags: flagLast, call: 1, body: numbered(8)}.bytes()},
			wire.ErrGarbled,
		},
		{
			"a fragment in the other byte order",
			[][]byte{part(flagFirst, numbered(8)), message{typ: typeResponse, flags: flagLast, order: be, call: 1, body: numbered(8)}.bytes()},
			wire.ErrGarbled,
		},
		{
			"a fault in the middle",
			[][]byte{part(flagFirst, numbered(8)), message{typ: typeFault, flags: whole, call: 1, body: pack(le, "00000000 0000 00 00 05000000")}.bytes()},
			&Fault{5},
		},
		{"another call", [][]byte{message{typ: typeResponse, flags: whole, call: 9, body: numbered(8)}.bytes()}, wire.ErrGarbled},
		{"a bind_ack", [][]byte{message{typ: typeBindAck, flags: whole, call: 1, body: numbered(8)}.bytes()}, wire.ErrGarbled},
		{"our own request", [][]byte{message{typ: typeRequest, flags: whole, call: 1, body: numbered(8)}.bytes()}, wire.ErrGarbled},
		{"too short for its header", [][]byte{message{typ: typeResponse, flags: whole, call: 1, body: numbered(7)}.bytes()}, wire.ErrGarbled},
		{"a hangup between fragments", [][]byte{part(flagFirst, numbered(8))}, io.EOF},
		{"a hangup within the second", [][]byte{part(flagFirst, numbered(8)), part(flagLast, numbered(8))[:30]}, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewConn(saying(tt.in...)).call(0, nil); !same(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// endless repeats a fragment for ever and counts what was read of it.
type endless struct {
	fragment []byte
	n        int
}

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.fragment[e.n%len(e.fragment)]
		e.n++
	}
	return len(b), nil
}

// A response without an end is given up after 64 KiB, or 8192 fragments.
func TestResponseEndless(t *testing.T) {
	for _, n := range []int{0, 1, 8, maxFrag - 24} {
		fragment := part(middle, make([]byte, n))
		source := &endless{fragment: fragment}
		p := &peer{Reader: io.MultiReader(bytes.NewReader(part(flagFirst, nil)), source)}
		if _, err := NewConn(p).call(0, nil); !errors.Is(err, wire.ErrGarbled) {
			t.Errorf("fragments of %d bytes: %v", n, err)
		}
		bound := 8192
		if n > 0 {
			bound = min(bound, 65536/n+1)
		}
		if most := bound*len(fragment) + 512; source.n > most { // 512 is what bufio reads ahead
			t.Errorf("fragments of %d bytes: %d bytes were read, want at most %d", n, source.n, most)
		}
	}
}

// The security tokens of fragments count as well.
func TestResponseOfTokens(t *testing.T) {
	token := message{typ: typeResponse, call: 1, body: make([]byte, 8), token: make([]byte, 4000)}.bytes()
	source := &endless{fragment: token}
	p := &peer{Reader: io.MultiReader(bytes.NewReader(part(flagFirst, nil)), source)}
	if _, err := NewConn(p).call(0, nil); !errors.Is(err, wire.ErrGarbled) || source.n > 70<<10 {
		t.Errorf("error %v after %d bytes", err, source.n)
	}
}

// A later call is answered in the room of an earlier one.
func TestResponseAfterResponse(t *testing.T) {
	second := message{typ: typeResponse, flags: whole, call: 2, body: pack(le, "00000000 0000 00 00 aabb")}.bytes()
	c := NewConn(saying(parts(numbered(9000), 4000), second))
	for _, want := range [][]byte{numbered(9000), unhex("aabb")} {
		if got, err := c.call(0, nil); err != nil || !bytes.Equal(got.data, want) {
			t.Errorf("%d bytes, error %v, want %d bytes", len(got.data), err, len(want))
		}
	}
}

func TestResponseCut(t *testing.T) {
	checkCuts(t, part(whole, numbered(40)), 24, func(c *Conn) error {
		_, err := c.call(0, nil)
		return err
	})
}

// The connection's own errors come through as they are.
func TestConnectionErrors(t *testing.T) {
	broken := errors.New("broken")
	c := NewConn(&peer{Reader: iotest.ErrReader(broken)})
	if err := c.Bind(EventLog); !errors.Is(err, broken) {
		t.Errorf("read: %v", err)
	}
	c = NewConn(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(part(whole, nil)), brokenWriter{broken}})
	asks := map[string]func() error{
		"Bind":         func() error { return c.Bind(EventLog) },
		"Challenge":    func() error { _, err := c.Challenge(EventLog); return err },
		"Map":          func() error { _, err := c.Map(EventLog); return err },
		"ServerAlive2": func() error { _, err := c.ServerAlive2(); return err },
	}
	for name, ask := range asks {
		if err := ask(); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenWriter struct{ error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.error }
