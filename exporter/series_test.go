package exporter

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
)

// started is when every report of these tests was made.
var started = time.Date(2026, 11, 22, 20, 15, 0, 123e6, time.UTC)

// say is what a test wants to be found about a rule.
type say struct {
	verdict probe.Verdict
	access  probe.Access
	trail   probe.Trail
}

// reportOn returns a report on both operations that says the same of every
// rule but the exceptions, by the rule's id.
func reportOn(name string, status probe.Status, all say, exceptions map[string]say) *probe.Report {
	r := &probe.Report{
		Target:  probe.Target{Name: name, Source: probe.FromArgument},
		Asked:   probe.Operations(),
		Started: started, Elapsed: 250 * time.Millisecond,
	}
	for _, op := range probe.Operations() {
		r.Operations = append(r.Operations, probe.OperationStatus{Operation: op, Status: status})
	}
	for _, rule := range probe.Rules() {
		s, ok := exceptions[rule.ID]
		if !ok {
			s = all
		}
		if s.access == "" {
			s.access = probe.Untested
		}
		r.Findings = append(r.Findings, probe.Finding{Rule: rule, Verdict: s.verdict, Access: s.access, Trail: s.trail})
	}
	return r
}

func readyReport(name string) *probe.Report {
	return reportOn(name, probe.StatusReady, say{verdict: probe.Reachable}, nil)
}

// trail reads "connect ok, bind timeout".
func trail(s string) probe.Trail {
	var t probe.Trail
	for step := range strings.SplitSeq(s, ", ") {
		stage, outcome, _ := strings.Cut(step, " ")
		t = append(t, probe.Step{Stage: probe.Stage(stage), Outcome: probe.Outcome(outcome)})
	}
	return t
}

// mixedReport is a host whose scheduler cannot be reached, whose EventLog
// wants another account, and of whose WMI nothing is known.
func mixedReport(name string) *probe.Report {
	r := reportOn(name, probe.StatusUnreachable, say{verdict: probe.Reachable}, map[string]say{
		"RemoteEventLogSvc-NP-In-TCP": {probe.Reachable, probe.Granted, trail("connect ok, negotiate ok, open ok, call ok")},
		"RemoteEventLogSvc-In-TCP":    {probe.Reachable, probe.Denied, trail("connect ok, bind ok, map ok, connect ok, bind denied")},
		"WMI-WINMGMT-In-TCP":          {probe.Unknown, probe.Untested, trail("connect ok, bind ok, call ok")},
		"RemoteTask-In-TCP":           {probe.Unreachable, probe.Untested, trail("connect ok, bind ok, map ok, connect timeout")},
	})
	r.Operations[0].Status = probe.StatusDenied
	return r
}

func lines(all []series) []string {
	var out []string
	for _, s := range all {
		out = append(out, fmt.Sprintf("%s %s %v", families()[s.family].name, strings.Join(s.labels, " "), s.value))
	}
	return out
}

func TestSeriesOfAFinding(t *testing.T) {
	const pipe, tasks, mapper = "RemoteEventLogSvc-NP-In-TCP", "RemoteTask-In-TCP", "RemoteTask-RPCSS-In-TCP"
	mapperDown := say{verdict: probe.Unreachable, trail: trail("resolve ok, connect refused")}
	mapperUp := say{verdict: probe.Reachable, trail: trail("resolve ok, connect ok, bind ok")}
	for _, tt := range []struct {
		name    string
		finding say
		mapper  say
		want    []string
	}{
		{
			"reachable, and an earlier address that failed is no failure",
			say{verdict: probe.Reachable, trail: trail("connect timeout, connect ok, bind ok")},
			mapperUp,
			[]string{"gpreach_rule_reachable RemoteTask-In-TCP 1"},
		},
		{
			"unknown is neither 0 nor 1, and no failure",
			say{verdict: probe.Unknown, trail: trail("connect ok, bind ok, map denied")},
			mapperUp,
			nil,
		},
		{
			"unreachable: the last step that is not ok",
			say{verdict: probe.Unreachable, trail: trail("connect ok, bind ok, map ok, connect refused, connect timeout, call ok")},
			mapperUp,
			[]string{"gpreach_rule_reachable RemoteTask-In-TCP 0", "gpreach_rule_failure_info RemoteTask-In-TCP connect timeout 1"},
		},
		{
			"unreachable for want of the mapper: the mapper rule's step",
			say{verdict: probe.Unreachable, trail: trail("resolve ok")},
			mapperDown,
			[]string{"gpreach_rule_reachable RemoteTask-In-TCP 0", "gpreach_rule_failure_info RemoteTask-In-TCP connect refused 1"},
		},
		{
			"unreachable without any step that is not ok: no failure is made up",
			say{verdict: probe.Unreachable, trail: trail("connect ok")},
			mapperUp,
			[]string{"gpreach_rule_reachable RemoteTask-In-TCP 0"},
		},
		{
			"access denied is a failure of a rule that is reachable",
			say{probe.Reachable, probe.Denied, trail("connect ok, bind ok, authenticate logon-failed")},
			mapperUp,
			[]string{
				"gpreach_rule_reachable RemoteTask-In-TCP 1", "gpreach_rule_access_granted RemoteTask-In-TCP 0",
				"gpreach_rule_failure_info RemoteTask-In-TCP authenticate logon-failed 1",
			},
		},
		{
			"access granted",
			say{probe.Reachable, probe.Granted, trail("connect ok, bind denied, authenticate ok, call ok")},
			mapperUp,
			[]string{"gpreach_rule_reachable RemoteTask-In-TCP 1", "gpreach_rule_access_granted RemoteTask-In-TCP 1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := reportOn("ws", probe.StatusUnreachable, tt.mapper, map[string]say{tasks: tt.finding})
			var got []string
			for _, line := range lines(seriesOf(r)) {
				if strings.Contains(line, tasks) {
					got = append(got, line)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// The contract promises at most 20 series a host. The mapper rules are asked
// without a credential, and where they are unreachable only the pipe's access
// can be known; every other combination is tried.
func TestAtMost20SeriesAHost(t *testing.T) {
	failed := trail("connect ok, bind denied")
	most := 0
	for _, mapper := range []probe.Verdict{probe.Reachable, probe.Unreachable, probe.Unknown} {
		for _, verdict := range []probe.Verdict{probe.Reachable, probe.Unreachable, probe.Unknown} {
			for _, access := range []probe.Access{probe.Granted, probe.Denied, probe.Untested} {
				exceptions := map[string]say{"RemoteEventLogSvc-NP-In-TCP": {verdict, access, failed}}
				for _, rule := range probe.Rules() {
					switch {
					case rule.Route == probe.ByMapper:
						exceptions[rule.ID] = say{mapper, probe.Untested, failed}
					case rule.Route != probe.ByPipe && mapper == probe.Unreachable:
						exceptions[rule.ID] = say{probe.Unreachable, probe.Untested, failed}
					}
				}
				b := newBoard(slog.Default())
				b.put(reportOn("ws", probe.StatusUnreachable, say{verdict, access, failed}, exceptions), true)
				rows, _ := b.snapshot()
				most = max(most, len(rows[0].samples))
			}
		}
	}
	if most < 15 || most > 20 {
		t.Errorf("the worst host has %d series with its timestamp; want at most 20, and a worst case worth its name", most)
	}
}
