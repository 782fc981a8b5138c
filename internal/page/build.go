package page

import (
	"cmp"
	"slices"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// Rules returns the matrix's columns for these operations.
func Rules(operations []probe.Operation) []Rule {
	columns := []Rule{}
	for _, r := range probe.Rules() {
		if slices.ContainsFunc(operations, r.Needed) {
			columns = append(columns, Rule{ID: r.ID, Name: r.Name, Operations: r.For})
		}
	}
	return columns
}

// NewHost returns the row of a report in a Fleet with these operations and
// their Rules. Before and Causes are left to whoever has the Fleet.
func NewHost(r *probe.Report, operations []probe.Operation) Host {
	h := Host{Name: r.Target.Name, Asked: r.Started, Status: make([]probe.Status, len(operations)), Rules: []Cell{}, Causes: []int{}}
	if r.Address.IsValid() {
		h.Address = r.Address.String()
	}
	for i, op := range operations {
		h.Status[i] = r.Status(op)
	}
	for _, rule := range probe.Rules() {
		if !slices.ContainsFunc(operations, rule.Needed) {
			continue
		}
		var c Cell
		for _, f := range r.Findings {
			if f.Rule.ID == rule.ID {
				c = Cell{f.Verdict, f.Access}
			}
		}
		h.Rules = append(h.Rules, c)
	}
	return h
}

// NewCauses returns the clusters as the page shows them.
func NewCauses(clusters []*probe.Cluster) []Cause {
	causes := make([]Cause, len(clusters))
	for i, k := range clusters {
		causes[i] = Cause{
			Owner: k.Cause.Owner, Text: k.Cause.String(), Hosts: k.Hosts,
			Reason: k.Reason, Fix: k.Fix, Where: k.Where,
		}
	}
	return causes
}

// A Builder gathers the reports of one run into a Fleet. It keeps a row of
// each, and no trail.
type Builder struct {
	vantage    string
	operations []probe.Operation
	made       time.Time
	rows       []row
	added      []int         // when each of the Fleet's hosts was added, from 0
	seen       []probe.Cause // what the rows' Causes mean until the Fleet is made
	places     map[probe.Cause]int
	clusters   probe.Clusters
}

type row struct {
	index, added int // the target's place, and the report's
	host         Host
}

// Add takes in a report of any target but one that is Excluded. All must have
// been asked the same.
func (b *Builder) Add(r *probe.Report) {
	if b.places == nil {
		b.places = map[probe.Cause]int{}
	}
	b.vantage, b.operations = r.Vantage, r.Asked
	if end := r.Started.Add(r.Elapsed); end.After(b.made) {
		b.made = end
	}
	h := NewHost(r, r.Asked)
	for _, c := range r.Causes() {
		at, known := b.places[c]
		if !known {
			at = len(b.seen)
			b.places[c], b.seen = at, append(b.seen, c)
		}
		h.Causes = append(h.Causes, at)
	}
	b.rows = append(b.rows, row{r.Target.Index, len(b.rows), h})
	b.clusters.Add(r)
}

// Fleet returns what was gathered, in target order, made when the last report
// was. It ends the Builder.
func (b *Builder) Fleet() Fleet {
	clusters := b.clusters.All()
	place := make([]int, len(b.seen))
	for i, k := range clusters {
		place[b.places[k.Cause]] = i
	}
	slices.SortStableFunc(b.rows, func(x, y row) int { return cmp.Compare(x.index, y.index) })
	b.added = make([]int, len(b.rows))
	f := Fleet{
		Vantage: b.vantage, Made: b.made.UTC(), Operations: append([]probe.Operation{}, b.operations...), Rules: Rules(b.operations),
		Causes: NewCauses(clusters), Sweeps: []Sweep{}, Hosts: make([]Host, len(b.rows)),
	}
	for i, r := range b.rows {
		for j, at := range r.host.Causes {
			r.host.Causes[j] = place[at]
		}
		f.Hosts[i], b.added[i] = r.host, r.added
	}
	b.rows = nil
	return f
}
