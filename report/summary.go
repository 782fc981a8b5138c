package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gpreach/gpreach/probe"
)

// A Summary gathers what reports add up to: how many hosts have which status,
// and whose ticket the failures are.
type Summary struct {
	Hosts    int
	AllNames bool // a cause names all its hosts, not the first few; set before the first Add

	asked      []probe.Operation
	vantage    string
	counts     map[probe.Operation]map[probe.Status]int
	blocked    int // hosts with an operation unreachable, denied or silent
	ready      int
	unfinished int // of neither: hosts of which this machine could not learn all
	names      int // hosts given by name
	unresolved int // of these, hosts for which the resolver failed
	clusters   probe.Clusters
	warnings   []string // the first few, in order
	warned     int      // all of them
	loggingOn  bool     // there was a credential
	short      bool     // shows the largest causes alone
}

// A short summary explains the largest causes as far as there is room, names some more,
// and repeats one warning.
const (
	maxExplained = 3
	maxLines     = 21 // of these explanations
	maxNamed     = 3
)

// maxWarnings is how many warnings a summary repeats, unless it is short.
const maxWarnings = 5

// Add takes in a report.
func (s *Summary) Add(r *probe.Report) {
	if s.counts == nil {
		s.counts = map[probe.Operation]map[probe.Status]int{}
		s.clusters.AllNames = s.AllNames
	}
	s.Hosts++
	s.asked, s.vantage, s.loggingOn = r.Asked, r.Vantage, s.loggingOn || r.LoggingOn
	for _, o := range r.Operations {
		if s.counts[o.Operation] == nil {
			s.counts[o.Operation] = map[probe.Status]int{}
		}
		s.counts[o.Operation][o.Status]++
	}
	switch {
	case r.Accepted():
		s.ready++
	case !r.Accepted(probe.StatusUnproven):
		s.blocked++
	case slices.ContainsFunc(r.Causes(), func(c probe.Cause) bool { return c.Owner == probe.ThisMachine }):
		s.unfinished++
	}
	if step, ok := r.Resolution(); ok {
		s.names++
		if step.Outcome == probe.Timeout {
			s.unresolved++
		}
	}
	s.clusters.Add(r)
	s.warned += len(r.Warnings)
	s.warnings = slices.Sorted(slices.Values(append(s.warnings, r.Warnings...)))
	s.warnings = s.warnings[:min(len(s.warnings), maxWarnings)]
}

// Shorten keeps the summary to a screen where more than limit hosts were asked,
// unless limit is 0.
func (s *Summary) Shorten(limit int) { s.short = limit > 0 && s.Hosts > limit }

// Blocked returns the number of hosts with an operation that is unreachable,
// denied or silent.
func (s *Summary) Blocked() int { return s.blocked }

// ResolverSick returns a sentence when the resolver failed so often that it is
// the fault, and not the names: three times at least, and for a tenth of them.
func (s *Summary) ResolverSick() string {
	if s.unresolved < 3 || 10*s.unresolved < s.names {
		return ""
	}
	return fmt.Sprintf("this machine's resolver is sick: it failed for %d of %d names, and those hosts were not asked", s.unresolved, s.names)
}

// String returns the summary as paragraphs: what was proved, the counts, the
// causes with their owners, the warnings.
func (s *Summary) String() string {
	var b strings.Builder
	b.WriteString(s.proved())
	if s.Hosts == 0 {
		return b.String()
	}
	s.table(&b)
	s.tickets(&b)
	s.warn(&b)
	return b.String()
}

// proved says at the top what a run can prove, with and without a credential.
func (s *Summary) proved() string {
	proof, all := "nothing blocked; WMI cannot be proved without a credential", "every rule is reachable"
	if s.loggingOn {
		proof, all = "nothing blocked, but not every access is proved", "every rule is reachable and lets the account in"
	}
	asked := fmt.Sprintf("%s asked from %s", count(s.Hosts, "host"), s.vantage)
	switch {
	case s.Hosts == 0:
		return "No host was asked.\n"
	case s.ready == s.Hosts:
		return asked + ": " + all + ".\n"
	case s.blocked == 0 && s.unfinished == 0:
		return asked + ": " + proof + ".\n"
	}
	blocked := "blocked or silent"
	if s.loggingOn {
		blocked = "blocked, denied or silent"
	}
	return fmt.Sprintf("%s: %d %s, %d ready,\n%s.\n", asked, s.blocked, blocked, s.ready, s.unproven(proof))
}

