package guard

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gpreach/gpreach/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pack puts little-endian integers, and hex, behind one another.
func pack(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		var err error
		if digits, ok := part.(string); ok {
			part, err = hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		}
		if err == nil {
			b, err = binary.Append(b, binary.LittleEndian, part)
		}
		if err != nil {
			panic(err)
		}
	}
	return b
}

func zeros(n int) []byte { return make([]byte, n) }

// A peer says what it will say, whatever it is asked, and hangs up.
type peer struct {
	net.Conn
	says   io.Reader
	closed bool
}

func saying(messages ...[]byte) *peer { return &peer{says: bytes.NewReader(bytes.Join(messages, nil))} }

func (p *peer) Read(b []byte) (int, error) {
	if p.closed {
		return 0, net.ErrClosed
	}
	return p.says.Read(b)
}

func (*peer) Write(b []byte) (int, error) { return len(b), nil }

func (p *peer) Close() error {
	p.closed = true
	return nil
}

// ask has a guarded connection see what is asked.
func ask(c io.Writer, request []byte) { _, _ = c.Write(request) }

// through returns all that a guarded connection lets through, and what ends it.
func through(c io.Reader) ([]byte, error) {
	var out []byte
	b := make([]byte, 100)
	for {
		n, err := c.Read(b)
		if out = append(out, b[:n]...); err != nil {
			return out, err
		}
	}
}

// checkEnd fails unless a guarded connection ended, for good and with its socket
// closed, by what a host may cause.
func checkEnd(t *testing.T, c io.Reader, s *stream, p *peer, err error) {
	t.Helper()
	if !errors.Is(err, wire.ErrGarbled) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrGuest) {
		t.Fatalf("ended by %v", err)
	}
	if _, again := c.Read(make([]byte, 1)); !errors.Is(again, err) || s.Err() == nil || !p.closed {
		t.Fatalf("after %v: %v, %v, closed %t", err, again, s.Err(), p.closed)
	}
}
