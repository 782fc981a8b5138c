package exporter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

// resolver is where names lead in these tests. 192.0.2.7 is this machine's own.
func resolver() map[string]winhost.Record {
	records := map[string]winhost.Record{}
	for name, addrs := range map[string]string{
		"ws-001.corp.example": "10.1.1.1", "srv.corp.example": "172.16.0.1", "v6.corp.example": "2001:db8::5",
		"loop.corp.example": "127.0.0.1", "loop6.corp.example": "::1", "mapped.corp.example": "::ffff:127.0.0.1",
		"metadata.corp.example": "169.254.169.254", "link6.corp.example": "fe80::1%eth0", "all.corp.example": "0.0.0.0", "many.corp.example": "224.0.0.251",
		"me.corp.example": "192.0.2.7", "me6.corp.example": "::ffff:192.0.2.7",
		"both.corp.example": "127.0.0.1 172.16.0.1", "excluded.corp.example": "10.9.0.1",
		"corp.example": "172.16.0.1", "other.example": "10.1.1.2", "far.example": "203.0.113.1", "far-loop.example": "127.0.0.1", "notcorp.example": "172.16.0.1",
	} {
		var all []netip.Addr
		for a := range strings.FieldsSeq(addrs) {
			all = append(all, netip.MustParseAddr(a))
		}
		records[name] = winhost.Record{Addrs: all}
	}
	return records
}

// dialled returns the status of a probe and the addresses to which it dialled.
// A network without hosts is dark, so that all addresses of a name are tried.
func dialled(t *testing.T, s *Settings, target string) (status int, said string, addrs []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := winhost.NewNetwork()
		n.Names = resolver()
		e, _ := newExporterOf(t, s, nil)
		e.probe = func(p *probe.Prober, ctx context.Context, t probe.Target, ops []probe.Operation) *probe.Report {
			joined := *p
			joined.SMBPort, joined.MapperPort, joined.Dial, joined.Lookup = 445, 135, n.Dial, n.Lookup
			return joined.Probe(ctx, t, ops)
		}
		res, body := answerTo(e.Handler(), request("GET", "/probe?target="+target))
		status, said = res.Code, body
		for _, a := range n.Dialled() {
			host, _, _ := net.SplitHostPort(a)
			addrs = append(addrs, host)
		}
		addrs = slices.Compact(addrs)
		time.Sleep(time.Hour) // until the dark dials have ended
	})
	return status, said, addrs
}

func TestAllow(t *testing.T) {
	const cidr, suffix, both, own = "10.0.0.0/8", ".corp.example", "10.0.0.0/8 .corp.example", ".corp.example 127.0.0.0/8 169.254.169.254 192.0.2.7/32 ::1"
	for _, tt := range []struct {
		allow, target string
		status        int
		dialled       string
	}{
		// A CIDR covers an address, given or resolved.
		{cidr, "10.1.2.3", 200, "10.1.2.3"},
		{cidr, "::ffff:10.1.2.3", 200, "10.1.2.3"},
		{cidr, "11.1.2.3", 403, ""},
		{cidr, "127.0.0.1", 403, ""},
		{cidr, "::1", 403, ""},
		{cidr, "::ffff:127.0.0.1", 403, ""},
		{cidr, "192.0.2.7", 403, ""},
		{cidr, "other.example", 200, "10.1.1.2"},
		{cidr, "far.example", 403, ""},
		{cidr, "far-loop.example", 403, ""},
		{cidr, "nosuch.example", 403, ""},
		{"2001:db8::/32", "2001:db8::5", 200, "2001:db8::5"},
		{"::ffff:10.0.0.0/104", "10.1.2.3", 200, "10.1.2.3"},
		{"10.1.2.3", "10.1.2.3", 200, "10.1.2.3"},
		{"10.1.2.3", "10.1.2.4", 403, ""},
		// A suffix covers the names below it, whatever their address, but not the domain's own.
		{suffix, "ws-001.corp.example", 200, "10.1.1.1"},
		{suffix, "WS-001.Corp.Example.", 200, "10.1.1.1"},
		{suffix, "v6.corp.example", 200, "2001:db8::5"},
		{suffix, "nosuch.corp.example", 200, ""},
		{suffix, "corp.example", 403, ""},
		{suffix, "notcorp.example", 403, ""},
		{suffix, "other.example", 403, ""},
		{suffix, "10.1.1.1", 403, ""},
		// Where such a name leads to this machine or its links, a CIDR must cover that.
		{both, "loop.corp.example", 403, ""},
		{both, "loop6.corp.example", 403, ""},
		{both, "mapped.corp.example", 403, ""},
		{both, "metadata.corp.example", 403, ""},
		{both, "link6.corp.example", 403, ""},
		{both, "all.corp.example", 403, ""},
		{both, "many.corp.example", 403, ""},
		{both, "me.corp.example", 403, ""},
		{both, "me6.corp.example", 403, ""},
		{both, "both.corp.example", 200, "172.16.0.1"},
		{own, "loop.corp.example", 200, "127.0.0.1"},
		{own, "mapped.corp.example", 200, "127.0.0.1"},
		{own, "loop6.corp.example", 200, "::1"},
		{own, "metadata.corp.example", 200, "169.254.169.254"},
		{own, "me.corp.example", 200, "192.0.2.7"},
		{own, "many.corp.example", 403, ""},
		// No request names an interface of this machine.
		{"fe80::/10", "fe80::1%25eth0", 403, ""},
		{"fe80::/10 .corp.example", "link6.corp.example", 403, ""},
		{"", "10.1.2.3", 403, ""},
		{"", "ws-001.corp.example", 403, ""},
	} {
		t.Run(tt.allow+" "+tt.target, func(t *testing.T) {
			a, err := ParseAllow(strings.Fields(tt.allow)...)
			if err != nil {
				t.Fatal(err)
			}
			s := settingsFor("ws-900")
			s.Allow = a
			status, said, addrs := dialled(t, s, tt.target)
			if status != tt.status || strings.Join(addrs, " ") != tt.dialled {
				t.Errorf("%d, dialled %v: %s", status, addrs, said)
			}
			if status == 403 && (!strings.Contains(said, "to allow it") && !strings.Contains(said, "zone") || strings.Count(said, "\n") != 1) {
				t.Errorf("it does not say how to allow it: %s", said)
			}
		})
	}
}

