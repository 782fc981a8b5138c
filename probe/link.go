package probe

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// A link is an open connection, bounded by the host's deadline and by the
// timeout of the stage that uses it.
type link struct {
	net.Conn
	peer    string
	timeout time.Duration
	reins   *reins
}

func newLink(r *reins, conn net.Conn, peer string, timeout time.Duration) *link {
	l := &link{Conn: conn, peer: peer, timeout: timeout, reins: r}
	r.hold(l)
	return l
}

// begin gives the next stage its time. It fails when the host's has run out.
func (l *link) begin() error {
	if err := l.SetDeadline(time.Now().Add(l.timeout)); err != nil {
		return err
	}
	return l.reins.ctx.Err() // they may have been pulled before SetDeadline
}

func (l *link) Close() error {
	l.reins.release(l)
	return l.Conn.Close()
}

// reins hold links, and cut them short when a context ends.
type reins struct {
	ctx context.Context //nolint:containedctx // its end is what they are there for

	mu     sync.Mutex
	links  []*link
	unhook func() bool    // nil before the first link
	pulled sync.WaitGroup // the hook, should it run
}

func (r *reins) hold(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, l)
	if r.unhook == nil {
		r.pulled.Add(1)
		r.unhook = context.AfterFunc(r.ctx, r.pull)
	}
}

func (r *reins) release(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = slices.DeleteFunc(r.links, func(other *link) bool { return other == l })
}

// pull ends what every link is waiting for. What is held later meets its end in
// link.begin.
func (r *reins) pull() {
	defer r.pulled.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		l.SetDeadline(time.Unix(1, 0))
	}
}

// drop lets go of the context, once no link is held any longer.
func (r *reins) drop() {
	if r.unhook != nil && r.unhook() {
		r.pulled.Done()
	}
	r.unhook = nil
	r.pulled.Wait()
}
