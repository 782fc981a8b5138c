package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/gpreach/gpreach/internal/wire"
)

// frame is a message in its direct TCP frame.
func frame(parts ...any) []byte {
	m := pack(parts...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...)
}

// header is an SMB2 header.
func header(command uint16, status, flags uint32, id uint64) []byte {
	return pack("fe534d42 4000 0100", status, command, "0100", flags, "00000000", id, zeros(32))
}

func asking(command uint16) []byte { return append(header(command, 0, 0, 3), zeros(100)...) }

// says is a response to asking, of this status and body.
func says(command uint16, status uint32, body ...any) []byte {
	return frame(append([]any{header(command, status, 1, 3)}, body...)...)
}

// negotiated is the body of a NEGOTIATE response with these contexts.
func negotiated(dialect, count uint16, contexts ...any) []byte {
	return pack(append([]any{
		"4100 0300", dialect, count, zeros(20), uint32(1 << 20), uint32(1 << 20), uint32(1 << 20),
		zeros(16), uint16(128), uint16(8), uint32(136), zeros(8),
	}, contexts...)...)
}

const (
	integrity = "0100 2600 00000000 0100 2000 0100" // SHA-512 and a salt of 32 bytes
	cipher    = "0200 0400 00000000 0100 0200"      // AES-128-GCM
	refused   = "0900 00 00 00000000 00"
)

