//go:build lab && linux

package lab_test

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
)

// An interposer stands between a client and a host, and changes what the host says on the one connection that is the
// nth to its port.
type interposer struct {
	port   string // "" is the one that the mapper names
	nth    int
	change func(n int, message []byte) []byte // of the nth message, from 0; what it returns is what arrives

	mu    sync.Mutex
	dials int
}

// dial is a Prober's Dial.
func (i *interposer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	i.mu.Lock()
	defer i.mu.Unlock()
	if dynamic := port != "445" && port != "135"; port != i.port && (i.port != "" || !dynamic) {
		return conn, nil
	}
	if i.dials++; i.dials != i.nth {
		return conn, nil
	}
	return &changed{Conn: conn, smb: port == "445", change: i.change}, nil
}

// A changed connection gives the client other messages than the host sent.
type changed struct {
	net.Conn
	smb    bool
	change func(int, []byte) []byte

	mu   sync.Mutex
	n    int
	rest []byte
	end  error
}

func (c *changed) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.rest) == 0 {
		if c.end != nil {
			return 0, c.end
		}
		msg, err := c.message()
		if err != nil {
			c.end = err
			continue
		}
		if c.rest = c.change(c.n, msg); c.rest == nil {
			c.end = io.EOF
		}
		c.n++
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// message reads a whole message of the host: a direct TCP frame, or an RPC fragment.
func (c *changed) message() ([]byte, error) {
	head := make([]byte, 4)
	if !c.smb {
		head = make([]byte, 16)
	}
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return nil, err
	}
	n := len(head)
	if c.smb {
		n += int(binary.BigEndian.Uint32(head))
	} else {
		n = int(binary.LittleEndian.Uint16(head[8:]))
	}
	msg := make([]byte, n)
	copy(msg, head)
	_, err := io.ReadFull(c.Conn, msg[len(head):])
	return msg, err
}

// mutated returns a change of one to three messages, from a seed: bits and bytes other than they were, bytes too many
// or too few, lengths beyond all bounds, an early end. Of a message that keeps returns, so many first bytes are changed
// at most, and as many stay in place: a changed NTLM challenge would have an answer that counts as a wrong password.
func mutated(seed uint64, keeps func(n int, msg []byte) int) func(int, []byte) []byte {
	r := rand.New(rand.NewPCG(seed, 5))
	hit := map[int]bool{}
	for range 1 + r.IntN(3) {
		hit[r.IntN(8)] = true
	}
	return func(n int, msg []byte) []byte {
		changeable := len(msg)
		if keeps != nil {
			changeable = min(changeable, keeps(n, msg))
		}
		if !hit[n] || changeable == 0 {
			return msg
		}
		if changeable < len(msg) {
			msg[r.IntN(changeable)] ^= 1 << r.IntN(8)
			return msg
		}
		at := r.IntN(len(msg))
		if r.IntN(2) == 0 {
			at = min(at, r.IntN(96)) // where the lengths are
		}
		switch r.IntN(8) {
		case 0, 1:
			msg[at] ^= 1 << r.IntN(8)
		case 2:
			msg[at] = byte(r.Uint32())
		case 3:
			for i := at; i < min(at+1+r.IntN(8), len(msg)); i++ {
				msg[i] = byte(0xff * r.IntN(2))
			}
		case 4:
			more := make([]byte, 1+r.IntN(64))
			for i := range more {
				more[i] = byte(r.Uint32())
			}
			msg = append(msg[:at:at], append(more, msg[at:]...)...)
		case 5:
			msg = append(msg[:at:at], msg[min(at+1+r.IntN(64), len(msg)):]...)
		case 6:
			if at+4 <= len(msg) {
				binary.LittleEndian.PutUint32(msg[at:], [...]uint32{0xffffffff, 0x7fffffff, 0x80000000, 0x10000, 0}[r.IntN(5)])
			}
		case 7:
			if r.IntN(4) == 0 {
				return nil
			}
			msg = append(msg, msg[:at]...)
		}
		return msg
	}
}
