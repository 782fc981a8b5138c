package targets

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/gpreach/gpreach/probe"
)

const (
	// maxUnconfirmed is how many addresses of ranges need no --yes.
	maxUnconfirmed = 1 << 16
	// maxRanged is how many addresses of ranges a list may hold.
	maxRanged = 1 << 24
)

// A List is the targets that the expressions of a command line mean, each once.
// It does not change, and may be used by several goroutines.
type List struct {
	entries       []entry         // in the order given
	names         map[string]int  // entries of names, by Target.Key
	spans         []span          // whose each address is: an entry's, or nobody's where excluded
	excluded      []span          // every excluded address
	excludedNames map[string]bool // by Target.Key
	size          int
	warnings      []string
}

// An entry is what one expression adds to a list: a name, or those addresses
// that no earlier expression had.
type entry struct {
	name    string
	dnsName string // what the directory says that the host calls itself
	index   int    // of the name's target
	spans   []int  // of List.spans, ascending
	source  probe.Source
	ranged  bool // given as a range
}

// target returns the target of an entry that is a name.
func (e entry) target() probe.Target {
	return probe.Target{Name: e.name, Source: e.source, DNSHostName: e.dnsName, Index: e.index}
}

// Named returns the list of hosts that are known by name, each once, with what
// else is known of them. Their places are counted anew.
func Named(hosts []probe.Target) *List {
	l := &List{names: map[string]int{}}
	for _, h := range hosts {
		if _, known := l.names[h.Key()]; known {
			continue
		}
		l.names[h.Key()] = len(l.entries)
		l.entries = append(l.entries, entry{name: h.Name, dnsName: h.DNSHostName, index: l.size, source: h.Source})
		l.size++
	}
	return l
}

// settle gives the claimed addresses to their entries and numbers the targets.
func (l *List) settle(claims []span, yes bool) error {
	l.spans = partition(claims)
	for i, s := range l.spans {
		if s.owner != nobody {
			l.entries[s.owner].spans = append(l.entries[s.owner].spans, i)
		}
	}
	ranged := 0
	for i := range l.entries {
		e := &l.entries[i]
		if e.name != "" {
			e.index = l.size
			l.size++
		}
		for _, j := range e.spans {
			s := &l.spans[j]
			s.first = l.size
			l.size += s.size()
			if e.ranged {
				ranged += s.size()
			}
			if ranged > maxRanged {
				return fmt.Errorf("the ranges hold more than %d addresses, which is too many: ask fewer at a time", maxRanged)
			}
		}
	}
	if ranged > maxUnconfirmed && !yes {
		return fmt.Errorf("the ranges hold %d addresses: add --yes if more than %d are meant", ranged, maxUnconfirmed)
	}
	return nil
}

// All yields the targets in the order given, with Index from 0 to Len()-1.
// Ranges are expanded as they are asked for.
func (l *List) All() iter.Seq[probe.Target] {
	return func(yield func(probe.Target) bool) {
		for _, e := range l.entries {
			if e.name != "" && !yield(e.target()) {
				return
			}
			for _, i := range e.spans {
				t := probe.Target{Source: e.source, Index: l.spans[i].first}
				for a := range l.spans[i].all() {
					t.Name = a.String()
					if !yield(t) {
						return
					}
					t.Index++
				}
			}
		}
	}
}

// Len returns the number of targets.
func (l *List) Len() int { return l.size }

// Excluded reports whether --exclude covers an address. A range covers its
// addresses in every zone.
func (l *List) Excluded(a netip.Addr) bool {
	a = a.Unmap()
	if a.Zone() != "" && l.excludedNames[a.String()] {
		return true
	}
	_, excluded := find(l.excluded, a.WithZone(""))
	return excluded
}

// Excludes reports whether --exclude covers a host by the name or the literal
// address that it is given by.
func (l *List) Excludes(t probe.Target) bool {
	if a, literal := t.Addr(); literal {
		return l.Excluded(a)
	}
	return l.excludedNames[t.Key()]
}

// Find returns the target of the list that a name or a literal address means.
func (l *List) Find(name string) (probe.Target, bool) {
	e, err := parseExpression(name)
	if err != nil {
		return probe.Target{}, false
	}
	if e.name != "" {
		i, ok := l.names[probe.Target{Name: e.name}.Key()]
		if !ok {
			return probe.Target{}, false
		}
		return l.entries[i].target(), true
	}
	a := e.covers.lo
	s, ok := find(l.spans, a)
	if !ok || s.owner == nobody || a != e.covers.hi {
		return probe.Target{}, false
	}
	index := s.first + span{lo: s.lo, hi: a}.size() - 1
	return probe.Target{Name: a.String(), Source: l.entries[s.owner].source, Index: index}, true
}

// Warnings returns what Parse passed over: rows of CSV files that name no host.
func (l *List) Warnings() []string { return slices.Clone(l.warnings) }

func (l *List) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}
