package winhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// TestFleet looks at situations from outside: what a connect to each port
// meets, what the mapper says, and what a bind to the mapped port gets. What
// the ladder makes of every situation stands in package probe's tests.
func TestFleet(t *testing.T) {
	const healthy = "445 open, 135 open, eventlog 49667 accepted, schedule 49668 accepted, 24158 dropped, 7680 open"
	want := map[string]string{
		"healthy client":                       healthy,
		"healthy client with WMI's fixed port": strings.Replace(healthy, "24158 dropped", "24158 open", 1),
		"healthy server":                       "445 open, 135 open, eventlog 49666 accepted, schedule 49667 accepted, 24158 dropped, 5985 open",
		"default firewall":                     "445 dropped, 135 dropped, 24158 dropped, 7680 open",
		"reporting GPO only":                   strings.Replace(healthy, "49668 accepted", "49668 dropped", 1),
		"refresh GPO only":                     "445 dropped, 135 open, eventlog 49667 dropped, schedule 49668 accepted, 24158 dropped, 7680 open",
		"scheduler stopped":                    strings.Replace(healthy, "49668 accepted", "not registered", 1),
		"dynamic ports dropped":                strings.ReplaceAll(healthy, "accepted", "dropped"),
		"port taken by another service":        strings.Replace(healthy, "49668 accepted", "49668 rejected", 1),
		"mapper wants a logon":                 "445 open, 135 open, eventlog fault 5, schedule fault 5, 24158 dropped, 7680 open",
		"slow":                                 healthy,
		"silent":                               "445 dropped, 135 dropped, 24158 dropped",
		"no such name":                         "no such host",
		"wrong host":                           healthy,
	}
	got := map[string]string{}
	n, situations := Fleet()
	for _, s := range situations {
		if _, ok := want[s.Name]; ok {
			synctest.Test(t, func(t *testing.T) { got[s.Name] = look(t, n, s.Host) })
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// look describes a host.
func look(t *testing.T, n *Network, name string) string {
	addrs, err := n.Lookup(t.Context(), name)
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	dial := func(port string) net.Conn {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c, err := n.Dial(ctx, "tcp", net.JoinHostPort(addrs[0].String(), port))
		if err != nil {
			return nil
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var seen []string
	for _, port := range []string{"445", "135"} {
		seen = append(seen, port+" "+openOr(dial(port), "dropped"))
	}
	if c := dial("135"); c != nil {
		talk(t, c, bindHex(epmHex, ndrHex))
		for _, s := range []struct{ name, abstract string }{{"eventlog", eventLogHex}, {"schedule", scheduleHex}} {
			answer := mapped(t, c, s.abstract)
			if _, err := strconv.Atoi(answer); err == nil {
				answer += " " + bound(t, dial(answer), s.abstract)
			}
			seen = append(seen, s.name+" "+answer)
		}
	}
	seen = append(seen, "24158 "+openOr(dial("24158"), "dropped"))
	for _, port := range []string{"7680", "5985"} {
		if dial(port) != nil {
			seen = append(seen, port+" open")
		}
	}
	return strings.Join(seen, ", ")
}

func openOr(c net.Conn, otherwise string) string {
	if c == nil {
		return otherwise
	}
	return "open"
}

// mapped returns the port that ept_map gives, or what it says instead.
func mapped(t *testing.T, c net.Conn, abstract string) string {
	reply := talk(t, c, mapHex(abstract))
	switch {
	case reply[4:6] == "03":
		code, _ := strconv.ParseUint(reply[48:50], 16, 8)
		return fmt.Sprint("fault ", code)
	case strings.HasSuffix(reply, noneLeft):
		return "not registered"
	}
	_, floor, _ := strings.Cut(reply, "0100070200")
	port, _ := strconv.ParseUint(floor[:4], 16, 16)
	return fmt.Sprint(port)
}

// bound returns what becomes of a bind to a port.
func bound(t *testing.T, c net.Conn, abstract string) string {
	switch {
	case c == nil:
		return "dropped"
	case strings.HasSuffix(talk(t, c, bindHex(abstract, ndrHex)), "00000000"+tidy(ndrHex)):
		return "accepted"
	}
	return "rejected"
}

func TestSituationsAreWellFormed(t *testing.T) {
	n, situations := Fleet()
	seen := map[string]bool{}
	for _, s := range situations {
		if seen[s.Name] || seen[s.Host] || !strings.HasSuffix(s.Host, ".demo.example") || !strings.HasSuffix(s.About, ".") {
			t.Errorf("%+v: a name twice, or not one of the demo", s)
		}
		seen[s.Name], seen[s.Host] = true, true
		if (s.DNSHostName != "") != (s.Name == "wrong host") {
			t.Errorf("%s: DNSHostName %q", s.Name, s.DNSHostName)
		}
	}
	private := netip.MustParsePrefix("10.77.0.0/16")
	ties := []time.Duration{250 * time.Millisecond, time.Second, 2 * time.Second, 7500 * time.Millisecond, 15 * time.Second}
	for addr, h := range n.Hosts {
		if !private.Contains(addr) || h.RTT < time.Millisecond || slices.Contains(ties, h.RTT) {
			t.Errorf("%s at %s has a round trip of %v", h.DNSName, addr, h.RTT)
		}
	}
}

func TestTheWrongHostSaysWhoItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, situations := Fleet()
		wrong := situations[slices.IndexFunc(situations, func(s Situation) bool { return s.Name == "wrong host" })]
		h := n.Hosts[n.Names[wrong.Host].Addrs[0]]
		got := string(raw(t, talk(t, connected(t, h.RPCSS().Serve), strings.Replace(ntlmBind(), tidy(scheduleHex), tidy(epmHex), 1))))
		if !strings.Contains(got, string(logon.ToUTF16("ws-099.demo.example"))) || strings.Contains(got, string(logon.ToUTF16(wrong.DNSHostName))) {
			t.Errorf("%s: the challenge does not name another host", wrong.Host)
		}
	})
}
