package probe_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

const errRefused = syscall.ECONNREFUSED

// A name of several addresses: which one the report is about, when, and what
// stays in the trail of the others.
func TestAddresses(t *testing.T) {
	addr := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, i}) }
	host := func(i byte) *winhost.Host { return winhost.Client("ws-001.corp.example", addr(i)) }
	fate := func(i byte, f winhost.Fate) *winhost.Host {
		h := host(i)
		clear(h.Ports)
		h.Undeclared = f
		return h
	}
	tests := []struct {
		name    string
		hosts   []*winhost.Host
		want    netip.Addr
		trail   string // of the mapper rule
		elapsed time.Duration
	}{
		{"the first answers", []*winhost.Host{host(1), host(2)}, addr(1), "10.77.0.1:135 connect ok, 10.77.0.1:135 bind ok", 102 * time.Millisecond},
		{"the first is silent", []*winhost.Host{fate(1, winhost.Drop), host(2)}, addr(2), "10.77.0.2:135 connect ok, 10.77.0.2:135 bind ok", 352 * time.Millisecond},
		{
			"the first is refused",
			[]*winhost.Host{fate(1, winhost.Refuse), host(2)},
			addr(2),
			"10.77.0.1:135 connect refused, 10.77.0.2:135 connect ok, 10.77.0.2:135 bind ok", 104 * time.Millisecond,
		},
		{
			"none connects, the second resets",
			[]*winhost.Host{fate(1, winhost.Drop), fate(2, winhost.Refuse), fate(3, winhost.Drop)},
			addr(2),
			"10.77.0.1:135 connect timeout, 10.77.0.3:135 connect timeout, 10.77.0.2:135 connect refused", 2252 * time.Millisecond,
		},
		{
			"none answers",
			[]*winhost.Host{fate(1, winhost.Drop), fate(2, winhost.ICMP)},
			addr(1),
			"10.77.0.2:135 connect unreachable, 10.77.0.1:135 connect timeout", 2 * time.Second,
		},
		{"the tenth would", []*winhost.Host{
			fate(1, winhost.Refuse), fate(2, winhost.Refuse), fate(3, winhost.Refuse), fate(4, winhost.Refuse),
			fate(5, winhost.Refuse), fate(6, winhost.Refuse), fate(7, winhost.Refuse), fate(8, winhost.Refuse), host(9),
		}, addr(1), "", 16 * time.Millisecond},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			n := winhost.NewNetwork(tt.hosts...)
			var record winhost.Record
			for _, h := range tt.hosts {
				record.Addrs = append(record.Addrs, h.Addrs...)
			}
			n.Names["ws-001.corp.example"] = record
			r := prober(n).Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
			if r.Address != tt.want || r.Elapsed != tt.elapsed {
				t.Errorf("%s: about %v after %v, want %v after %v", tt.name, r.Address, r.Elapsed, tt.want, tt.elapsed)
			}
			var steps []string
			for i, s := range r.Findings[2].Trail {
				if i == 0 && (s.Stage != probe.Resolve || s.Outcome != probe.OK) {
					t.Errorf("%s: the trail begins with %v", tt.name, s)
				} else if i > 0 {
					steps = append(steps, s.Peer+" "+string(s.Stage)+" "+string(s.Outcome))
				}
			}
			if got := strings.Join(steps, ", "); tt.trail != "" && got != tt.trail {
				t.Errorf("%s: trail %s\nwant %s", tt.name, got, tt.trail)
			}
		})
	}
}

// A host that is up at any of its addresses is not silent.
func TestLivenessOfEveryAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.2"))
		h.Ports = map[uint16]winhost.Port{7680: h.Ports[7680]}
		n := winhost.NewNetwork(h)
		n.Names["ws-001.corp.example"] = winhost.Record{Addrs: []netip.Addr{netip.MustParseAddr("10.77.0.1"), h.Addrs[0]}}
		r := prober(n).Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
		if r.Status(probe.RSoP) != probe.StatusUnreachable || r.Address.String() != "10.77.0.1" {
			t.Errorf("%s at %v", r.Status(probe.RSoP), r.Address)
		}
	})
}

