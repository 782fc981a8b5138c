package probe

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// NewDial returns a Prober's Dial over this machine's network, for a Prober
// with that stage timeout. The Prober itself decides when a SYN is sent again,
// so the system does not. A connection ends by a reset, also one that connects
// just when its dial is given up: one that ends in good order keeps its port busy
// for minutes, and a sweep needs more of them than there are; and Linux would
// remember what it took as the host's round trip, a second where a SYN was lost,
// and be as slow to send again what is lost on the host's next connections.
func NewDial(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Control: prepare(timeout), KeepAlive: -1}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, err := netip.ParseAddrPort(address); err != nil { // never a name: nothing is resolved here
			return nil, err
		}
		// Not DialTCP, which binds the socket first: then no two connections of
		// this machine share a port, and a sweep needs more than there are.
		return dialer.DialContext(ctx, network, address)
	}
}

// NewLookup returns a Prober's Lookup by this machine's resolver. Where that is
// Go's own, a lookup that failed for want of a socket says so; its answers,
// "no such host" among them, would else be about half a question.
func NewLookup() func(ctx context.Context, name string) ([]netip.Addr, error) {
	return func(ctx context.Context, name string) ([]netip.Addr, error) {
		var short atomic.Pointer[error]
		resolver := net.Resolver{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if classify(ctx, err) == NoResources {
				short.Store(&err)
			}
			return conn, err
		}}
		addrs, err := resolver.LookupNetIP(ctx, "ip", name)
		if cause := short.Load(); cause != nil {
			return nil, *cause
		}
		return addrs, err
	}
}
