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
		rungs(b, r, f.Trail)
	}
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
