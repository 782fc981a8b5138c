package probe_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// A lost SYN: the dial after it decides, at half the timeout or at three quarters.
func TestLaterDials(t *testing.T) {
	tests := []struct {
		name    string
		port    winhost.Port
		want    probe.Outcome
		elapsed time.Duration
	}{
		{"the second connects", winhost.Port{Fate: winhost.Drop, Fails: 1}, probe.OK, time.Second + 2*time.Millisecond},
		{"the third connects", winhost.Port{Fate: winhost.Drop, Fails: 2}, probe.OK, 1500*time.Millisecond + 2*time.Millisecond},
		{"all are lost", winhost.Port{Fate: winhost.Drop, Fails: 9}, probe.Timeout, 2 * time.Second},
		{"the first is refused", winhost.Port{Fate: winhost.Refuse, Fails: 1}, probe.Refused, 2 * time.Millisecond},
		{"the first meets ICMP", winhost.Port{Fate: winhost.ICMP, Fails: 1}, probe.Unroutable, 2 * time.Millisecond},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			r, _ := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) {
				tt.port.Serve = h.Ports[445].Serve
				h.Ports[445] = tt.port
			})
			s := r.Findings[0].Trail[0]
			if s.Outcome != tt.want || s.Elapsed != tt.elapsed {
				t.Errorf("%s: %s after %v, want %s after %v", tt.name, s.Outcome, s.Elapsed, tt.want, tt.elapsed)
			}
		})
	}
}

// A second dial that does not connect and is not refused counts as never made,
// whatever became of it; one that is refused decides.
func TestSecondDialFails(t *testing.T) {
	for outcome, fate := range map[probe.Outcome]error{
		probe.Timeout: errors.New("no buffers"),
		probe.Refused: &net.OpError{Op: "dial", Err: errRefused},
	} {
		bubble(t, func(t *testing.T) {
			n := winhost.NewNetwork()
			p := prober(n)
			var mu sync.Mutex
			dials := map[string]int{}
			p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				dials[address]++
				first := dials[address] == 1
				mu.Unlock()
				if strings.HasSuffix(address, ":445") && !first {
					return nil, fate
				}
				return n.Dial(ctx, network, address)
			}
			r := p.Probe(t.Context(), probe.Target{Name: "10.77.0.1"}, nil)
			if s := r.Findings[0].Trail[0]; s.Outcome != outcome {
				t.Errorf("%s, want %s", s.Outcome, outcome)
			}
		})
	}
}

// The first dial connects by the SYN that the system sent again, and the second
// is lost: the third is waited for, and used; where it is lost too, the first is.
func TestLateConnectionIsHeld(t *testing.T) {
	for lost, want := range map[int]struct {
		used  int
		after time.Duration
	}{
		2: {2, 1500*time.Millisecond + 2*time.Millisecond},
		3: {0, 1600 * time.Millisecond},
	} {
		bubble(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", hostAddr)
			n := winhost.NewNetwork(h)
			p := prober(n)
			var mu sync.Mutex
			var conns []*namedConn
			p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if !strings.HasSuffix(address, ":445") {
					return n.Dial(ctx, network, address)
				}
				mu.Lock()
				c, dial := &namedConn{}, len(conns)+1
				conns = append(conns, c)
				mu.Unlock()
				switch {
				case dial == 1:
					time.Sleep(time.Second + time.Millisecond)
				case dial <= lost:
					<-ctx.Done()
					return nil, ctx.Err()
				}
				conn, err := n.Dial(ctx, network, address)
				c.Conn = conn
				if err != nil {
					return nil, err
				}
				return c, nil
			}
			r := p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, nil)
			s := r.Findings[0].Trail[0]
			if r.Findings[0].Verdict != probe.Reachable || s.Elapsed != want.after {
				t.Fatalf("%d lost: connected after %v, want %v\n%s", lost, s.Elapsed, want.after, sketch(r))
			}
			for i, c := range conns {
				if c.Conn != nil && (c.wrote != (i == want.used) || !c.closed) {
					t.Errorf("%d lost: connection %d is %+v", lost, i+1, *c)
				}
			}
		})
	}
}

// The first dial connects in the very moment in which the second is due: by the
// SYN that the system sent again, so the second is made all the same.
func TestSecondDialIsDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		n := winhost.NewNetwork(h)
		p := prober(n)
		var dials atomic.Int32
		p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, ":445") && dials.Add(1) == 1 {
				time.Sleep(time.Second - h.RTT)
			}
			return n.Dial(ctx, network, address)
		}
		if r := p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, nil); r.Findings[0].Verdict != probe.Reachable || dials.Load() != 2 {
			t.Errorf("%d dials\n%s", dials.Load(), sketch(r))
		}
	})
}

// A namedConn notes what is done with a connection.
type namedConn struct {
	net.Conn
	wrote, closed bool
}

func (c *namedConn) Write(b []byte) (int, error) { c.wrote = true; return c.Conn.Write(b) }
func (c *namedConn) Close() error                { c.closed = true; return c.Conn.Close() }

// The first dial connects by the SYN that the system sent again, in the moment
// in which the second does: the second is used, and the first is closed.
func TestSecondConnectionIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		n := winhost.NewNetwork(h)
		p := prober(n)
		var mu sync.Mutex
		var conns []*namedConn
		p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if !strings.HasSuffix(address, ":445") {
				return n.Dial(ctx, network, address)
			}
			mu.Lock()
			c := &namedConn{}
			conns = append(conns, c)
			first := len(conns) == 1
			mu.Unlock()
			if first {
				time.Sleep(time.Second + time.Millisecond)
			}
			conn, err := n.Dial(ctx, network, address)
			c.Conn = conn
			if err != nil {
				return nil, err
			}
			if !first {
				time.Sleep(5 * time.Millisecond) // it comes a little after the first
			}
			return c, nil
		}
		r := p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, nil)
		if r.Findings[0].Verdict != probe.Reachable || len(conns) != 2 {
			t.Fatalf("%d dials\n%s", len(conns), sketch(r))
		}
		if conns[0].wrote || !conns[0].closed || !conns[1].wrote || !conns[1].closed {
			t.Errorf("first %+v, second %+v", conns[0], conns[1])
		}
	})
}
