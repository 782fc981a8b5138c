package guard

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	trailer  = "0a06 00 00 07000000" // NTLM, privacy, no padding, context 7
	padded   = "0a06 04 00 07000000"
	accepted = "0000 0000 045d888aeb1cc9119fe808002b104860 02000000"
	features = "0300 0300 00000000000000000000000000000000 00000000"
	address  = "0400 31333500 0000" // "135", padding
)

// pdu is a PDU with a body, and a sec_trailer and token unless it is "".
func pdu(ptype, flags uint8, call uint32, body []byte, sec string, token []byte) []byte {
	behind := []byte(nil)
	if sec != "" {
		behind = pack(sec, token)
	}
	return pack("0500", ptype, flags, "10000000", uint16(16+len(body)+len(behind)), uint16(len(token)), call, body, behind)
}

func bind(call uint32) []byte {
	return pdu(ptypeBind, 3, call, pack("d016 d016 00000000", "02000000", zeros(88)), trailer, zeros(40))
}

func ack(parts ...any) []byte {
	return pdu(ptypeBindAck, 3, 1, pack(append([]any{"d016 d016 01000000"}, parts...)...), trailer, zeros(60))
}

func request(call uint32) []byte { return pdu(ptypeRequest, 3, call, zeros(40), trailer, zeros(16)) }

func reply(flags uint8, hint uint32, stub int, sec string) []byte {
	return pdu(ptypeResponse, flags, 2, pack(hint, "0000 00 00", zeros(stub)), sec, zeros(16))
}

func TestRPC(t *testing.T) {
	good := ack(address, "02000000", accepted, features)
	of := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	tests := []struct {
		name  string
		asked []byte
		said  []byte
		whole bool // it is let through whole
	}{
		{"bind_ack", bind(1), good, true},
		{"bind_ack without an address", bind(1), ack("0000 0000", "02000000", accepted, features), true},
		{"bind_nak", bind(1), pdu(ptypeBindNak, 3, 1, pack("0800"), "", nil), true},
		{"bind_nak with versions", bind(1), pdu(ptypeBindNak, 3, 1, pack("0400 01 0500 000000"), "", nil), true},
		{"fault to a bind", bind(1), pdu(ptypeFault, 0x23, 1, pack("20000000 0000 00 00 05000000 00000000"), "", nil), true},
		{"response", request(2), reply(3, 100, 100, trailer), true},
		{"response with padding", request(2), reply(3, 100, 104, padded), true},
		{"response in fragments", request(2), bytes.Join([][]byte{reply(1, 300, 100, trailer), reply(0, 200, 100, trailer), reply(2, 100, 100, trailer)}, nil), true},
		{"fault", request(2), pdu(ptypeFault, 0x23, 2, pack("20000000 0000 00 00 05000000 00000000"), "", nil), true},

		{"not RPC", bind(1), []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false},
		{"another version", bind(1), of(good, 0, 4), false},
		{"big-endian", bind(1), of(good, 4, 0), false},
		{"a fragment too long", bind(1), of(good, 8, 0xd1, 0x16), false},
		{"a fragment too short", bind(1), of(good, 8, 15, 0), false},
		{"a token too long", bind(1), of(good, 10, 0xff, 0), false},
		{"another call", bind(1), of(good, 12, 9), false},
		{"unasked", nil, good, false},
		{"unasked, call 0", nil, of(good, 12, 0), false},
		{"a response to a bind", bind(1), of(reply(3, 100, 100, trailer), 12, 1), false},
		{"a bind_ack to a request", request(2), of(good, 12, 2), false},
		{"a request", request(2), request(2), false},
		{"a shutdown", request(2), pdu(17, 3, 2, nil, "", nil), false},
		{"bind_ack in fragments", bind(1), of(good, 3, 1), false},
		{"bind_ack of small fragments", bind(1), of(good, 16, 0, 1), false},
		{"bind_ack of large fragments", bind(1), of(good, 18, 0xff, 0xff), false},
		{"an address beyond", bind(1), of(good, 24, 0xff, 0xff), false},
		{"too few results", bind(1), ack(address, "01000000", accepted), false},
		{"results that are not there", bind(1), ack(address, "02000000", accepted), false},
		{"255 results", bind(1), ack(address, "ff000000", accepted, features), false},
		{"a result that is none", bind(1), ack(address, "02000000", accepted, "0400 0300", zeros(20)), false},
		{"NDR64", bind(1), ack(address, "02000000", "0000 0000 33057171babe37498319b5dbef9ccc36 01000000", features), false},
		{"more behind the results", bind(1), ack(address, "02000000", accepted, features, zeros(17)), false},
		{"another mechanism", bind(1), of(good, len(good)-68, 0x10), false},
		{"a lower level", bind(1), of(good, len(good)-67, 5), false},
		{"another security context", bind(1), of(good, len(good)-64, 8), false},
		{"bind_nak cut short", bind(1), pdu(ptypeBindNak, 3, 1, pack("08"), "", nil), false},
		{"bind_nak of versions that are not there", bind(1), pdu(ptypeBindNak, 3, 1, pack("0400 09 0500"), "", nil), false},
		{"no signature", request(2), pdu(ptypeResponse, 3, 2, pack("64000000 00000000", zeros(100)), "", nil), false},
		{"alloc_hint 0", request(2), reply(3, 0, 100, trailer), false},
		{"alloc_hint 2 GiB", request(2), reply(3, 1<<31, 100, trailer), false},
		{"more padding than stub", request(2), reply(3, 100, 2, padded), false},
		{"padding beyond all bounds", request(2), of(reply(3, 100, 100, trailer), 24+100+2, 200), false},
		{"an object", request(2), reply(0x83, 100, 100, trailer), false},
		{"a second first fragment", request(2), bytes.Join([][]byte{reply(1, 300, 100, trailer), reply(1, 200, 100, trailer)}, nil), false},
		{"no first fragment", request(2), reply(2, 100, 100, trailer), false},
		{"a fault without a status", request(2), pdu(ptypeFault, 3, 2, zeros(16), "", nil), false},
		{"a fault cut short", request(2), pdu(ptypeFault, 3, 2, zeros(10), "", nil), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := saying(tt.said)
			c := NewRPC(p)
			ask(c, bind(1)) // whose trailer holds
			if tt.asked == nil {
				ask(c, pdu(ptypeAuth3, 3, 1, zeros(4), trailer, zeros(40)))
			} else {
				ask(c, tt.asked)
			}
			got, err := through(c)
			if tt.whole != bytes.Equal(got, tt.said) || tt.whole == errors.Is(err, wire.ErrGarbled) {
				t.Errorf("let through %d of %d bytes, then %v", len(got), len(tt.said), err)
			}
			checkEnd(t, c, &c.stream, p, err)
		})
	}
}

