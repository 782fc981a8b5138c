package winhost

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how much an end may have written that the other has not yet read.
const window = 64 << 10

// A link is what both ends of a connection share. Its channel is closed, and
// replaced, whenever something changes for either end.
type link struct {
	mu      sync.Mutex
	changed chan struct{}
	delay   time.Duration // half a round trip
}

// A chunk is one write on its way, or the end of the stream.
type chunk struct {
	at   time.Time // when it arrives
	data []byte
	end  error // what reading gives from then on
}

// A conn is one end of a connection. It is a buffered net.Conn whose every
// chunk arrives half a round trip after it was written.
type conn struct {
	*link
	peer          *conn
	local, remote *net.TCPAddr
	client        bool
	record        func([]byte) // told what this end writes; may be nil

	inbox           []chunk
	held            int // bytes in inbox
	readBy, writeBy time.Time
	closed          bool
	abort           bool // closing sends a reset
	lost            bool // a write has come too late for a peer that is gone
}

// pair returns the two ends of a new connection.
func pair(client, server *net.TCPAddr, rtt time.Duration) (*conn, *conn) {
	l := &link{changed: make(chan struct{}), delay: rtt / 2}
	c := &conn{link: l, local: client, remote: server, client: true}
	s := &conn{link: l, local: server, remote: client, peer: c}
	c.peer = s
	return c, s
}

// Read returns what has arrived: at most one write of the peer.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.failed("read", net.ErrClosed)
		case passed(c.readBy):
			return 0, c.failed("read", os.ErrDeadlineExceeded)
		case len(c.inbox) > 0 && passed(c.inbox[0].at):
			return c.take(p)
		case len(c.inbox) > 0:
			c.wait(earlier(c.inbox[0].at, c.readBy))
		default:
			c.wait(c.readBy)
		}
	}
}

// take reads from the first chunk. The end of the stream stays where it is.
func (c *conn) take(p []byte) (int, error) {
	first := &c.inbox[0]
	if first.end != nil {
		return 0, first.end
	}
	n := copy(p, first.data)
	first.data = first.data[n:]
	if len(first.data) == 0 {
		c.inbox = c.inbox[1:]
	}
	c.held -= n
	c.wake()
	return n, nil
}

// Write sends p, and waits only while the window is full. As in TCP, the first
// write to a peer that has closed is lost without a word.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for {
		switch {
		case n > 0 && n == len(p):
			return n, nil
		case c.closed:
			return n, c.failed("write", net.ErrClosed)
		case passed(c.writeBy):
			return n, c.failed("write", os.ErrDeadlineExceeded)
		case c.wasReset():
			return n, c.failed("write", os.NewSyscallError("write", syscall.ECONNRESET))
		case c.peer.closed && c.lost:
			return n, c.failed("write", os.NewSyscallError("write", syscall.EPIPE))
		case c.peer.closed:
			c.lost = true
			return len(p), nil
		case len(p) == 0:
			return 0, nil
		case c.peer.held == window:
			c.wait(c.writeBy)
		default:
			k := min(len(p)-n, window-c.peer.held)
			c.send(chunk{data: append([]byte(nil), p[n:n+k]...)})
			n += k
		}
	}
}

func (c *conn) send(ch chunk) {
	ch.at = time.Now().Add(c.delay)
	c.peer.inbox = append(c.peer.inbox, ch)
	c.peer.held += len(ch.data)
	if c.record != nil {
		c.record(ch.data)
	}
	c.wake()
}

// wasReset reports whether the peer's reset has arrived.
func (c *conn) wasReset() bool {
	if len(c.inbox) == 0 {
		return false
	}
	last := c.inbox[len(c.inbox)-1]
	return errors.Is(last.end, syscall.ECONNRESET) && passed(last.at)
}

// Close ends both directions. The peer reads what is on its way, then io.EOF,
// or a reset after SetLinger(0). What a client sent before arrives with it and
// at once, so that no service outlives a test in whose bubble time has stopped.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.closed, c.inbox, c.held = true, nil, 0
	end := io.EOF
	if c.abort {
		end = c.peer.failed("read", os.NewSyscallError("read", syscall.ECONNRESET))
	}
	if !c.peer.closed {
		c.send(chunk{end: end})
	}
	if c.client {
		for i := range c.peer.inbox {
			c.peer.inbox[i].at = time.Now()
		}
	}
	c.wake()
	return nil
}

// SetLinger is net.TCPConn's: 0 makes Close send a reset.
func (c *conn) SetLinger(seconds int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort = seconds == 0
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error      { return c.setDeadlines(t, &c.readBy, &c.writeBy) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadlines(t, &c.readBy) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeBy) }

func (c *conn) setDeadlines(t time.Time, deadlines ...*time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failed("set", net.ErrClosed)
	}
	for _, d := range deadlines {
		*d = t
	}
	c.wake()
	return nil
}

func (c *conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// wake lets every waiting Read and Write look again.
func (l *link) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait gives up the lock until something changes or the time has come; the
// zero time never comes.
func (l *link) wait(until time.Time) {
	changed := l.changed
	l.mu.Unlock()
	defer l.mu.Lock()
	var alarm <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-changed:
	case <-alarm:
	}
}

func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// earlier returns the earlier of a time and a deadline, of which there may be none.
func earlier(t, deadline time.Time) time.Time {
	if !deadline.IsZero() && deadline.Before(t) {
		return deadline
	}
	return t
}
