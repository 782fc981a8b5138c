package probe_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// probeAddr probes hosts by the first one's literal address, with defaults
// that change may alter, and returns the report and the network.
func probeAddr(t *testing.T, change func(*probe.Prober, *winhost.Host), asked ...probe.Operation) (*probe.Report, *winhost.Network) {
	t.Helper()
	h := winhost.Client("ws-001.corp.example", hostAddr)
	n := winhost.NewNetwork(h)
	p := prober(n)
	change(p, h)
	return p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, asked), n
}

// A healthy host costs five round trips, with everything asked and the network
// dropping what is not declared: 24158 is given up in the time the rest takes.
func TestFiveRoundTrips(t *testing.T) {
	const rtt = 50 * time.Millisecond
	for _, asked := range [][]probe.Operation{nil, {probe.RSoP}, {probe.Refresh}} {
		bubble(t, func(t *testing.T) {
			r, n := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) { h.RTT = rtt }, asked...)
			if r.Elapsed != 5*rtt {
				t.Errorf("%v took %v, want five round trips of %v", asked, r.Elapsed, rtt)
			}
			if r.Identity == nil || n.Dials("10.77.0.101:24158") != 1 {
				t.Errorf("%v: identity %v, 24158 dialled %d times", asked, r.Identity, n.Dials("10.77.0.101:24158"))
			}
		})
	}
}

// What a host is sent, and where: nothing else is dialled, and no SMB1.
func TestDialled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, n := probeAddr(t, func(*probe.Prober, *winhost.Host) {})
		want := []string{"10.77.0.101:135", "10.77.0.101:24158", "10.77.0.101:445", "10.77.0.101:49667", "10.77.0.101:49668"}
		if got := n.Dialled(); !slices.Equal(got, want) {
			t.Errorf("dialled %v, want %v", got, want)
		}
		if got := n.Dials("10.77.0.101:135"); got != 3 { // one for each mapped interface, one for the identity
			t.Errorf("135 was dialled %d times", got)
		}
		if sent := string(n.Sent("10.77.0.101:445")); !strings.HasPrefix(sent[4:], "\xfeSMB") || strings.Contains(sent, "\xffSMB") {
			t.Errorf("445 was sent %q", sent)
		}
	})
	bubble(t, func(t *testing.T) {
		_, n := probeAddr(t, func(p *probe.Prober, _ *winhost.Host) { p.NoIdentify, p.NoWMIPort = true, true }, probe.Refresh)
		want := []string{"10.77.0.101:135", "10.77.0.101:445", "10.77.0.101:49668"}
		if got := n.Dialled(); !slices.Equal(got, want) || n.Dials("10.77.0.101:135") != 1 {
			t.Errorf("dialled %v, want %v, each once", got, want)
		}
		if sent := n.Sent("10.77.0.101:445"); len(sent) != 0 {
			t.Errorf("445 was sent %x, though refresh has no rule there", sent)
		}
	})
}

// The mapper's towers name another address, as behind NAT: only its ports count.
func TestTowerAddressIsNotDialled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, n := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) { h.Inner = netip.MustParseAddr("192.0.2.9") })
		for _, d := range n.Dialled() {
			if !strings.HasPrefix(d, "10.77.0.101:") {
				t.Errorf("%s was dialled", d)
			}
		}
		if got := r.Status(probe.Refresh); got != probe.StatusUnproven {
			t.Errorf("refresh is %s", got)
		}
	})
}

// Liveness ports are dialled only where nothing answered by the second dial.
func TestLiveness(t *testing.T) {
	tests := []struct {
		name    string
		spoil   func(*winhost.Host)
		status  probe.Status
		dialled bool
		elapsed time.Duration
	}{
		{"healthy", func(*winhost.Host) {}, probe.StatusUnproven, false, 102 * time.Millisecond},
		{
			"one port up", func(h *winhost.Host) { clear(h.Ports); h.Ports[3389] = winhost.Port{Serve: winhost.Mute} },
			probe.StatusUnreachable, true, 2 * time.Second,
		},
		{
			"one port refused", func(h *winhost.Host) { clear(h.Ports); h.Ports[5985] = winhost.Port{Fate: winhost.Refuse} },
			probe.StatusUnreachable, true, 2 * time.Second,
		},
		{"nothing", func(h *winhost.Host) { clear(h.Ports) }, probe.StatusSilent, true, 2 * time.Second},
		{
			"only 445", func(h *winhost.Host) { h.Ports = map[uint16]winhost.Port{445: h.Ports[445]} },
			probe.StatusUnreachable, false, 2 * time.Second,
		},
		{
			"ICMP at once", func(h *winhost.Host) { clear(h.Ports); h.Undeclared = winhost.ICMP },
			probe.StatusSilent, true, 4 * time.Millisecond,
		},
		{
			"not permitted here", func(h *winhost.Host) { clear(h.Ports); h.Ports[445] = winhost.Port{Fate: winhost.NotPermitted} },
			probe.StatusUnreachable, true, 2 * time.Second,
		},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			r, n := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) { tt.spoil(h) })
			if got := r.Status(probe.RSoP); got != tt.status {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.status)
			}
			if got := n.Dials("10.77.0.101:3389") > 0; got != tt.dialled {
				t.Errorf("%s: liveness ports dialled: %v", tt.name, got)
			}
			if r.Elapsed != tt.elapsed {
				t.Errorf("%s: took %v, want %v", tt.name, r.Elapsed, tt.elapsed)
			}
			for _, f := range r.Findings {
				for _, s := range f.Trail {
					if strings.HasSuffix(s.Peer, ":3389") {
						t.Errorf("%s: a liveness port is a step: %v", tt.name, s)
					}
				}
			}
		})
	}
}

