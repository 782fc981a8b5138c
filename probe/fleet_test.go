package probe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// TestFleet is what the ladder makes of every situation of the demo: the
// statuses, and whose ticket each cause is.
func TestFleet(t *testing.T) {
	want := map[string]string{
		"healthy client":                       "unproven unproven",
		"healthy client with WMI's fixed port": "ready ready",
		"healthy server":                       "unproven unproven",
		"default firewall":                     "unreachable unreachable; TCP 445: connect timeout (host firewall); TCP 135: connect timeout (host firewall)",
		"reporting GPO only":                   "unproven unreachable; Schedule dynamic port: connect timeout (host firewall)",
		"refresh GPO only":                     "unreachable unproven; TCP 445: connect timeout (host firewall); EventLog dynamic port: connect timeout (host firewall)",
		"scheduler stopped":                    "unproven unreachable; Schedule at the mapper: map not-registered (service on the host)",
		"dynamic ports dropped":                "unreachable unreachable; EventLog dynamic port: connect timeout (network firewall); Schedule dynamic port: connect timeout (network firewall)",
		"port taken by another service":        "unproven unreachable; Schedule dynamic port: bind unsupported (service on the host)",
		"mapper wants a logon":                 "unproven unproven; EventLog at the mapper: map denied (RPC policy of the host); DCOM on TCP 135: call denied (RPC policy of the host); Schedule at the mapper: map denied (RPC policy of the host)",
		"slow":                                 "unproven unproven",
		"silent":                               "silent silent; no answer at all (off, asleep or elsewhere)",
		"no such name":                         "unreachable unreachable; name: resolve no-such-name (DNS)",
		"wrong host":                           "unreachable unreachable; host: identify wrong-host (DNS)",
		"an alias":                             "unproven unproven; alias.demo.example answers as ws-098.demo.example",
		"a stale address":                      "unproven unproven",
		"resolver fails":                       "unreachable unreachable; name: resolve timeout (DNS)",
		"a lost packet":                        "unproven unproven",
		"SMB1 only":                            "unreachable unproven; TCP 445: negotiate hangup (service on the host)",
		"SMB swallowed":                        "unreachable unproven; TCP 445: negotiate timeout (network firewall)",
		"Server service stopped":               "unreachable unproven; TCP 445: connect refused (service on the host)",
		"prohibited by a router":               "unreachable unreachable; TCP 445: connect unreachable (network firewall); TCP 135: connect unreachable (network firewall)",
		"forbidden here":                       "unreachable unproven; TCP 445: connect not-permitted (this machine)",
		"not Windows":                          "unreachable unreachable; TCP 445 and 135: connect refused (whoever runs that host)",
		"RPC inspected":                        "unreachable unreachable; EventLog dynamic port: bind reset (network firewall); Schedule dynamic port: bind reset (network firewall)",
		"DCOM off":                             "unreachable unreachable; DCOM on TCP 135: bind unsupported (whoever runs that host)",
		"event log stopped":                    "unreachable unproven; EventLog at the mapper: map not-registered (service on the host)",
	}
	if _, situations := winhost.Fleet(); len(situations) != len(want) {
		t.Errorf("%d situations, %d expected", len(situations), len(want))
	}
	for name := range want {
		bubble(t, func(t *testing.T) {
			n, situations := winhost.Fleet()
			for _, s := range situations {
				if s.Name != name {
					continue
				}
				r := prober(n).Probe(t.Context(), probe.Target{Name: s.Host, DNSHostName: s.DNSHostName}, nil)
				got := []string{fmt.Sprintf("%s %s", r.Status(probe.RSoP), r.Status(probe.Refresh))}
				for _, c := range r.Causes() {
					got = append(got, fmt.Sprintf("%s (%s)", c, c.Owner))
				}
				if got := strings.Join(append(got, r.Warnings...), "; "); got != want[name] {
					t.Errorf("%s:\n%s\nwant:\n%s", name, got, want[name])
				}
				checkWording(t, r)
			}
		})
	}
}
