package probe

import (
	"net/netip"
	"strings"
)

// A Source says where a target's name came from.
type Source string

// The sources of targets.
const (
	FromArgument  Source = "argument"
	FromFile      Source = "file"
	FromStdin     Source = "stdin"
	FromDirectory Source = "directory"
)

// A Target is a host to ask.
type Target struct {
	// Name is the host as given: a name, or an address in its usual form.
	Name   string
	Source Source
	// DNSHostName is what the directory says that the host calls itself; empty
	// for other sources. A host that says otherwise is the wrong host.
	DNSHostName string
	// Index is the target's place in the order given, from 0.
	Index int
}

// Addr returns the target's literal address, if it has one.
func (t Target) Addr() (netip.Addr, bool) {
	a, err := netip.ParseAddr(t.Name)
	return a.Unmap(), err == nil
}

// Key returns what makes two targets one: the address, or the name without
// case and final dot.
func (t Target) Key() string {
	if a, ok := t.Addr(); ok {
		return a.String()
	}
	return strings.TrimSuffix(strings.ToLower(t.Name), ".")
}

// sameHost reports whether a host that calls itself said is the host known as
// name: without case and final dot, and a dotless name by its first label.
func sameHost(name, said string) bool {
	name, said = Target{Name: name}.Key(), Target{Name: said}.Key()
	if !strings.Contains(name, ".") {
		said, _, _ = strings.Cut(said, ".")
	}
	return name == said
}