// What the resolver says, and what becomes of it.
func TestResolve(t *testing.T) {
	tests := []struct {
		name    string
		record  *winhost.Record
		outcome probe.Outcome
		detail  string
		elapsed time.Duration
	}{
		{"no record", nil, probe.NoSuchName, "", 0},
		{"no address", &winhost.Record{}, probe.NoSuchName, "", 0},
		{"server failure", &winhost.Record{Err: &net.DNSError{Err: "server misbehaving"}}, probe.Timeout, "server misbehaving", 0},
		{"an error with escapes", &winhost.Record{Err: errors.New("\x1b[2Jgone")}, probe.Timeout, `\x1b[2Jgone`, 0},
		{"no answer", &winhost.Record{Delay: time.Minute}, probe.Timeout, "i/o timeout", 5 * time.Second},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			n := winhost.NewNetwork()
			if tt.record != nil {
				n.Names["ws-001"] = *tt.record
			}
			r := prober(n).Probe(t.Context(), probe.Target{Name: "ws-001"}, nil)
			s := r.Findings[0].Trail[0]
			if len(r.Findings[0].Trail) != 1 || s.Stage != probe.Resolve || s.Outcome != tt.outcome || s.Detail != tt.detail || s.Elapsed != tt.elapsed {
				t.Errorf("%s: %+v", tt.name, r.Findings[0].Trail)
			}
			if r.Status(probe.RSoP) != probe.StatusUnreachable || r.Address.IsValid() || len(n.Dialled()) != 0 {
				t.Errorf("%s: %s at %v, dialled %v", tt.name, r.Status(probe.RSoP), r.Address, n.Dialled())
			}
			checkWording(t, r)
		})
	}
}

// An excluded address is never dialled, also when a name resolves to it.
func TestExcluded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr, netip.MustParseAddr("10.77.0.102"))
		n := winhost.NewNetwork(h)
		p := prober(n)
		p.Excluded = func(a netip.Addr) bool { return a == hostAddr }
		r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
		if r.Excluded || r.Address.String() != "10.77.0.102" || n.Dials("10.77.0.101:445") != 0 {
			t.Errorf("about %v, excluded %v, dialled %v", r.Address, r.Excluded, n.Dialled())
		}
		many := []netip.Addr{}
		for i := range byte(12) {
			many = append(many, netip.AddrFrom4([4]byte{192, 0, 2, i}))
		}
		n.Names["ws-001.corp.example"] = winhost.Record{Addrs: append(many, h.Addrs...)}
		p.Excluded = func(a netip.Addr) bool { return slices.Contains(many, a) } // more than are tried
		if r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil); r.Excluded || r.Address != hostAddr {
			t.Errorf("behind twelve excluded addresses: about %v, excluded %v", r.Address, r.Excluded)
		}
		p.Excluded = func(netip.Addr) bool { return true }
		n = winhost.NewNetwork(h)
		p.Dial = n.Dial
		if r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil); !r.Excluded || len(n.Dialled()) != 0 {
			t.Errorf("all excluded: %v, dialled %v", r.Excluded, n.Dialled())
		}
	})
}

// Who the host says it is, and what follows from it.
func TestIdentity(t *testing.T) {
	tests := []struct {
		name, target, directory string
		status                  probe.Status
		warning                 string
	}{
		{"the same", "ws-001.corp.example", "", probe.StatusUnproven, ""},
		{"without case and final dot", "WS-001.Corp.Example.", "", probe.StatusUnproven, ""},
		{"by the first label", "ws-001", "", probe.StatusUnproven, ""},
		{"an alias", "files.corp.example", "", probe.StatusUnproven, "files.corp.example answers as ws-001.corp.example"},
		{"an address", "10.77.0.101", "", probe.StatusUnproven, ""},
		{"the directory agrees", "ws-001.corp.example", "WS-001.corp.example", probe.StatusUnproven, ""},
		{"the directory does not", "ws-001.corp.example", "ws-002.corp.example", probe.StatusUnreachable, ""},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", hostAddr)
			n := winhost.NewNetwork(h)
			for _, alias := range []string{"ws-001", "files.corp.example"} {
				n.Names[alias] = winhost.Record{Addrs: h.Addrs}
			}
			r := prober(n).Probe(t.Context(), probe.Target{Name: tt.target, DNSHostName: tt.directory}, nil)
			want := probe.Identity{Computer: "WS-001", DNS: "ws-001.corp.example", Domain: "corp.example", Build: "10.0.22631"}
			if r.Identity == nil || *r.Identity != want {
				t.Errorf("%s: identity %+v", tt.name, r.Identity)
			}
			if got := strings.Join(r.Warnings, "; "); r.Status(probe.RSoP) != tt.status || got != tt.warning {
				t.Errorf("%s: %s, warning %q", tt.name, r.Status(probe.RSoP), got)
			}
			for _, f := range r.Findings {
				identified := 0
				for _, s := range f.Trail {
					if s.Stage == probe.Identify {
						identified++
					}
				}
				last := f.Trail[len(f.Trail)-1]
				if wrong := tt.status == probe.StatusUnreachable; wrong != (identified == 1 && last.Outcome == probe.WrongHost) || !wrong && identified > 0 {
					t.Errorf("%s: %s ends in %+v", tt.name, f.Rule.ID, last)
				}
			}
		})
	}
}