func TestSMB(t *testing.T) {
	contexts := []any{integrity, zeros(32), "0000", cipher}
	of := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[4+at:], v)
		return b
	}
	ok := says(smbWrite, 0, "1100 0000 05000000 00000000 00000000")
	tests := []struct {
		name  string
		asked uint16
		said  []byte
		whole bool
	}{
		{"negotiate 3.1.1", smbNegotiate, says(smbNegotiate, 0, negotiated(0x0311, 2, contexts...)), true},
		{"negotiate 2.1", smbNegotiate, says(smbNegotiate, 0, negotiated(0x0210, 0)), true},
		{"session setup, more", smbSessionSetup, says(smbSessionSetup, statusMoreProcessingRequired, "0900 0000 4800 0400 01020304"), true},
		{"session setup", smbSessionSetup, says(smbSessionSetup, 0, "0900 0000 4800 0400 01020304"), true},
		{"session setup without a token", smbSessionSetup, says(smbSessionSetup, 0, "0900 0400 0000 0000"), true},
		{"session setup refused", smbSessionSetup, says(smbSessionSetup, 0xC000006D, refused), true},
		{"tree connect", smbTreeConnect, says(smbTreeConnect, 0, "1000 02 00 30000000 00000000 ff011f00"), true},
		{"tree connect refused", smbTreeConnect, says(smbTreeConnect, 0xC0000022, refused), true},
		{"create", smbCreate, says(smbCreate, 0, "5900", zeros(86)), true},
		{"create with contexts", smbCreate, says(smbCreate, 0, "5900", zeros(78), "98000000 08000000", zeros(8)), true},
		{"write", smbWrite, ok, true},
		{"read", smbRead, says(smbRead, 0, "1100 50 00 04000000 00000000 00000000 01020304"), true},
		{"pending, and then read", smbRead, append(frame(header(smbRead, statusPending, 3, 3), refused), says(smbRead, 0, "1100 50 00 04000000 00000000 00000000 01020304")...), true},
		{"close", smbClose, says(smbClose, 0, "3c00", zeros(58)), true},
		{"log off", smbLogoff, says(smbLogoff, 0, "0400 0000"), true},
		{"tree disconnect", smbTreeDisconnect, says(smbTreeDisconnect, 0, "0400 0000"), true},

		{"not SMB", smbWrite, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false},
		{"a frame too short", smbWrite, frame(zeros(63)), false},
		{"a frame too long", smbWrite, append([]byte{0, 1, 0, 1}, zeros(maxFrame+1)...), false},
		{"a frame of another type", smbWrite, append([]byte{0x85}, ok[1:]...), false},
		{"SMB1", smbWrite, of(ok, 0, 0xff), false},
		{"encrypted, unasked", smbWrite, of(ok, 0, 0xfd), false},
		{"compressed", smbWrite, of(ok, 0, 0xfc), false},
		{"a header of another size", smbWrite, of(ok, 4, 63), false},
		{"a request", smbWrite, of(ok, 16, 0), false},
		{"a chain", smbWrite, of(ok, 20, 72), false},
		{"another command", smbRead, ok, false},
		{"another message", smbWrite, of(ok, 24, 4), false},
		{"an oplock break", smbWrite, of(ok, 24, 255, 255, 255, 255, 255, 255, 255, 255), false},
		{"a second answer", smbWrite, append(bytes.Clone(ok), ok...), false},
		{"another structure", smbWrite, of(ok, 64, 0x10), false},
		{"SMB 2.???", smbNegotiate, says(smbNegotiate, 0, negotiated(0x02ff, 0)), false},
		{"no preauthentication integrity", smbNegotiate, says(smbNegotiate, 0, negotiated(0x0311, 1, cipher)), false},
		{"contexts that are not there", smbNegotiate, says(smbNegotiate, 0, negotiated(0x0311, 3, contexts...)), false},
		{"65,535 contexts", smbNegotiate, says(smbNegotiate, 0, negotiated(0x0311, 65535, contexts...)), false},
		{"a salt beyond", smbNegotiate, says(smbNegotiate, 0, negotiated(0x0311, 1, "0100 2600 00000000 0100 ffff 0100", zeros(32))), false},
		{"no hash", smbNegotiate, says(smbNegotiate, 0, negotiated(0x0311, 1, "0100 0400 00000000 0000 0000")), false},
		{"reads of no bytes", smbNegotiate, of(says(smbNegotiate, 0, negotiated(0x0210, 0)), 64+32, 0, 0, 0, 0), false},
		{"a token beyond", smbSessionSetup, says(smbSessionSetup, 0, "0900 0000 4800 0500 01020304"), false},
		{"a token in the header", smbSessionSetup, says(smbSessionSetup, 0, "0900 0000 0400 0400 01020304"), false},
		{"a guest", smbSessionSetup, says(smbSessionSetup, 0, "0900 0100 0000 0000"), false},
		{"nobody", smbSessionSetup, says(smbSessionSetup, 0, "0900 0200 0000 0000"), false},
		{"a disk", smbTreeConnect, says(smbTreeConnect, 0, "1000 01 00 30000000 00000000 ff011f00"), false},
		{"create cut short", smbCreate, says(smbCreate, 0, "5900", zeros(80)), false},
		{"create with contexts beyond", smbCreate, says(smbCreate, 0, "5900", zeros(78), "98000000 09000000", zeros(8)), false},
		{"read beyond", smbRead, says(smbRead, 0, "1100 50 00 ffffff7f 00000000 00000000 01020304"), false},
		{"an error cut short", smbCreate, says(smbCreate, 0xC0000022, "0900 0000"), false},
		{"an error of bytes that are not there", smbCreate, says(smbCreate, 0xC0000022, "0900 00 00 ffffffff 00"), false},
		{"an error with contexts", smbCreate, says(smbCreate, 0xC0000022, "0900 ff 00 00000000 00"), false},
		{"a command that is not asked", 0x0e, says(0x0e, 0, zeros(100)), false},
		{"pending for ever", smbRead, bytes.Repeat(frame(header(smbRead, statusPending, 3, 3), refused), maxInterim+1), false},
		{"a logon pending", smbSessionSetup, frame(header(smbSessionSetup, statusPending, 3, 3), refused), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := saying(tt.said)
			c := NewSMB(p)
			ask(c, []byte{0, 0, 0, 164})
			ask(c, asking(tt.asked))
			got, err := through(c)
			stopped := errors.Is(err, wire.ErrGarbled) || errors.Is(err, ErrGuest)
			if tt.whole != bytes.Equal(got, tt.said) || tt.whole == stopped {
				t.Errorf("let through %d of %d bytes, then %v", len(got), len(tt.said), err)
			}
			checkEnd(t, c, &c.stream, p, err)
		})
	}
}