// What cuts the liveness ports short is no silence, be it Ctrl-C or this machine's own
// exhaustion; but a host whose deadline left no time to ask them has not answered.
func TestNotSilent(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*probe.Prober, *winhost.Host)
		stop  time.Duration
		want  probe.Status
	}{
		{"interrupted", func(_ *probe.Prober, h *winhost.Host) {
			for _, p := range []uint16{445, 135} {
				h.Ports[p] = winhost.Port{Fate: winhost.ICMP}
			}
		}, 300 * time.Millisecond, probe.StatusUnreachable},
		{"no descriptors", func(_ *probe.Prober, h *winhost.Host) {
			for _, p := range []uint16{7680, 5040, 3389, 5985} {
				h.Ports[p] = winhost.Port{Fate: winhost.NoResources}
			}
		}, time.Hour, probe.StatusUnreachable},
		{"no time", func(p *probe.Prober, h *winhost.Host) {
			p.Deadline = 500 * time.Millisecond
		}, time.Hour, probe.StatusSilent},
		{"all asked", func(*probe.Prober, *winhost.Host) {}, time.Hour, probe.StatusSilent},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", hostAddr)
			clear(h.Ports)
			p := prober(winhost.NewNetwork(h))
			tt.spoil(p, h)
			ctx, stop := context.WithCancel(t.Context())
			time.AfterFunc(tt.stop, stop)
			r := p.Probe(ctx, probe.Target{Name: hostAddr.String()}, nil)
			if got := r.Status(probe.RSoP); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		})
	}
}

// This machine's own exhaustion is tried again, and a host is what it is once
// there are resources.
func TestNoResources(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) {
			for port, p := range h.Ports {
				p.Fate, p.Fails = winhost.NoResources, 3
				h.Ports[port] = p
			}
		})
		if want := lines("rsop unproven", "refresh unproven", np, log, mapp, wmi, task, map2); sketch(r) != want {
			t.Errorf("%s\nwant:\n%s", sketch(r), want)
		}
	})
}

// A host whose time is gone before the first dial was never asked.
func TestNotBegun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		n := winhost.NewNetwork(h)
		n.Names["ws-001.corp.example"] = winhost.Record{Addrs: h.Addrs}
		ctx, stop := context.WithTimeout(t.Context(), -time.Second)
		defer stop()
		r := prober(n).Probe(ctx, probe.Target{Name: hostAddr.String()}, nil)
		if len(n.Dialled()) != 0 || r.Silent || r.Status(probe.Refresh) != probe.StatusUnproven || r.Findings[0].Verdict != probe.Unknown {
			t.Errorf("%s after dialling %v", sketch(r), n.Dialled())
		}
		checkWording(t, r)
	})
}

// The fixed port is given up when all else is finished, but not before
// max(100 ms, 4 x the connect time of 135) since its own dial.
func TestFixedPortCostsNoTimeout(t *testing.T) {
	for rtt, want := range map[time.Duration]time.Duration{
		time.Millisecond:       101 * time.Millisecond,
		20 * time.Millisecond:  120 * time.Millisecond,
		30 * time.Millisecond:  150 * time.Millisecond,
		300 * time.Millisecond: 1500 * time.Millisecond,
	} {
		bubble(t, func(t *testing.T) {
			r, _ := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) { h.RTT = rtt })
			if r.Elapsed != want {
				t.Errorf("round trip %v: took %v, want %v", rtt, r.Elapsed, want)
			}
		})
	}
	bubble(t, func(t *testing.T) { // all else ends early, the identity after three round trips
		r, _ := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) {
			h.RTT = 300 * time.Millisecond
			s := h.RPCSS()
			s.Reject = [2]uint16{2, 1}
			h.Ports[135] = winhost.Port{Serve: s.Serve}
		})
		if r.Elapsed != 1500*time.Millisecond {
			t.Errorf("with nothing else to wait for: took %v", r.Elapsed)
		}
	})
	bubble(t, func(t *testing.T) {
		r, _ := probeAddr(t, func(p *probe.Prober, _ *winhost.Host) { p.NoWMIPort = true })
		if r.Elapsed != 10*time.Millisecond {
			t.Errorf("without it: took %v", r.Elapsed)
		}
	})
}

