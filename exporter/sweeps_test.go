package exporter

import (
	"context"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

func mixedFleet(name string) *probe.Report {
	if name == "ws-002" {
		return mixedReport(name)
	}
	return readyReport(name)
}

// without returns the exposition less the runtime's own metrics.
func without(exposition string, prefixes ...string) string {
	var kept strings.Builder
lines:
	for line := range strings.Lines(exposition) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				continue lines
			}
		}
		kept.WriteString(line)
	}
	return kept.String()
}

func TestMetrics(t *testing.T) {
	for _, tt := range []struct {
		golden string
		swept  bool
	}{
		{"metrics_start.prom", false},
		{"metrics_swept.prom", true},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := newExporter(t, mixedFleet, "ws-001", "ws-002")
				if tt.swept {
					sweepAll(t, e)
				}
				body := get(t, e, "/metrics")
				lint(t, body)
				golden(t, tt.golden, without(body, "go_", "process_", "gpreach_build_info"))
				if !strings.Contains(body, `version="1.2.3"} 1`) {
					t.Error("no gpreach_build_info")
				}
			})
		})
	}
}

// at runs the exporter's sweeps for a while and returns when each round began,
// and how fast it was to ask.
func at(t *testing.T, e *Exporter, long, during time.Duration) (begun []time.Duration, rates []float64) {
	start, under := time.Now(), 0
	e.sweep = func(_ *probe.Prober, ctx context.Context, targets iter.Seq[probe.Target], plan probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			begun, rates = append(begun, time.Since(start)), append(rates, plan.Rate)
			if under++; under > 1 {
				t.Error("rounds overlap")
			}
			select {
			case <-time.After(long):
			case <-ctx.Done():
			}
			under--
			for t := range targets {
				if !yield(readyReport(t.Name)) {
					return
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	e.Run(ctx)
	return begun, rates
}

func TestRounds(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		name         string
		long, during time.Duration
		least, most  []time.Duration // when the rounds begin
	}{
		{"at once, then every interval, give or take a tenth", minute, 26 * minute, []time.Duration{0, 810 * time.Second}, []time.Duration{0, 990 * time.Second}},
		{"a long round delays the next", 20 * minute, 50 * minute, []time.Duration{0, 20 * minute, 40 * minute}, []time.Duration{0, 20 * minute, 40 * minute}},
		{"ended in the first round", time.Hour, minute, []time.Duration{0}, []time.Duration{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := newExporter(t, readyReport, "ws-001")
				begun, _ := at(t, e, tt.long, tt.during)
				if len(begun) != len(tt.least) {
					t.Fatalf("rounds began at %v", begun)
				}
				for i, b := range begun {
					if b < tt.least[i] || b > tt.most[i] {
						t.Errorf("round %d began at %v", i, b)
					}
				}
			})
		})
	}
}

// Intervals differ, so that exporters that were started together drift apart.
func TestRoundsAreJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newExporter(t, readyReport, "ws-001")
		begun, _ := at(t, e, 0, 24*time.Hour)
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(begun); i++ {
			gaps[begun[i]-begun[i-1]] = true
		}
		if len(gaps) < 50 {
			t.Errorf("%d rounds, %d different gaps", len(begun), len(gaps))
		}
	})
}

// The first round is as fast as it may be, the later ones take half of the interval.
func TestLaterRoundsAreSpread(t *testing.T) {
	for _, tt := range []struct{ rate, later float64 }{{200, 2. / 450}, {0, 2. / 450}, {.001, .001}} {
		synctest.Test(t, func(t *testing.T) {
			s := settingsFor("ws-001", "ws-002")
			s.Sweeps[0].Rate = tt.rate
			e, _ := newExporterOf(t, s, readyReport)
			_, rates := at(t, e, 0, 20*time.Minute)
			if d := cmp.Diff([]float64{tt.rate, tt.later}, rates); d != "" {
				t.Error(d)
			}
		})
	}
}

// hostsOf returns which of the names have series at /metrics.
func hostsOf(t *testing.T, e *Exporter, names ...string) []string {
	t.Helper()
	body := get(t, e, "/metrics")
	var shown []string
	for _, name := range names {
		if strings.Contains(body, `gpreach_report_timestamp_seconds{target="`+name+`"}`) {
			shown = append(shown, name)
		}
	}
	return shown
}

