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
	if id := r.Identity; id != nil {
		fmt.Fprintf(b, "\n%s calls itself %s, domain %s, Windows %s.\n", r.Target.Name,
			cmp.Or(id.DNS, id.Computer, "nothing"), cmp.Or(id.Domain, "unknown"), cmp.Or(id.Build, "of an unknown build"))
	}
	for _, f := range r.Findings {
		fmt.Fprintf(b, "\n%s %s: %s%s\n", verdictMarks[f.Verdict], f.Rule.Name, f.Verdict, access(r, f))
		if (f.Verdict != probe.Reachable || r.LoggingOn) && f.Cause == (probe.Cause{}) { // no ticket tells why
			b.WriteString(wrap(f.Reason, "    "))
		}
		peer := 0
		for _, s := range f.Trail {
			peer = max(peer, len(s.Peer))
		}
		for _, s := range f.Trail {
			line := fmt.Sprintf("    %-9s  %-*s  %-14s %8.1f ms  %s", s.Stage, peer, s.Peer, s.Outcome, milliseconds(s.Elapsed), s.Detail)
			fmt.Fprintln(b, strings.TrimRight(line, " "))
		}
	}
}

// access tells what a credential proved about a rule, after its verdict.
func access(r *probe.Report, f probe.Finding) string {
	if !r.LoggingOn || f.Rule.Route == probe.ByMapper {
		return ""
	}
	return ", access " + string(f.Access)
}
