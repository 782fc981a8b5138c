package exporter

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/report"
)

// aged returns a report that was begun so many minutes after the others.
func aged(r *probe.Report, minutes int) *probe.Report {
	r.Started = started.Add(time.Duration(minutes) * time.Minute)
	return r
}

// standing returns a report with these two statuses.
func standing(rsop, refresh probe.Status, minutes int) *probe.Report {
	r := aged(readyReport("ws-001"), minutes)
	r.Operations[0].Status, r.Operations[1].Status = rsop, refresh
	return r
}

// What changed is one line in the log each, what the row was before, and the
// first of its last sixteen changes.
func TestChanges(t *testing.T) {
	const ready, silent, unproven = probe.StatusReady, probe.StatusSilent, probe.StatusUnproven
	e, rec := newExporter(t, readyReport, "ws-001")
	source := e.Source()
	put := func(r *probe.Report) page.Host {
		e.board.put(r, true)
		return source.Fleet().Hosts[0]
	}
	for i, tt := range []struct {
		rsop, refresh probe.Status
		before        []probe.Status
		lines         []string
	}{
		{ready, ready, nil, nil},
		{ready, ready, nil, nil},
		{silent, unproven, []probe.Status{ready, ready}, []string{"operation=rsop target=ws-001 from=ready to=silent", "operation=refresh target=ws-001 from=ready to=unproven"}},
		{silent, silent, []probe.Status{silent, unproven}, []string{"operation=refresh target=ws-001 from=unproven to=silent"}},
		{silent, silent, nil, nil},
	} {
		h := put(standing(tt.rsop, tt.refresh, i))
		if d := cmp.Diff(page.Host{Status: []probe.Status{tt.rsop, tt.refresh}, Before: tt.before}, page.Host{Status: h.Status, Before: h.Before}); d != "" {
			t.Errorf("report %d: %s", i, d)
		}
		var lines []string
		for line := range strings.Lines(rec.log()) {
			_, rest, _ := strings.Cut(strings.TrimSpace(line), `msg="state changed" `)
			lines = append(lines, rest)
		}
		if d := cmp.Diff(tt.lines, lines); d != "" {
			t.Errorf("report %d: %s", i, d)
		}
	}
	ladder, _ := source.Ladder("WS-001.")
	when := started.Add(3 * time.Minute)
	if len(ladder.Changes) != 3 || ladder.Changes[0] != (page.Change{When: when, Operation: probe.Refresh, From: unproven, To: silent}) {
		t.Errorf("changes %+v", ladder.Changes)
	}
	for i := range 40 {
		put(standing([]probe.Status{ready, silent}[i%2], silent, 10+i))
	}
	if ladder, _ := source.Ladder("ws-001"); len(ladder.Changes) != maxChanges || ladder.Changes[0].When != started.Add(49*time.Minute) {
		t.Errorf("%d changes, the first %+v", len(ladder.Changes), ladder.Changes[0])
	}
}

// A report that was begun before the one on the board does not replace it, and
// an operation that was not asked before did not change.
func TestBoardTakesTheLatest(t *testing.T) {
	e, rec := newExporter(t, readyReport, "ws-001")
	first := standing(probe.StatusSilent, probe.StatusReady, 0)
	first.Operations = first.Operations[:1]
	e.board.put(first, true)
	e.board.put(standing(probe.StatusSilent, probe.StatusReady, 5), true)
	e.board.put(standing(probe.StatusReady, probe.StatusSilent, 4), true)
	if log := rec.log(); log != "" {
		t.Error(log)
	}
	if h := e.Source().Fleet().Hosts[0]; h.Status[0] != probe.StatusSilent || h.Status[1] != probe.StatusReady || h.Before != nil {
		t.Errorf("%+v", h)
	}
}

// What a user of the page asks for is no sweep: what changed since the last sweep
// is told against what stood before it.
func TestProbeNowIsNoSweep(t *testing.T) {
	const ready, silent = probe.StatusReady, probe.StatusSilent
	e, _ := newExporter(t, readyReport, "ws-001")
	for i, tt := range []struct {
		rsop   probe.Status
		swept  bool
		before []probe.Status
	}{
		{ready, true, nil},
		{silent, false, nil}, // there was no sweep before the last one
		{ready, true, []probe.Status{silent, ready}},
		{ready, false, []probe.Status{silent, ready}},
		{silent, false, nil}, // as it was
		{ready, false, []probe.Status{silent, ready}},
		{ready, true, nil},
		{silent, false, []probe.Status{ready, ready}},
	} {
		e.board.put(standing(tt.rsop, ready, i), tt.swept)
		if got := e.Source().Fleet().Hosts[0].Before; !slices.Equal(got, tt.before) {
			t.Errorf("report %d: before %v, want %v", i, got, tt.before)
		}
	}
}