// A host whose every address is excluded by now has left.
func TestExcludedHostLeaves(t *testing.T) {
	e, _ := newExporter(t, readyReport, "ws-001", "ws-002")
	sweepAll(t, e)
	sweep := e.sweep
	e.sweep = func(p *probe.Prober, ctx context.Context, targets iter.Seq[probe.Target], plan probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			for r := range sweep(p, ctx, targets, plan) {
				if r.Excluded = r.Target.Name == "ws-001"; !yield(r) {
					return
				}
			}
		}
	}
	sweepAll(t, e)
	if d := cmp.Diff([]string{"ws-002"}, hostsOf(t, e, "ws-001", "ws-002")); d != "" {
		t.Error(d)
	}
}

// When a round is interrupted, what it had learned stays, what it canceled is
// not shown, and the rest stands as the last one left it.
func TestInterruptedRound(t *testing.T) {
	e, rec := newExporter(t, readyReport, "ws-001", "ws-002")
	sweepAll(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	e.sweep = func(*probe.Prober, context.Context, iter.Seq[probe.Target], probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			if !yield(mixedReport("ws-001")) {
				return
			}
			cancel()
			yield(reportOn("ws-002", probe.StatusUnproven, say{verdict: probe.Unknown, trail: trail("connect canceled")}, nil))
		}
	}
	rec.log()
	e.sweepOnce(ctx, e.generation(), 0, 0)
	body := get(t, e, "/metrics")
	for _, want := range []string{
		`gpreach_operation_info{operation="refresh",status="unreachable",target="ws-001"} 1`,
		`gpreach_operation_info{operation="refresh",status="ready",target="ws-002"} 1`,
		`gpreach_targets{operation="refresh",status="unproven"} 0`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s:\n%s", want, body)
		}
	}
	if log := rec.log(); strings.Contains(log, "sweep finished") {
		t.Errorf("a round that did not finish was logged: %s", log)
	}
}

// A line a round, and none a host: the first states are no changes.
func TestLogOfARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, rec := newExporter(t, mixedFleet, "ws-001", "ws-002", "ws-003")
		sweepAll(t, e)
		const want = `level=INFO msg="sweep finished" sweep=all hosts=3 seconds=0` +
			` rsop.ready=2 rsop.unproven=0 rsop.silent=0 rsop.denied=1 rsop.unreachable=0` +
			` refresh.ready=2 refresh.unproven=0 refresh.silent=0 refresh.denied=0 refresh.unreachable=1` + "\n"
		_, got, _ := strings.Cut(rec.log(), " ") // its time
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// A target that no label can hold costs its own series and no others.
func TestABadNameHidesNothingElse(t *testing.T) {
	s := settingsFor("ws-001")
	s.Sweeps[0].Targets = targets.Named([]probe.Target{{Name: "ws-001"}, {Name: "\xff"}, {Name: "ws\n{}\"-002"}})
	e, rec := newExporterOf(t, s, readyReport)
	e.board.admit(func(t probe.Target) (int, bool) { return t.Index, true })
	sweepAll(t, e)
	body := get(t, e, "/metrics")
	lint(t, body)
	for _, want := range []string{
		`gpreach_report_timestamp_seconds{target="ws-001"}`,
		`gpreach_report_timestamp_seconds{target="ws\n{}\"-002"}`,
		`gpreach_targets{operation="rsop",status="ready"} 3`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s:\n%s", want, body)
		}
	}
	if log := rec.log(); !strings.Contains(log, "UTF-8") {
		t.Errorf("nothing was logged of it: %s", log)
	}
}

// Scrapes overlap each other and a sweep; each sees whole hosts. The race
// detector judges the rest.
func TestScrapesDuringASweep(t *testing.T) {
	hosts := make([]string, 50)
	for i := range hosts {
		hosts[i] = "ws" + strings.Repeat("x", i)
	}
	e, _ := newExporter(t, readyReport, hosts...)
	e.probe = func(_ *probe.Prober, _ context.Context, t probe.Target, _ []probe.Operation) *probe.Report {
		return mixedReport(t.Name)
	}
	var wg sync.WaitGroup
	for _, path := range []string{"/metrics", "/metrics", "/probe?target=wsx", "/probe?target=wsx"} {
		wg.Go(func() {
			for range 5 {
				body := get(t, e, path)
				times := strings.Count(body, "gpreach_report_timestamp_seconds{")
				if ready := strings.Count(body, `gpreach_operation_ready{operation="rsop",target=`); ready != times {
					t.Errorf("%s: %d hosts, %d of them with an operation", path, times, ready)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			sweepAll(t, e)
		}
	})
	wg.Wait()
	if n := len(hostsOf(t, e, hosts...)); n != len(hosts) {
		t.Errorf("%d of %d hosts on the board", n, len(hosts))
	}
}
