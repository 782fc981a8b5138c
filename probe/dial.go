package probe

import (
	"context"
	"net"
	"sync"
	"time"
)

// settle is how long a later connection is waited for when an earlier one came
// only after it was begun, from when the last dial begins.
const settle = 100 * time.Millisecond

// connect dials an address within p.Timeout, again and again as redials says,
// since a lost SYN would be sent again only after a second or more.
func (p *Prober) connect(ctx context.Context, to string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	waits := redials(p.Timeout)
	return p.connectAgain(ctx, cancel, to, waits[:])
}

// connectAgain dials, and after the first wait begins to connectAgain beside
// that, with the waits left: the first to connect or be refused decides, and a
// later dial that ends in any other way counts as never made. cancel ends ctx.
//
// A dial that connects after a later one was begun owes it to a SYN that the
// system sent again, and what is lost on such a connection is sent again only
// after three seconds (RFC 6298 section 5.7), more than a stage has. So it is held
// until the last dial could have been answered, and the latest connection is the
// one that is used.
func (p *Prober) connectAgain(ctx context.Context, cancel context.CancelFunc, to string, waits []time.Duration) (net.Conn, error) {
	if len(waits) == 0 {
		return p.dialPatiently(ctx, to)
	}
	start := time.Now()
	var other struct {
		conn net.Conn
		err  error
		done sync.WaitGroup
	}
	other.done.Add(1)
	timer := time.AfterFunc(waits[0], func() {
		defer other.done.Done()
		later, cancelLater := context.WithCancel(ctx)
		defer cancelLater()
		other.conn, other.err = p.connectAgain(later, cancelLater, to, waits[1:])
		if answered(ctx, other.err) {
			cancel() // it decides: the earlier one is no longer waited for
		}
	})
	conn, err := p.dialPatiently(ctx, to)
	if timer.Stop() {
		if err != nil || time.Since(start) < waits[0] {
			return conn, err
		}
		timer.Reset(0) // it was due, and is only late since this machine is busy
	}
	if err == nil {
		last := start
		for _, wait := range waits {
			last = last.Add(wait)
		}
		defer time.AfterFunc(max(0, time.Until(last))+settle, cancel).Stop()
	} else if answered(ctx, err) {
		cancel()
	}
	other.done.Wait()
	both := err == nil && other.err == nil
	if both || answered(ctx, other.err) && !answered(ctx, err) {
		conn, other.conn, err = other.conn, conn, other.err
	}
	if other.conn != nil {
		other.conn.Close()
	}
	return conn, err
}

// dialPatiently dials once this machine has the resources for it.
func (p *Prober) dialPatiently(ctx context.Context, to string) (conn net.Conn, err error) {
	p.patiently(ctx, func() error {
		conn, err = p.Dial(ctx, "tcp", to)
		return err
	})
	return conn, err
}

// patiently does something again while this machine has no resources for it,
// which says nothing about the host, as long as ctx allows.
func (p *Prober) patiently(ctx context.Context, do func() error) {
	for pause := 10 * time.Millisecond; classify(ctx, do()) == NoResources; pause *= 2 {
		if p.exhausted != nil {
			p.exhausted()
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// answered reports whether a dial that ended with err had an answer from the
// host: it connected or was refused.
func answered(ctx context.Context, err error) bool {
	return err == nil || classify(ctx, err) == Refused
}
