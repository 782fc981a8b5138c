package probe

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// A Cluster is the hosts that share a cause. Its sentences and names are those
// of the first targets in the order given.
type Cluster struct {
	Cause  Cause
	Hosts  int
	Sample []string // the names of the first few
	Reason string   // of the first host's finding
	Fix    string
	// Where tells in a sentence how the hosts lie among all that were asked, as
	// far as that says something about the cause; else it is empty.
	Where string

	order  []int // the targets' places, of Sample
	spread spread
}

// maxSample is how many names a cluster keeps.
const maxSample = 3

// Clusters gathers causes over many reports.
type Clusters struct {
	byCause map[Cause]*Cluster
	fleet   spread // all hosts, failing or not
}

// Add takes in a report's causes.
func (c *Clusters) Add(r *Report) {
	if c.byCause == nil {
		c.byCause = map[Cause]*Cluster{}
	}
	c.fleet.add(r)
	for _, cause := range r.Causes() {
		k := c.byCause[cause]
		if k == nil {
			k = &Cluster{Cause: cause}
			c.byCause[cause] = k
		}
		k.add(r)
	}
}

func (k *Cluster) add(r *Report) {
	k.Hosts++
	k.spread.add(r)
	at, _ := slices.BinarySearch(k.order, r.Target.Index)
	k.order = slices.Insert(k.order, at, r.Target.Index)
	k.Sample = slices.Insert(k.Sample, at, r.Target.Name)
	if len(k.order) > maxSample {
		k.order, k.Sample = k.order[:maxSample], k.Sample[:maxSample]
	}
	if at == 0 {
		k.Reason = ""
		for _, f := range r.Findings { // the shortest reason is about the cause itself, not what follows from it
			if f.Cause == k.Cause && (k.Reason == "" || len(f.Reason) < len(k.Reason)) {
				k.Reason, k.Fix = f.Reason, f.Fix
			}
		}
	}
}

// All returns the clusters, the largest first.
func (c *Clusters) All() []*Cluster {
	for _, k := range c.byCause {
		k.Where = k.spread.among(c.fleet, k.Cause)
	}
	return slices.SortedFunc(maps.Values(c.byCause), func(a, b *Cluster) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.order[0], b.order[0]), cmp.Compare(a.Cause.String(), b.Cause.String()))
	})
}

// fewest is how many hosts a pattern needs to be one.
const fewest = 3

// A spread counts hosts by subnet (/24, or /64 of IPv6) and by the domain that
// they say they are in.
type spread struct {
	hosts   int
	subnets map[netip.Prefix]int
	domains map[string]int
}

func (s *spread) add(r *Report) {
	if s.subnets == nil {
		s.subnets, s.domains = map[netip.Prefix]int{}, map[string]int{}
	}
	s.hosts++
	if a := r.Address; a.IsValid() {
		bits := 64
		if a.Is4() {
			bits = 24
		}
		subnet, _ := a.WithZone("").Prefix(bits) // fails only for too many bits
		s.subnets[subnet]++
	}
	if r.Identity != nil && r.Identity.Domain != "" {
		s.domains[r.Identity.Domain]++
	}
}

// among tells how the hosts of a cause lie among those of the fleet.
func (s *spread) among(fleet spread, c Cause) string {
	if s.hosts < fewest || s.hosts == fleet.hosts || c == deadlineSpent {
		return ""
	}
	var sentences []string
	if text := s.amongSubnets(fleet.subnets, c); text != "" {
		sentences = append(sentences, text)
	}
	if len(s.domains) == 1 && len(fleet.domains) > 1 {
		for domain := range s.domains {
			sentences = append(sentences, "All that name their domain are of "+domain+".")
		}
	}
	return strings.Join(sentences, " ")
}

func (s *spread) amongSubnets(fleet map[netip.Prefix]int, c Cause) string {
	if len(s.subnets) == 0 || len(fleet) < 2 {
		return ""
	}
	whole, beside := 0, 0 // subnets that fail entirely, and hosts there that do not
	for subnet, n := range s.subnets {
		if n == fleet[subnet] {
			whole++
		}
		beside += fleet[subnet] - n
	}
	where := fmt.Sprintf("%d subnets", len(s.subnets))
	if len(s.subnets) == 1 {
		for subnet := range s.subnets {
			where = subnet.String()
		}
	}
	switch {
	case whole == len(s.subnets) && s.hosts >= fewest*whole && c.Stage == Connect:
		return "Every host asked in " + where + " fails like this: look at the firewall in front of it."
	case whole == len(s.subnets) && s.hosts >= fewest*whole && c.Owner == NameService:
		return "Every host asked in " + where + " fails like this: look at the DNS zone that they share."
	case whole == len(s.subnets) && s.hosts >= fewest*whole:
		return "Every host asked in " + where + " fails like this: look at the policy that they share."
	case len(s.subnets) == 1:
		return fmt.Sprintf("All are in %s, beside %d that do not fail like this: look at what these hosts have in common.", where, beside)
	case beside > 0 && c.Owner == NetworkFirewall: // which knows more of it
		return fmt.Sprintf("They are spread over %s, beside %d that do not fail like this.", where, beside)
	case beside > 0:
		return fmt.Sprintf("They are spread over %s, beside %d that do not fail like this: it is the hosts, not the network.", where, beside)
	}
	return ""
}
