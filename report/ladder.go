package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gpreach/gpreach/probe"
)

// verdictMarks stand before the verdicts.
var verdictMarks = map[probe.Verdict]string{probe.Reachable: "+", probe.Unreachable: "x", probe.Unknown: "?"}

// Ladder returns every rule's trail, rung by rung, below the host's identity.
func Ladder(r *probe.Report) string {
	var b strings.Builder
	ladder(&b, r)
	return b.String()
}

// ladder draws every rule's trail, rung by rung: what a table shows of a host
// that was asked alone.
func ladder(b *strings.Builder, r *probe.Report) {
	if known := saysOfItself(r); known != "" {
		fmt.Fprintf(b, "\n%s %s.\n", r.Target.Name, known)
	}
	told := map[string]string{} // which rule's reason it was, by reason
	for _, f := range r.Findings {
		fmt.Fprintf(b, "\n%s %s: %s%s\n", verdictMarks[f.Verdict], f.Rule.Name, f.Verdict, access(r, f))
		if f.Verdict != probe.Reachable || r.LoggingOn {
			reason := f.Reason
			if first, ok := told[reason]; ok {
				if as := "As for " + first + "."; len(as) < len(reason) {
					reason = as
				}
			} else {
				told[reason] = f.Rule.Name
			}
			b.WriteString(wrap(reason, "    "))
		}
		rungs(b, r, f.Trail)
	}
}

// saysOfItself tells what the host says of itself, as far as that is more than the name it
// was asked by.
func saysOfItself(r *probe.Report) string {
	id := r.Identity
	if id == nil {
		return ""
	}
	var known []string
	if id.Domain != "" {
		known = append(known, "domain "+id.Domain)
	}
	if id.Build != "" {
		known = append(known, "Windows "+id.Build)
	}
	name := cmp.Or(id.DNS, id.Computer)
	switch {
	case name != "" && !strings.EqualFold(name, strings.TrimSuffix(r.Target.Name, ".")):
		return strings.Join(append([]string{"calls itself " + name}, known...), ", ")
	case len(known) > 0:
		return "says of itself: " + strings.Join(known, ", ")
	}
	return ""
}

// rungs draws a trail, with a line between what was tried without a logon and
// with one.
func rungs(b *strings.Builder, r *probe.Report, t probe.Trail) {
	stage, peer := len(probe.Negotiate), 0
	for _, s := range t {
		stage, peer = max(stage, len(s.Stage)), max(peer, len(s.Peer))
	}
	logon := false
	for _, s := range t {
		if s.WithCredential() && !logon {
			logon = true
			fmt.Fprintf(b, "    -- with the credential, by %s\n", r.Credential)
		}
		line := fmt.Sprintf("    %-*s  %-*s  %-14s %8.1f ms  %s", stage, s.Stage, peer, s.Peer, s.Outcome, milliseconds(s.Elapsed), s.Detail)
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
}

// access tells what a credential proved about a rule, after its verdict.
func access(r *probe.Report, f probe.Finding) string {
	if !r.LoggingOn || f.Rule.Route == probe.ByMapper {
		return ""
	}
	return ", access " + string(f.Access)
}