// A name that no suffix covers is told so, and one that a suffix covers is told of its address.
func TestAllowSaysWhatIsMissing(t *testing.T) {
	for target, says := range map[string]string{
		"127.0.0.1":         `"127.0.0.1" is not covered by allow: to allow it`,
		"far.example":       `"far.example" is covered by no DNS suffix of allow, and leads to no address that a CIDR there covers`,
		"nosuch.example":    `"nosuch.example" is covered by no DNS suffix of allow, and leads to no address that a CIDR there covers`,
		"loop.corp.example": `"loop.corp.example" leads to no address that may be probed: to allow it`,
	} {
		t.Run(target, func(t *testing.T) {
			s := settingsFor("ws-900")
			s.Allow, _ = ParseAllow("10.0.0.0/8", ".corp.example")
			if status, said, _ := dialled(t, s, target); status != 403 || !strings.Contains(said, says) {
				t.Errorf("%d: %s", status, said)
			}
		})
	}
}

// A sweep's exclude holds at /probe too, for what no sweep asks by whichever of
// them, for a swept target by the sweep that asks it.
func TestAllowHoldsToExclude(t *testing.T) {
	list := func(asked ...string) *targets.List {
		l, err := targets.Parse(asked, targets.Options{Exclude: []string{"10.9.0.0/16", "secret.corp.example"}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, tt := range []struct {
		allow, target string
		status        int
		dialled       string
	}{
		{"10.0.0.0/8 .corp.example", "10.1.2.3", 200, "10.1.2.3"},
		{"10.0.0.0/8 .corp.example", "10.9.0.1", 403, ""},
		{"10.0.0.0/8 .corp.example", "excluded.corp.example", 403, ""},
		{"10.0.0.0/8 .corp.example", "secret.corp.example", 403, ""},
		{"10.0.0.0/8", "10.9.0.7", 200, "10.9.0.7"}, // another sweep asks it
		{"-", "excluded.corp.example", 403, ""},     // swept, and leads to an excluded address
		{"-", "ws-001.corp.example", 200, "10.1.1.1"},
		{"-", "loop.corp.example", 200, "127.0.0.1"}, // who is swept is dialled anyway
		{"-", "srv.corp.example", 403, ""},
	} {
		t.Run(tt.allow+" "+tt.target, func(t *testing.T) {
			s := settingsFor("ws-900")
			s.Sweeps[0].Targets = list("excluded.corp.example", "ws-001.corp.example", "loop.corp.example")
			other := DefaultSweep()
			other.Name, other.Targets = "other", listOf("10.9.0.7")
			s.Sweeps = append(s.Sweeps, other)
			if tt.allow != "-" {
				s.Allow, _ = ParseAllow(strings.Fields(tt.allow)...)
			}
			if status, said, addrs := dialled(t, s, tt.target); status != tt.status || strings.Join(addrs, " ") != tt.dialled {
				t.Errorf("%d, dialled %v: %s", status, addrs, said)
			}
		})
	}
}

// Where this machine's own addresses cannot be read, no name is trusted.
func TestAllowWithoutOwnAddresses(t *testing.T) {
	s := settingsFor("ws-900")
	s.Allow, _ = ParseAllow(".corp.example", "10.0.0.0/8")
	e, _ := newExporterOf(t, s, readyReport)
	e.config.Own = func() ([]netip.Addr, error) { return nil, errors.New("no netlink here") }
	if res, body := answerTo(e.Handler(), request("GET", "/probe?target=ws.corp.example")); res.Code != 403 || !strings.Contains(body, "no netlink here") {
		t.Errorf("%d: %s", res.Code, body)
	}
	if res, body := answerTo(e.Handler(), request("GET", "/probe?target=10.0.0.5")); res.Code != 200 {
		t.Errorf("%d: %s", res.Code, body)
	}
}

// The interfaces of this machine are its own.
func TestOwnAddresses(t *testing.T) {
	own, err := ownAddresses()
	if err != nil || !slices.ContainsFunc(own, netip.Addr.IsLoopback) {
		t.Errorf("%v, %v", own, err)
	}
}

// A sweep dials nothing that its exclude covers.
func TestSweepHoldsToExclude(t *testing.T) {
	s := settingsFor("ws-900")
	s.Sweeps[0].Targets, _ = targets.Parse([]string{"ws-001"}, targets.Options{Exclude: []string{"10.9.0.0/16"}})
	e, _ := newExporterOf(t, s, readyReport)
	var excluded func(netip.Addr) bool
	e.sweep = func(p *probe.Prober, _ context.Context, _ iter.Seq[probe.Target], _ probe.Plan) iter.Seq[*probe.Report] {
		excluded = p.Excluded
		return func(func(*probe.Report) bool) {}
	}
	sweepAll(t, e)
	for a, want := range map[string]bool{"10.9.0.1": true, "10.8.0.1": false} {
		if excluded(netip.MustParseAddr(a)) != want {
			t.Error(fmt.Sprint(a, !want))
		}
	}
}