// The page has the columns of what is asked, and none where nothing is.
func TestFleetOfLess(t *testing.T) {
	for asked, want := range map[probe.Operation]int{"": 0, probe.RSoP: 4, probe.Refresh: 3} {
		s := settingsFor("ws-001")
		s.Sweeps[0].Asked = []probe.Operation{asked}
		if asked == "" {
			s.Sweeps, s.Allow = nil, &Allow{}
		}
		e, _ := newExporterOf(t, s, func(name string) *probe.Report {
			r := readyReport(name)
			r.Operations = slices.DeleteFunc(r.Operations, func(o probe.OperationStatus) bool { return o.Operation != asked })
			r.Findings = slices.DeleteFunc(r.Findings, func(f probe.Finding) bool { return !f.Rule.Needed(asked) })
			return r
		})
		sweepAll(t, e)
		f := e.Source().Fleet()
		if len(f.Rules) != want || len(f.Hosts) > 0 && len(f.Hosts[0].Rules) != want {
			t.Errorf("%q: %d rules, %+v", asked, len(f.Rules), f.Hosts)
		}
		for _, h := range f.Hosts {
			for i, c := range h.Rules {
				if c.Verdict != probe.Reachable {
					t.Errorf("%q: %s is %+v", asked, f.Rules[i].ID, c)
				}
			}
		}
		if body := get(t, e, "/data/fleet.json"); strings.Contains(body, "null,") && asked == "" || strings.Contains(body, `"operations":null`) {
			t.Errorf("%q: %s", asked, body)
		}
	}
}

// The ladder's document is the report as -o json has it.
func TestLadder(t *testing.T) {
	e, _ := newExporter(t, mixedReport, "ws-001", "ws-002")
	r := mixedReport("ws-001")
	e.board.put(r, true)
	want, err := report.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	ladder, ok := e.Source().Ladder("ws-001")
	if !ok || !json.Valid(ladder.Document) {
		t.Fatal(ok)
	}
	if d := cmp.Diff(string(want), string(ladder.Document)); d != "" {
		t.Error(d)
	}
	for _, name := range []string{"ws-002", "nosuch", ""} {
		if _, ok := e.Source().Ladder(name); ok {
			t.Errorf("%q has a ladder", name)
		}
	}
}

func TestFleet(t *testing.T) {
	e, _ := newExporter(t, readyReport, "ws-003", "ws-001", "ws-002")
	empty := e.Source().Fleet()
	if len(empty.Hosts) != 0 || empty.Hosts == nil || len(empty.Rules) != 6 || len(empty.Operations) != 2 || len(empty.Sweeps) != 1 || !empty.Sweeps[0].Finished.IsZero() {
		t.Errorf("before the first round: %+v", empty)
	}
	broken := func(name string) *probe.Report {
		r := mixedReport(name)
		for i := range r.Findings {
			if f := &r.Findings[i]; f.Verdict == probe.Unreachable {
				f.Cause, f.Reason, f.Fix = probe.Cause{Owner: probe.HostFirewall, Stage: probe.Connect, Outcome: probe.Timeout}, "It is dropped.", "Open it."
			}
		}
		return r
	}
	e.sweep = sweepWith(func(name string) *probe.Report {
		if name == "ws-001" {
			return readyReport(name)
		}
		return broken(name)
	})
	sweepAll(t, e)
	f := e.Source().Fleet()
	var names []string
	for _, h := range f.Hosts {
		names = append(names, h.Name)
	}
	if d := cmp.Diff([]string{"ws-003", "ws-001", "ws-002"}, names); d != "" {
		t.Errorf("not in target order: %s", d)
	}
	cause := page.Cause{Owner: probe.HostFirewall, Text: ": connect timeout", Hosts: 2, Reason: "It is dropped.", Fix: "Open it."}
	if d := cmp.Diff([]page.Cause{cause}, f.Causes); d != "" {
		t.Error(d)
	}
	first := f.Hosts[0]
	if d := cmp.Diff([]int{0}, first.Causes); d != "" {
		t.Error(d)
	}
	if len(first.Rules) != 6 || first.Rules[4] != (page.Cell{Verdict: probe.Unreachable, Access: probe.Untested}) || len(f.Hosts[1].Causes) != 0 {
		t.Errorf("%+v", f.Hosts)
	}
	if f.Vantage != "gpmc01" || f.Sweeps[0].Name != "all" || f.Sweeps[0].Interval != 15*time.Minute || f.Sweeps[0].Finished.IsZero() {
		t.Errorf("%+v", f)
	}
}

// fleetOf returns n reports, a third of them of broken hosts.
func fleetOf(n int) []*probe.Report {
	all := make([]*probe.Report, n)
	for i := range all {
		name := fmt.Sprintf("ws-%05d.corp.example", i)
		all[i] = readyReport(name)
		if i%3 == 0 {
			all[i] = mixedReport(name)
		}
		all[i].Target.Index = i
	}
	return all
}

func boardOf(n int) *board {
	b := newBoard(discard())
	for _, r := range fleetOf(n) {
		b.put(r, true)
	}
	return b
}

// BenchmarkDraw puts the page's matrix of 20,000 hosts together.
func BenchmarkDraw(b *testing.B) {
	board := boardOf(20_000)
	for b.Loop() {
		rows, _ := board.snapshot()
		draw(rows, probe.Operations())
	}
}

// BenchmarkPut takes in a report.
func BenchmarkPut(b *testing.B) {
	board, r := boardOf(1), mixedReport("ws-001.corp.example")
	for b.Loop() {
		board.put(r, true)
	}
}
