package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// Clusters keep the first targets' names and words, whatever the order in
// which the reports come, and all names where they are wanted. Words that not
// all hosts have begin with whose they are.
func TestClusters(t *testing.T) {
	cause := Cause{Owner: HostFirewall, Stage: Connect, Outcome: Timeout, where: "TCP 135"}
	other := Cause{Owner: NameService, Stage: Resolve, Outcome: NoSuchName, where: "name"}
	alike := Cause{Owner: NameService, Stage: Resolve, Outcome: Timeout, where: "name"}
	report := func(i int, name string, causes ...Cause) *Report {
		r := &Report{Target: Target{Name: name, Index: i}}
		for _, c := range causes {
			who := name
			if c == alike {
				who = "all"
			}
			r.Findings = append(r.Findings, Finding{Cause: c, Reason: "A longer reason of " + who + ".", Fix: "none"}, Finding{Cause: c, Reason: "Reason of " + who + ".", Fix: "Fix of " + who + "."})
		}
		return r
	}
	var reports []*Report
	for i, name := range strings.Split("abcdefgh", "") {
		reports = append(reports, report(i, name, [][]Cause{
			{cause}, {cause, other}, {}, {cause}, {cause, alike}, {cause, alike}, {cause}, {cause},
		}[i]...))
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1, 0}, {3, 0, 7, 4, 1, 6, 2, 5}} {
		for allNames, names := range map[bool]string{false: "a b d", true: "a b d e f g h"} {
			c := Clusters{AllNames: allNames}
			for _, i := range order {
				c.Add(reports[i])
			}
			var got []string
			for _, k := range c.All() {
				got = append(got, fmt.Sprintf("%s: %d (%s): %s %s", k.Cause, k.Hosts, strings.Join(k.Sample, " "), k.Reason, k.Fix))
			}
			want := []string{
				"TCP 135: connect timeout: 7 (" + names + "): On a: Reason of a. For a: Fix of a.",
				"name: resolve timeout: 2 (e f): Reason of all. Fix of all.",
				"name: resolve no-such-name: 1 (b): Reason of b. Fix of b.",
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v:\n%s\nwant:\n%s", order, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// What a cause's hosts have in common, and what that says.
func TestSpread(t *testing.T) {
	type group struct {
		subnet, domain string
		failing, fine  int
	}
	tests := []struct {
		name   string
		groups []group
		want   string
	}{
		{"too few to be a pattern", []group{{"10.8.1", "", 2, 0}, {"10.8.2", "", 0, 9}}, ""},
		{"the whole fleet", []group{{"10.8.1", "", 5, 0}, {"10.8.2", "", 5, 0}}, ""},
		{
			"a whole subnet and nothing else",
			[]group{{"10.8.1", "", 5, 0}, {"10.8.2", "", 0, 9}},
			"Every host asked in 10.8.1.0/24 fails like this: look at the firewall in front of it.",
		},
		{
			"two whole subnets",
			[]group{{"10.8.1", "", 5, 0}, {"10.8.2", "", 4, 0}, {"10.8.3", "", 0, 9}},
			"Every host asked in 2 subnets fails like this: look at the firewall in front of it.",
		},
		{
			"part of one subnet",
			[]group{{"10.8.1", "", 5, 2}, {"10.8.2", "", 0, 9}},
			"All are in 10.8.1.0/24, beside 2 that do not fail like this: look at what these hosts have in common.",
		},
		{
			"here and there",
			[]group{{"10.8.1", "", 2, 7}, {"10.8.2", "", 3, 6}, {"10.8.3", "", 0, 1}},
			"They are spread over 2 subnets, beside 13 that do not fail like this: it is the hosts, not the network.",
		},
		{"each the only one of its subnet", []group{{"10.8.1", "", 1, 0}, {"10.8.2", "", 1, 0}, {"10.8.3", "", 1, 0}, {"10.8.4", "", 0, 1}}, ""},
		{"one subnet is all there is", []group{{"10.8.1", "", 5, 5}}, ""},
		{
			"one domain of two",
			[]group{{"10.8.1", "old.example", 3, 0}, {"10.8.1", "corp.example", 0, 9}},
			"All that name their domain are of old.example.",
		},
		{"one domain is all there is", []group{{"10.8.1", "corp.example", 3, 0}, {"10.8.1", "corp.example", 0, 9}}, ""},
	}
	cause := Cause{Owner: AnyFirewall, Stage: Connect, Outcome: Timeout, where: "TCP 135"}
	for _, tt := range tests {
		var c Clusters
		hosts := 0
		for _, g := range tt.groups {
			for i := range g.failing + g.fine {
				hosts++
				r := &Report{Target: Target{Index: hosts}, Address: netip.MustParseAddr(fmt.Sprintf("%s.%d", g.subnet, hosts))}
				if g.domain != "" {
					r.Identity = &Identity{Domain: g.domain}
				}
				if i < g.failing {
					r.Findings = []Finding{{Cause: cause, Reason: "It fails."}}
				}
				c.Add(r)
			}
		}
		if owned := (&c.byCause[cause].spread).among(c.fleet, Cause{Owner: NetworkFirewall}); tt.name == "here and there" &&
			owned != "They are spread over 2 subnets, beside 13 that do not fail like this." {
			t.Errorf("%s, of a network firewall: %q", tt.name, owned)
		}
		if zone := (&c.byCause[cause].spread).among(c.fleet, Cause{Owner: NameService}); tt.name == "a whole subnet and nothing else" &&
			zone != "Every host asked in 10.8.1.0/24 fails like this: look at the DNS zone that they share." {
			t.Errorf("%s, of names: %q", tt.name, zone)
		}
		if policy := (&c.byCause[cause].spread).among(c.fleet, Cause{Stage: Map}); tt.name == "a whole subnet and nothing else" &&
			policy != "Every host asked in 10.8.1.0/24 fails like this: look at the policy that they share." {
			t.Errorf("%s, of a service: %q", tt.name, policy)
		}
		if all := c.All(); len(all) != 1 || all[0].Where != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, all[0].Where, tt.want)
		}
	}
}