// The deadline counts from the first dial and cuts what is under way.
func TestDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := probeAddr(t, func(p *probe.Prober, h *winhost.Host) {
			p.Deadline = 700 * time.Millisecond
			h.Ports[49668] = winhost.Port{Serve: winhost.Mute}
		}, probe.Refresh)
		want := "refresh unreachable\n" + wmi + "\nTASK unreachable: [135] connect bind map [49668] connect bind=timeout\n" + map2
		if got := sketch(r); got != want || r.Elapsed != 700*time.Millisecond {
			t.Errorf("after %v:\n%s\nwant:\n%s", r.Elapsed, got, want)
		}
	})
	bubble(t, func(t *testing.T) { // a slow resolver does not spend it
		h := winhost.Client("ws-001.corp.example", hostAddr)
		n := winhost.NewNetwork(h)
		n.Names["ws-001.corp.example"] = winhost.Record{Addrs: h.Addrs, Delay: 4 * time.Second}
		p := prober(n)
		p.Deadline = time.Second
		if r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil); r.Status(probe.Refresh) != probe.StatusUnproven {
			t.Errorf("a slow resolver: %s", sketch(r))
		}
	})
}

// What the deadline cut is blamed on it, and not on a firewall; what had its time is not.
func TestDeadlineIsNamed(t *testing.T) {
	drop := func(h *winhost.Host) { h.Ports[49667] = winhost.Port{Fate: winhost.Drop} }
	silent := func(h *winhost.Host) { clear(h.Ports) }
	for _, tt := range []struct {
		name     string
		deadline time.Duration
		spoil    func(*winhost.Host)
		owner    probe.Owner
		named    bool
	}{
		{"a port, by default", 15 * time.Second, drop, probe.AnyFirewall, false},
		{"a port, nearly its time", 1700 * time.Millisecond, drop, probe.AnyFirewall, false},
		{"a port, cut", 700 * time.Millisecond, drop, probe.ThisMachine, true},
		{"the mapper, cut", 3300 * time.Microsecond, func(*winhost.Host) {}, probe.ThisMachine, true},
		{"silent, by default", 15 * time.Second, silent, probe.PowerOrPlace, false},
		{"silent, as long as a stage", 2 * time.Second, silent, probe.PowerOrPlace, false},
		{"silent, cut", 5 * time.Millisecond, silent, probe.PowerOrPlace, true},
	} {
		bubble(t, func(t *testing.T) {
			r, _ := probeAddr(t, func(p *probe.Prober, h *winhost.Host) {
				p.Deadline = tt.deadline
				tt.spoil(h)
			}, probe.RSoP)
			f := r.Findings[1]
			named := strings.Contains(f.Reason, "--deadline") && strings.Contains(f.Fix, "Raise --deadline")
			if f.Verdict != probe.Unreachable || f.Cause.Owner != tt.owner || named != tt.named || strings.Contains(f.Fix, "Enable-NetFirewallRule") == (tt.owner != probe.AnyFirewall) {
				t.Errorf("%s: %s, %s\n%s\n%s", tt.name, f.Verdict, f.Cause.Owner, f.Reason, f.Fix)
			}
			checkWording(t, r)
		})
	}
}

// Ctrl-C: what was begun is canceled, unknown and not silent, and nothing is
// left running (the bubble and goleak see to that).
func TestCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		h.Ports[445] = winhost.Port{Serve: winhost.Mute}
		h.Ports[49668] = winhost.Port{Fate: winhost.Drop}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, stop)
		r := prober(winhost.NewNetwork(h)).Probe(ctx, probe.Target{Name: hostAddr.String()}, nil)
		want := lines("rsop unproven", "refresh unproven", "NP unknown: [445] connect negotiate=canceled", log, mapp, wmi,
			"TASK unknown: [135] connect bind map [49668] connect=canceled", map2)
		if got := sketch(r); got != want || r.Elapsed != 500*time.Millisecond {
			t.Errorf("after %v:\n%s\nwant:\n%s", r.Elapsed, got, want)
		}
		checkWording(t, r)
	})
	bubble(t, func(t *testing.T) { // before anything answered
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(700*time.Millisecond, stop)
		r := prober(winhost.NewNetwork()).Probe(ctx, probe.Target{Name: hostAddr.String()}, nil)
		if r.Silent || r.Status(probe.RSoP) != probe.StatusUnproven {
			t.Errorf("an interrupted host is %s", r.Status(probe.RSoP))
		}
	})
}