// unproven counts the hosts that are neither blocked nor ready, and says what is known
// of them: proof, but not of those that could not be asked to the end.
func (s *Summary) unproven(proof string) string {
	switch n := s.Hosts - s.blocked - s.ready; {
	case n == 0:
		return "0 unproven"
	case s.unfinished == 0:
		return fmt.Sprintf("%d unproven (%s)", n, proof)
	case s.unfinished == n:
		return fmt.Sprintf("%d unproven (not asked to the end)", n)
	default:
		return fmt.Sprintf("%d unproven (%d of them not asked to the end;\nof the others %s)", n, s.unfinished, proof)
	}
}

func (s *Summary) table(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-9s", "")
	for _, status := range probe.Statuses() {
		fmt.Fprintf(b, "  %11s", status)
	}
	b.WriteByte('\n')
	for _, op := range s.asked {
		fmt.Fprintf(b, "%-9s", op)
		for _, status := range probe.Statuses() {
			fmt.Fprintf(b, "  %11d", s.counts[op][status])
		}
		b.WriteByte('\n')
	}
}

func (s *Summary) tickets(b *strings.Builder) {
	clusters := s.clusters.All()
	if len(clusters) == 0 {
		return
	}
	b.WriteString("\nWhose ticket is it?\n")
	explained, lines := 0, 0
	for _, c := range clusters {
		text := explanation(c)
		lines += strings.Count(text, "\n")
		if s.short && (explained == maxExplained || explained > 0 && lines > maxLines) {
			break
		}
		b.WriteString(text)
		explained++
	}
	if explained == len(clusters) {
		return
	}
	named := min(len(clusters)-explained, maxNamed)
	b.WriteByte('\n')
	for _, c := range clusters[explained : explained+named] {
		fmt.Fprintf(b, "  %s (%s)\n", headline(c), names(c))
	}
	if left := len(clusters) - explained - named; left > 0 {
		fmt.Fprintf(b, "  ... and %s more", count(left, "cause"))
	} else {
		b.WriteString("  ...")
	}
	b.WriteString(" (--limit 0 shows and explains all)\n")
}

// headline tells whose ticket a cluster is, what it is and how many hosts have it.
func headline(c *probe.Cluster) string {
	return fmt.Sprintf("%s - %s - %s", c.Cause.Owner, c.Cause, count(c.Hosts, "host"))
}

// names tells the hosts of a cluster, as far as it keeps them.
func names(c *probe.Cluster) string {
	list := strings.Join(c.Sample, ", ")
	if c.Hosts > len(c.Sample) {
		list += ", ..."
	}
	return list
}

// maxInHeadline is how many names stand in the line itself.
const maxInHeadline = 3

// explanation tells all about a cluster.
func explanation(c *probe.Cluster) string {
	var b strings.Builder
	if len(c.Sample) > maxInHeadline {
		fmt.Fprintf(&b, "\n  %s\n%s", headline(c), wrap(names(c), "    "))
	} else {
		fmt.Fprintf(&b, "\n  %s (%s)\n", headline(c), names(c))
	}
	b.WriteString(wrap(c.Reason+" "+c.Where, "    "))
	if c.Fix == "" { // the reason has it
		return b.String()
	}
	advice, command, ok := strings.Cut("Fix: "+c.Fix, probe.RunOnHost)
	if ok {
		advice += probe.RunOnHost
	}
	if b.WriteString(wrap(advice, "    ")); ok {
		fmt.Fprintf(&b, "      %s\n", command) // one line, to be pasted
	}
	return b.String()
}

func (s *Summary) warn(b *strings.Builder) {
	if len(s.warnings) == 0 {
		return
	}
	shown := s.warnings
	if s.short {
		shown = shown[:1]
	}
	b.WriteString("\nWarnings\n")
	for _, w := range shown {
		fmt.Fprintf(b, "  %s\n", w)
	}
	if more := s.warned - len(shown); more > 0 {
		fmt.Fprintf(b, "  ... and %d more (-o json has all)\n", more)
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// wrap breaks text into indented lines of at most 96 columns.
func wrap(text, indent string) string {
	const width = 96
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > width && line != indent {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}
