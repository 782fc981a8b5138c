package probe_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// One liveness port for which this machine has no descriptor at first does not
// make a silent host of another kind.
func TestLivenessWithoutResources(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, n := probeAddr(t, func(p *probe.Prober, h *winhost.Host) {
			clear(h.Ports)
			dial, once := p.Dial, sync.Once{}
			p.Dial = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
				if strings.HasSuffix(address, ":3389") {
					once.Do(func() { err = &net.OpError{Op: "dial", Err: syscall.EMFILE} })
				}
				if err != nil {
					return nil, err
				}
				return dial(ctx, network, address)
			}
		})
		if got := r.Status(probe.RSoP); got != probe.StatusSilent || n.Dials("10.77.0.101:3389") != 1 {
			t.Errorf("it is %s after %d dials of 3389", got, n.Dials("10.77.0.101:3389"))
		}
	})
}

// This machine's own exhaustion is no verdict of the resolver's: the name is
// asked for again, and unknown where that does not help.
func TestLookupWithoutResources(t *testing.T) {
	for fails, want := range map[int]probe.Verdict{3: probe.Reachable, 1000: probe.Unknown} {
		bubble(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", hostAddr)
			p := prober(winhost.NewNetwork(h))
			lookup, asked := p.Lookup, 0
			p.Lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
				if asked++; asked <= fails {
					return nil, &net.OpError{Op: "dial", Net: "udp", Err: syscall.EMFILE}
				}
				return lookup(ctx, name)
			}
			r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
			if got := r.Findings[0].Verdict; got != want {
				t.Errorf("after %d lookups: %s, want %s\n%s", asked, got, want, sketch(r))
			}
			checkWording(t, r)
		})
	}
}
