package exporter

import (
	"cmp"
	"iter"
	"slices"

	"github.com/gpreach/gpreach/probe"
)

// A generation is one configuration while it is in force. It does not change.
type generation struct {
	settings *Settings
	prober   *probe.Prober // for callers and sweeps alike, but for what each excludes
	asked    []probe.Operation
	first    []int // the place of each sweep's first target among all
	// ranked is the sweeps in the order in which they claim a host that several
	// name: the shortest interval first.
	ranked  []int
	brake   *brake        // of the credential
	retired chan struct{} // closed when another generation is in force
}

// newGeneration returns the settings as a generation. prober joins a Prober to
// the network.
func newGeneration(s *Settings, prober func(Probing) *probe.Prober) *generation {
	g := &generation{settings: s, prober: prober(s.Probing), retired: make(chan struct{}), brake: newBrake()}
	places := 0
	for i, sweep := range s.Sweeps {
		g.ranked = append(g.ranked, i)
		g.first = append(g.first, places)
		places += sweep.Targets.Len()
	}
	slices.SortStableFunc(g.ranked, func(a, b int) int { return cmp.Compare(s.Sweeps[a].Interval, s.Sweeps[b].Interval) })
	for _, op := range probe.Operations() {
		if slices.ContainsFunc(s.Sweeps, func(s Sweep) bool { return slices.Contains(s.Asked, op) }) {
			g.asked = append(g.asked, op)
		}
	}
	return g
}

// An ownership tells which sweep asks a target, and what for.
type ownership struct {
	sweep  int          // of Settings.Sweeps
	target probe.Target // with its place among all
	asked  []probe.Operation
	// credential is set where the host is logged on to.
	credential bool
}

// find returns who asks a host, by its name or address. A host that several
// sweeps name is one host: the sweep with the shortest interval asks it, for
// what any of them wants to know, and with the credential if any of them is.
func (g *generation) find(name string) (ownership, bool) {
	var o ownership
	found := false
	for _, i := range g.ranked {
		t, ok := g.settings.Sweeps[i].Targets.Find(name)
		switch {
		case !ok:
			continue
		case !found:
			t.Index += g.first[i]
			s := g.settings.Sweeps[i]
			o, found = ownership{i, t, s.Asked, s.Credential}, true
		default:
			o.asked = union(o.asked, g.settings.Sweeps[i].Asked)
			o.credential = o.credential || g.settings.Sweeps[i].Credential
		}
	}
	return o, found
}

// union returns the operations of both, in their order.
func union(a, b []probe.Operation) []probe.Operation {
	if slices.Equal(a, b) {
		return a
	}
	return slices.DeleteFunc(probe.Operations(), func(op probe.Operation) bool {
		return !slices.Contains(a, op) && !slices.Contains(b, op)
	})
}

// targets returns whom a sweep asks: what it names and no other sweep claims.
// Ranges are expanded as they are asked.
func (g *generation) targets(sweep int) iter.Seq[probe.Target] {
	return func(yield func(probe.Target) bool) {
		for o := range g.owned(sweep) {
			if !yield(o.target) {
				return
			}
		}
	}
}

// owned yields the ownership of each target of a sweep.
func (g *generation) owned(sweep int) iter.Seq[ownership] {
	return func(yield func(ownership) bool) {
		s := g.settings.Sweeps[sweep]
		for t := range s.Targets.All() {
			t.Index += g.first[sweep]
			o := ownership{sweep, t, s.Asked, s.Credential}
			if len(g.ranked) > 1 {
				found, ok := g.find(t.Name)
				if !ok || found.sweep != sweep {
					continue
				}
				o.asked, o.credential = found.asked, found.credential
			}
			if !yield(o) {
				return
			}
		}
	}
}

// logsOn reports whether some host of a sweep is logged on to.
func (g *generation) logsOn(sweep int) bool {
	if !slices.ContainsFunc(g.settings.Sweeps, func(s Sweep) bool { return s.Credential }) {
		return false
	}
	for o := range g.owned(sweep) {
		if o.credential {
			return true
		}
	}
	return false
}

// plan says how a sweep's round asks, at most rate hosts a second.
func (g *generation) plan(sweep int, rate float64) probe.Plan {
	s := g.settings.Sweeps[sweep]
	p := probe.Plan{Asked: s.Asked, Concurrency: s.Concurrency, Rate: rate}
	if len(g.ranked) > 1 {
		p.AskedOf = func(t probe.Target) []probe.Operation {
			if o, ok := g.find(t.Name); ok {
				return o.asked
			}
			return s.Asked
		}
	}
	return p
}
