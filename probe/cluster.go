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
	Sample []string // the names of the first few, or of all
	Reason string   // of the first host's finding, whose name it begins with where others say something else
	Fix    string   // likewise
	// Where tells in a sentence how the hosts lie among all that were asked, as
	// far as that says something about the cause; else it is empty.
	Where string

	named                      []named // those of Sample, and some more
	first                      named   // whose reason and fix these are
	reason, fix                string
	reasonsDiffer, fixesDiffer bool // among the hosts
	spread                     spread
}

// A named is a host of a cluster: its place among the targets and its name.
type named struct {
	place int
	name  string
}

// maxSample is how many names a cluster keeps.
const maxSample = 3

// Clusters gathers causes over many reports.
type Clusters struct {
	AllNames bool // to be kept, not the first few alone; set before the first Add

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
		k.add(r, c.AllNames)
	}
}

func (k *Cluster) add(r *Report, allNames bool) {
	host := named{r.Target.Index, r.Target.Name}
	k.spread.add(r)
	k.named = append(k.named, host)
	if !allNames && len(k.named) > 2*maxSample { // few enough to be sorted now and then
		k.named = sorted(k.named)[:maxSample]
	}
	reason, fix := "", ""
	for _, f := range r.Findings { // the shortest reason is about the cause itself, not what follows from it
		if f.Cause == k.Cause && (reason == "" || len(f.Reason) < len(reason)) {
			reason, fix = f.Reason, f.Fix
		}
	}
	if k.Hosts++; k.Hosts == 1 {
		k.first, k.reason, k.fix = host, reason, fix
		return
	}
	k.reasonsDiffer = k.reasonsDiffer || reason != k.reason
	k.fixesDiffer = k.fixesDiffer || fix != k.fix
	if host.place < k.first.place {
		k.first, k.reason, k.fix = host, reason, fix
	}
}

// sum fills in what the cluster tells of the hosts that were added.
func (k *Cluster) sum(allNames bool) {
	k.named, k.Sample = sorted(k.named), nil
	if !allNames {
		k.named = k.named[:min(len(k.named), maxSample)]
	}
	for _, n := range k.named {
		k.Sample = append(k.Sample, n.name)
	}
	if k.Reason, k.Fix = k.reason, k.fix; k.reasonsDiffer {
		k.Reason = fmt.Sprintf(wordsReasonOf, k.first.name, k.reason)
	}
	if k.fixesDiffer && k.fix != "" {
		k.Fix = fmt.Sprintf(wordsFixOf, k.first.name, k.fix)
	}
}

func sorted(hosts []named) []named {
	slices.SortStableFunc(hosts, func(a, b named) int { return cmp.Compare(a.place, b.place) })
	return hosts
}

// All returns the clusters, the largest first.
func (c *Clusters) All() []*Cluster {
	for _, k := range c.byCause {
		k.sum(c.AllNames)
		k.Where = k.spread.among(c.fleet, k.Cause)
	}
	return slices.SortedFunc(maps.Values(c.byCause), func(a, b *Cluster) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.first.place, b.first.place), cmp.Compare(a.Cause.String(), b.Cause.String()))
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