// A host that hangs up is no other protocol.
func TestSMBHangup(t *testing.T) {
	good := says(smbSessionSetup, 0, "0900 0000 4800 0400 01020304")
	for n := range len(good) - 1 {
		c := NewSMB(saying(good[:n]))
		ask(c, asking(smbSessionSetup))
		if got, err := through(c); len(got) > 0 || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("after %d bytes: %d let through, then %v", n, len(got), err)
		}
	}
}

// A count that cannot be costs no more than one that can.
func TestSMBContextsAreCheap(t *testing.T) {
	said := says(smbNegotiate, 0, negotiated(0x0311, 65535, integrity, zeros(32), "0000", cipher))
	if n := testing.AllocsPerRun(10, func() {
		c := NewSMB(saying(said))
		ask(c, asking(smbNegotiate))
		_, _ = through(c)
	}); n > 100 {
		t.Errorf("%.0f allocations", n)
	}
}

func TestSMBLogonStatus(t *testing.T) {
	c := NewSMB(saying(says(smbSessionSetup, 0xC0000234, refused)))
	ask(c, asking(smbSessionSetup))
	if _, _ = through(c); c.LogonStatus() != 0xC0000234 {
		t.Errorf("%#x", c.LogonStatus())
	}
}

// What we asked encrypted must be answered so, and nothing else.
func TestSMBEncrypted(t *testing.T) {
	sealed := frame("fd534d42", zeros(32), uint32(100), "0000 0100", zeros(8), zeros(100))
	for _, tt := range []struct {
		name  string
		said  []byte
		whole bool
	}{
		{"encrypted", sealed, true},
		{"plain", says(smbWrite, 0, "1100 0000 05000000 00000000 00000000"), false},
		{"of another length", frame("fd534d42", zeros(32), uint32(101), "0000 0100", zeros(8), zeros(100)), false},
		{"too short", frame("fd534d42", zeros(32), uint32(20), "0000 0100", zeros(8), zeros(20)), false},
		{"not encrypted", frame("fd534d42", zeros(32), uint32(100), "0000 0000", zeros(8), zeros(100)), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewSMB(saying(tt.said))
			ask(c, sealed[4:])
			if got, err := through(c); tt.whole != bytes.Equal(got, tt.said) {
				t.Errorf("let through %d of %d bytes, then %v", len(got), len(tt.said), err)
			}
		})
	}
}

// Whatever a host says, nothing panics, and no more is let through than whole
// frames that a host did say.
func FuzzSMB(f *testing.F) {
	f.Add(says(smbNegotiate, 0, negotiated(0x0311, 2, integrity, zeros(32), "0000", cipher)), uint16(smbNegotiate), false)
	f.Add(says(smbSessionSetup, statusMoreProcessingRequired, "0900 0000 4800 0400 01020304"), uint16(smbSessionSetup), false)
	f.Add(says(smbRead, 0, "1100 50 00 04000000 00000000 00000000 01020304"), uint16(smbRead), false)
	f.Add(says(smbCreate, 0, "5900", zeros(78), "98000000 08000000", zeros(8)), uint16(smbCreate), false)
	f.Add(frame("fd534d42", zeros(32), uint32(100), "0000 0100", zeros(8), zeros(100)), uint16(0), true)
	f.Fuzz(func(t *testing.T, said []byte, command uint16, sealed bool) {
		p := saying(said)
		c := NewSMB(p)
		if sealed {
			ask(c, pack("fd534d42", zeros(200)))
		} else {
			ask(c, asking(command))
		}
		got, err := through(c)
		if !bytes.HasPrefix(said, got) || len(got) > maxSMB {
			t.Fatalf("let through %d bytes of %d", len(got), len(said))
		}
		for rest := got; len(rest) > 0; {
			n := 4 + int(binary.BigEndian.Uint32(rest))
			if n < 4+smbHeadLen || n > len(rest) {
				t.Fatalf("let through %x", rest)
			}
			rest = rest[n:]
		}
		checkEnd(t, c, &c.stream, p, err)
	})
}
