package secure

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// What a host gave is given back where a namespace is answered by a fault or not at all,
// over one association more; but none more is tried by NTLM where the host has not shown
// that it took the logon there. None of it is a step, and no logon follows a refused one.
func TestGivenBack(t *testing.T) {
	const comDenied, anyDenied, rpcDenied = rpcAccessDenied, accessDenied, 5
	fault := func(status uint32) func(*winhost.Host) {
		return func(h *winhost.Host) { h.WMI.LoginFault = status }
	}
	second := func(spoil func(*winhost.Host)) func(*winhost.Host) {
		return func(h *winhost.Host) { h.WMI.LoginOf = `root\cimv2`; spoil(h) }
	}
	hangs := func(h *winhost.Host) { h.WMI.LoginDelay = time.Minute }
	refuses := func(h *winhost.Host) {
		s := h.Winmgmt()
		s.FailLogon = true
		h.Ports[h.WMI.Port] = winhost.Port{Serve: s.Serve}
	}
	const once, twice, left = 1, 2, 5 // logons at WMI's port, and references
	for _, tt := range []struct {
		name           string
		spoil          func(*winhost.Host)
		kerberos, ntlm [2]int
	}{
		{"answered", func(*winhost.Host) {}, [2]int{once, 0}, [2]int{once, 0}},
		{"a fault of COM", fault(comDenied), [2]int{twice, 0}, [2]int{twice, 0}},
		{"a fault of COM or RPC", fault(anyDenied), [2]int{twice, 0}, [2]int{once, left}},
		{"a fault of RPC", fault(rpcDenied), [2]int{twice, 0}, [2]int{once, left}},
		{"no answer", hangs, [2]int{twice, 0}, [2]int{once, left}},
		{"a fault, after an answer", second(fault(rpcDenied)), [2]int{twice, 0}, [2]int{twice, 0}},
		{"no answer, after one", second(hangs), [2]int{twice, 0}, [2]int{twice, 0}},
		{"the logon is refused", refuses, [2]int{once, left}, [2]int{once, left}},
	} {
		for by, want := range map[string][2]int{"kerberos": tt.kerberos, "ntlm": tt.ntlm} {
			t.Run(tt.name+", by "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { givenBack(t, by, tt.spoil, want[0], want[1]) })
			})
		}
	}
}

func givenBack(t *testing.T, by string, spoil func(*winhost.Host), logons, left int) {
	here := netip.MustParseAddr("10.77.0.101")
	h := winhost.Client("ws-001.corp.example", here)
	h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
	spoil(h)
	target, c := h.DNSName, (*auth.Credential)(nil)
	if by == "ntlm" {
		target, c = here.String(), withPassword(t)
	} else {
		c = withTickets(t, "admin", h)
	}
	n := winhost.NewNetwork(h)
	p := &probe.Prober{
		Dial: n.Dial, Lookup: n.Lookup, Timeout: 2 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
		NoWMIPort: true, Authenticate: New(c, Options{AllowNTLM: true}).Begin,
	}
	r := p.Probe(t.Context(), probe.Target{Name: target}, probe.Operations())
	steps := 0
	for _, f := range r.Findings {
		for _, s := range f.Trail {
			if s.WithCredential() && s.Stage == probe.Connect && s.Peer == netip.AddrPortFrom(here, h.WMI.Port).String() {
				steps++
			}
		}
		if f.Access == probe.Untested && f.Rule.Route != probe.ByMapper && f.Rule.Route != probe.ByDCOM {
			t.Errorf("%s is untested", f.Rule.ID)
		}
	}
	if steps != 1 {
		t.Errorf("%d connections to WMI's port are steps", steps)
	}
	const elsewhere = 4 // SMB, EventLog, activator, Task Scheduler
	met := h.Met()
	if got := h.Left(); met.Logons != elsewhere+logons || met.Failed > 1 || got != (winhost.Left{References: left}) {
		t.Errorf("met %+v, want %d logons at WMI; left %+v, want %d references", met, logons, got, left)
	}
}

// Giving back takes no other route's time, and ends with the host's; after a stop nothing
// is asked any more.
func TestGivenBackLate(t *testing.T) {
	for _, tt := range []struct {
		stop     int // at which dial of WMI's port
		deadline time.Duration
		dials    int
		took     time.Duration // at least, and less than a second more
	}{
		{0, 6 * time.Second, 2, 6 * time.Second},
		{0, time.Minute, 2, 5*time.Second + closing},
		{1, time.Minute, 1, time.Second},
		{2, time.Minute, 2, 6 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.101"))
			h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
			h.WMI.LoginDelay = time.Hour
			n, c, dials := winhost.NewNetwork(h), withTickets(t, "admin", h), 0
			p := &probe.Prober{
				Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					if address == netip.AddrPortFrom(h.Addrs[0], h.WMI.Port).String() {
						if dials++; dials == tt.stop {
							time.AfterFunc(time.Second, func() { c.Stop("enough") })
						}
						if dials > 1 {
							<-ctx.Done()
							return nil, ctx.Err()
						}
					}
					return n.Dial(ctx, network, address)
				},
				Lookup: n.Lookup, Timeout: 5 * time.Second, Deadline: tt.deadline, SMBPort: 445, MapperPort: 135,
				NoWMIPort: true, Authenticate: New(c, Options{}).Begin,
			}
			start := time.Now()
			r := p.Probe(t.Context(), probe.Target{Name: h.DNSName}, probe.Operations())
			tasks, took := r.Findings[len(r.Findings)-2], time.Since(start)
			if (tasks.Access == probe.Granted) == (tt.stop == 1) || dials < tt.dials || tt.stop == 1 && dials > 1 || took < tt.took || took >= tt.took+time.Second {
				t.Errorf("%+v: %s %s, %d dials, took %v", tt, tasks.Rule.ID, tasks.Access, dials, took)
			}
		})
	}
}

// A stop that comes with an answer of WMI's port: no other namespace is asked for after
// it, and nothing is given back.
func TestStopAtWMI(t *testing.T) {
	for _, tt := range []struct{ stop, calls, left int }{ // bind_ack, alter_context_resp, a namespace, the other
		{2, 1, 5}, {3, 2, 10}, {4, 2, 15},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.101"))
			h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
			n, c, said := winhost.NewNetwork(h), withTickets(t, "admin", h), 0
			p := &probe.Prober{
				Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := n.Dial(ctx, network, address)
					if err != nil || address != netip.AddrPortFrom(h.Addrs[0], h.WMI.Port).String() {
						return conn, err
					}
					return &spoiledConn{Conn: conn, change: func(pdu []byte) []byte {
						if said++; said == tt.stop {
							c.Stop("enough")
						}
						return pdu
					}}, nil
				},
				Lookup: n.Lookup, Timeout: 2 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
				NoWMIPort: true, Authenticate: New(c, Options{}).Begin,
			}
			r := p.Probe(t.Context(), probe.Target{Name: h.DNSName}, probe.Operations())
			calls := 0
			for _, f := range r.Findings {
				for _, s := range f.Trail {
					if f.Rule.Route == probe.ByDCOM && s.WithCredential() && s.Stage == probe.Call {
						calls++
					}
				}
			}
			if left := h.Left(); said != tt.stop || calls > tt.calls || left.References != tt.left {
				t.Errorf("%+v: %d answers, %d calls in the trail, left %+v", tt, said, calls, left)
			}
		})
	}
}
