package winhost

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// recorded is how much of what was sent to a port is kept.
const recorded = 64 << 10

// A Network is simulated hosts, and the names by which they are found. Its fields
// are set before it is used; a Crowd changes them while it is.
type Network struct {
	// Hosts by address. An address without a host is silent.
	Hosts map[netip.Addr]*Host
	// Names in lower case and without a final dot.
	Names map[string]Record

	forgetful bool // what was sent is not kept

	mu    sync.Mutex
	dials map[string]int
	sent  map[string][]byte
	ports uint16 // clients' ports given out
}

// A Record is what the resolver answers: after the delay, the addresses or the
// error. It may answer no address and no error.
type Record struct {
	Addrs []netip.Addr
	Delay time.Duration
	Err   error
}

// NewNetwork returns a network of hosts, each found by its addresses and DNS name.
func NewNetwork(hosts ...*Host) *Network {
	n := &Network{
		Hosts: map[netip.Addr]*Host{}, Names: map[string]Record{},
		dials: map[string]int{}, sent: map[string][]byte{},
	}
	for _, h := range hosts {
		for _, a := range h.Addrs {
			n.Hosts[a] = h
		}
		n.Names[strings.ToLower(h.DNSName)] = Record{Addrs: h.Addrs}
	}
	return n
}

// Lookup has the shape of a resolver: a name without a record is not found.
func (n *Network) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	n.mu.Lock()
	r, ok := n.Names[strings.TrimSuffix(strings.ToLower(name), ".")]
	n.mu.Unlock()
	if err := pass(ctx, r.Delay); err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: name, IsTimeout: err.Timeout(), UnwrapErr: err}
	}
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return slices.Clone(r.Addrs), r.Err
}

// Dial has the shape and the errors of net.Dialer.DialContext, for "tcp" and
// an address and port. A connect takes one round trip.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "winhost takes tcp, an address and a port", Addr: address}}
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	remote := net.TCPAddrFromAddrPort(to)
	failed := func(err error) error { return &net.OpError{Op: "dial", Net: network, Addr: remote, Err: err} }
	host, port, local := n.arrive(to)
	if port.Fate == NotPermitted || port.Fate == NoResources {
		return nil, failed(os.NewSyscallError("connect", port.Fate.errno()))
	}
	if port.Fate == Drop {
		<-ctx.Done()
		return nil, failed(ended(ctx))
	}
	if err := pass(ctx, host.RTT); err != nil {
		return nil, failed(err)
	}
	if errno := port.Fate.errno(); errno != 0 {
		return nil, failed(os.NewSyscallError("connect", errno))
	}
	client, server := pair(local, remote, host.RTT)
	if !n.forgetful {
		client.record = func(b []byte) { n.keep(to.String(), b) }
	}
	go func() {
		defer server.Close()
		port.Serve(server)
	}()
	return client, nil
}

// arrive counts a dial and returns what it meets, and where it comes from.
func (n *Network) arrive(to netip.AddrPort) (*Host, Port, *net.TCPAddr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials[to.String()]++
	n.ports++
	from := &net.TCPAddr{IP: net.IPv4(10, 77, 255, 1), Port: 49152 + int(n.ports%16384)}
	if to.Addr().Is6() {
		from.IP = net.ParseIP("fd77::1")
	}
	host := n.Hosts[to.Addr()]
	if host == nil {
		return nil, Port{}, from
	}
	return host, host.port(to.Port(), n.dials[to.String()]), from
}

func (n *Network) keep(address string, b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if room := recorded - len(n.sent[address]); room > 0 {
		n.sent[address] = append(n.sent[address], b[:min(room, len(b))]...)
	}
}

// Dials returns how often an address and port was dialled.
func (n *Network) Dials(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[address]
}

// Dialled returns every address and port that was dialled, sorted.
func (n *Network) Dialled() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.dials))
}

// Sent returns what clients wrote to an address and port, on all connections
// as it came, up to 64 KiB.
func (n *Network) Sent(address string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sent[address])
}

// pass lets time go by, unless the context ends first.
func pass(ctx context.Context, d time.Duration) *contextError {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// A contextError says that a context ended, in the words of package net, whose
// own error for it is not exported.
type contextError struct{ cause error }

func ended(ctx context.Context) *contextError { return &contextError{ctx.Err()} }

func (e *contextError) Error() string {
	if e.Timeout() {
		return "i/o timeout"
	}
	return "operation was canceled"
}

func (e *contextError) Timeout() bool        { return errors.Is(e.cause, context.DeadlineExceeded) }
func (e *contextError) Is(target error) bool { return target == e.cause }

// Reset ends a connection by a reset instead of in good order.
func Reset(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0) // a connection that is gone is reset already
	}
	c.Close()
}

// A Fate is what becomes of a connect.
type Fate int

// The fates. Windows' firewall drops what it does not allow; NotPermitted and
// NoResources are failures of the machine that dials.
const (
	Drop Fate = iota
	Refuse
	ICMP
	NotPermitted
	NoResources
	accepted
)

// errno returns the error of a connect, 0 where it gets none.
func (f Fate) errno() syscall.Errno {
	switch f {
	case Refuse:
		return syscall.ECONNREFUSED
	case ICMP:
		return syscall.EHOSTUNREACH
	case NotPermitted:
		return syscall.EPERM
	case NoResources:
		return syscall.EMFILE
	}
	return 0
}