// What a host refuses by is there for who asks.
func TestRPCRefusals(t *testing.T) {
	c := NewRPC(saying(pdu(ptypeBindNak, 3, 1, pack("0900"), "", nil)))
	if _, ok := c.BindNak(); ok || c.Fault() != 0 || c.Token() != nil {
		t.Error("refused at once")
	}
	ask(c, bind(1))
	if _, _ = through(c); c.Fault() != 0 {
		t.Errorf("fault %#x", c.Fault())
	}
	if reason, ok := c.BindNak(); !ok || reason != 9 {
		t.Errorf("bind_nak %d, %t", reason, ok)
	}
	c = NewRPC(saying(ack(address, "02000000", accepted, features)))
	ask(c, bind(1))
	if _, _ = through(c); len(c.Token()) != 60 {
		t.Errorf("token of %d bytes", len(c.Token()))
	}
	c = NewRPC(saying(pdu(ptypeFault, 0x23, 2, pack("20000000 0000 00 00 05000000 00000000"), "", nil)))
	ask(c, request(2))
	if _, _ = through(c); c.Fault() != 5 {
		t.Errorf("fault %#x", c.Fault())
	}
}

// A host that hangs up is no other protocol.
func TestRPCHangup(t *testing.T) {
	good := ack(address, "02000000", accepted, features)
	for n := range len(good) - 1 {
		c := NewRPC(saying(good[:n]))
		ask(c, bind(1))
		if got, err := through(c); len(got) > 0 || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("after %d bytes: %d let through, then %v", n, len(got), err)
		}
	}
}

// However much a host says, no more of it is taken than the bounds.
func TestRPCBounds(t *testing.T) {
	many := func(n, stub int) []byte {
		out := reply(1, 100, stub, trailer)
		for range n {
			out = append(out, reply(0, 100, stub, trailer)...)
		}
		return out
	}
	for _, said := range [][]byte{many(maxFragments, 10), many(20, 5000)} {
		p := saying(said)
		c := NewRPC(p)
		ask(c, bind(1))
		ask(c, request(2))
		got, err := through(c)
		if !errors.Is(err, wire.ErrGarbled) || len(got) > maxReply {
			t.Errorf("let through %d bytes of a reply, then %v", len(got), err)
		}
	}
	var said []byte
	for range 1000 {
		said = append(said, reply(3, 100, 5000, trailer)...)
	}
	c := NewRPC(saying(said))
	ask(c, bind(1))
	total := 0
	for b := make([]byte, 1<<20); ; {
		ask(c, request(2))
		n, err := c.Read(b)
		if total += n; err != nil {
			break
		}
	}
	if total > maxRPC {
		t.Errorf("let through %d bytes of a conversation", total)
	}
}

// Whatever a host says, nothing panics, and what is let through is whole PDUs that
// a host did say.
func FuzzRPC(f *testing.F) {
	f.Add(ack(address, "02000000", accepted, features), true)
	f.Add(pdu(ptypeBindNak, 3, 1, pack("0400 01 0500 000000"), "", nil), true)
	f.Add(bytes.Join([][]byte{reply(1, 300, 100, trailer), reply(2, 100, 104, padded)}, nil), false)
	f.Add(pdu(ptypeFault, 0x23, 2, pack("20000000 0000 00 00 05000000 00000000"), "", nil), false)
	f.Fuzz(func(t *testing.T, said []byte, binding bool) {
		p := saying(said)
		c := NewRPC(p)
		if ask(c, bind(1)); !binding {
			ask(c, request(2))
		}
		got, err := through(c)
		if !bytes.HasPrefix(said, got) || len(got) > maxReply {
			t.Fatalf("let through %d bytes of %d", len(got), len(said))
		}
		for rest := got; len(rest) > 0; {
			h, ok := parseRPCHeader(rest[:16])
			if !ok || h.FragLength > len(rest) {
				t.Fatalf("let through %x", rest)
			}
			rest = rest[h.FragLength:]
		}
		checkEnd(t, c, &c.stream, p, err)
	})
}
