package probe

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// settle is how long a second connection is waited for when the first one
// connected only after it was begun.
const settle = 100 * time.Millisecond

// connect dials an address within p.Timeout. A lost SYN would be sent again
// only after a second or more, so a second dial is begun at half the time: the
// first to connect or be refused decides, and a second dial that ends in any
// other way counts as never made.
//
// A first dial that connects after that owes it to a SYN that the system sent
// again, and what is lost on such a connection is sent again only after three
// seconds (RFC 6298 section 5.7). So the second connection, if there is one,
// is the one that is used.
func (p *Prober) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	type dialed struct {
		conn net.Conn
		err  error
	}
	second := make(chan dialed, 1)
	timer := time.AfterFunc(p.Timeout/2, func() {
		conn, err := p.dialPatiently(ctx, to)
		second <- dialed{conn, err}
		if answered(ctx, err) {
			cancel() // it decides: the first is no longer waited for
		}
	})
	conn, err := p.dialPatiently(ctx, to)
	if timer.Stop() {
		return conn, err
	}
	if err == nil {
		defer time.AfterFunc(settle, cancel).Stop()
	} else if answered(ctx, err) {
		cancel()
	}
	other := <-second
	both := err == nil && other.err == nil
	if both || answered(ctx, other.err) && !answered(ctx, err) {
		conn, other.conn, err = other.conn, conn, other.err
	}
	if other.conn != nil {
		other.conn.Close()
	}
	return conn, err
}

// dialPatiently dials again while this machine has no resources for it, which
// says nothing about the host, as long as ctx allows.
func (p *Prober) dialPatiently(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		conn, err := p.Dial(ctx, "tcp", to.String())
		if err == nil || classify(ctx, err) != NoResources {
			return conn, err
		}
		if p.exhausted != nil {
			p.exhausted()
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// answered reports whether a dial that ended with err had an answer from the
// host: it connected or was refused.
func answered(ctx context.Context, err error) bool {
	return err == nil || classify(ctx, err) == Refused
}

// A link is an open connection, bounded by the host's deadline and by the
// timeout of the stage that uses it.
type link struct {
	net.Conn
	peer    string
	ctx     context.Context //nolint:containedctx // a link lives no longer than its host's visit
	timeout time.Duration
	stop    func() bool
}

func newLink(ctx context.Context, conn net.Conn, peer string, timeout time.Duration) *link {
	l := &link{Conn: conn, peer: peer, ctx: ctx, timeout: timeout}
	l.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return l
}

// begin gives the next stage its time. It fails when the host's has run out.
func (l *link) begin() error {
	if err := l.SetDeadline(time.Now().Add(l.timeout)); err != nil {
		return err
	}
	return l.ctx.Err() // AfterFunc may have run before SetDeadline
}

func (l *link) Close() error {
	l.stop()
	return l.Conn.Close()
}
