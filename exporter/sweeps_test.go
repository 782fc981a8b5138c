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
		hosts  []string
	}{
		{"metrics_start.prom", nil},
		{"metrics_swept.prom", []string{"ws-001", "ws-002"}},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _, _ := newExporter(mixedFleet, tt.hosts...)
				if tt.hosts != nil {
					e.sweepOnce(t.Context())
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

// at runs the exporter's sweeps for a while and returns when each began.
func at(t *testing.T, e *Exporter, long, during time.Duration) []time.Duration {
	var begun []time.Duration
	start, under := time.Now(), 0
	e.sweep = func(ctx context.Context, _ iter.Seq[probe.Target], _ probe.Plan) iter.Seq[*probe.Report] {
		return func(func(*probe.Report) bool) {
			begun = append(begun, time.Since(start))
			if under++; under > 1 {
				t.Error("sweeps overlap")
			}
			select {
			case <-time.After(long):
			case <-ctx.Done():
			}
			under--
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	e.Run(ctx)
	return begun
}

func TestRunSweepsEveryInterval(t *testing.T) {
	for _, tt := range []struct {
		name         string
		long, during time.Duration
		want         []time.Duration
	}{
		{"at once, then every interval", time.Minute, 40 * time.Minute, []time.Duration{0, 15 * time.Minute, 30 * time.Minute}},
		{"a long sweep delays the next", 20 * time.Minute, 50 * time.Minute, []time.Duration{0, 20 * time.Minute, 40 * time.Minute}},
		{"ended in the first sweep", time.Hour, time.Minute, []time.Duration{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _, _ := newExporter(readyReport)
				if d := cmp.Diff(tt.want, at(t, e, tt.long, tt.during)); d != "" {
					t.Error(d)
				}
			})
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

func TestHostsThatLeftAreForgotten(t *testing.T) {
	e, _, _ := newExporter(readyReport, "ws-001", "ws-002", "ws-003")
	e.sweepOnce(t.Context())

	e.config.Targets = func() iter.Seq[probe.Target] {
		return func(yield func(probe.Target) bool) {
			_ = yield(probe.Target{Name: "WS-002."}) && yield(probe.Target{Name: "ws-003"}) && yield(probe.Target{Name: "ws-004"})
		}
	}
	sweep := e.sweep
	e.sweep = func(ctx context.Context, targets iter.Seq[probe.Target], plan probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			for r := range sweep(ctx, targets, plan) {
				r.Excluded = r.Target.Name == "ws-003"
				if !yield(r) {
					return
				}
			}
		}
	}
	e.sweepOnce(t.Context())
	got := hostsOf(t, e, "ws-001", "ws-002", "WS-002.", "ws-003", "ws-004")
	if d := cmp.Diff([]string{"WS-002.", "ws-004"}, got); d != "" {
		t.Error(d)
	}
}

// When a sweep is interrupted, what it had learned stays, what it canceled is
// not shown, and the rest stands as the last sweep left it.
func TestInterruptedSweep(t *testing.T) {
	e, _, log := newExporter(readyReport, "ws-001", "ws-002")
	e.sweepOnce(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	e.sweep = func(context.Context, iter.Seq[probe.Target], probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			if !yield(mixedReport("ws-001")) {
				return
			}
			cancel()
			yield(reportOn("ws-002", probe.StatusUnproven, say{verdict: probe.Unknown, trail: trail("connect canceled")}, nil))
		}
	}
	log.Reset()
	e.sweepOnce(ctx)
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
	if log.Len() > 0 {
		t.Errorf("a sweep that did not finish was logged: %s", log)
	}
}

func TestLogOfASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, log := newExporter(mixedFleet, "ws-001", "ws-002", "ws-003")
		e.sweepOnce(t.Context())
		const want = `level=INFO msg="sweep finished" hosts=3 seconds=0` +
			` rsop.ready=2 rsop.unproven=0 rsop.silent=0 rsop.denied=1 rsop.unreachable=0` +
			` refresh.ready=2 refresh.unproven=0 refresh.silent=0 refresh.denied=0 refresh.unreachable=1` + "\n"
		_, got, _ := strings.Cut(log.String(), " ") // its time
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// A target that no label can hold costs its own series and no others.
func TestABadNameHidesNothingElse(t *testing.T) {
	e, _, log := newExporter(readyReport, "ws-001", "\xff", "ws\n{}\"-002")
	e.sweepOnce(t.Context())
	log.Reset()
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
	if !strings.Contains(log.String(), "UTF-8") {
		t.Errorf("nothing was logged of it: %s", log)
	}
}

// Scrapes overlap each other and a sweep; each sees whole hosts. The race
// detector judges the rest.
func TestScrapesDuringASweep(t *testing.T) {
	hosts := make([]string, 50)
	for i := range hosts {
		hosts[i] = "ws-" + strings.Repeat("x", i)
	}
	e, _, _ := newExporter(readyReport, hosts...)
	e.probe = func(_ context.Context, t probe.Target, _ []probe.Operation, _ time.Duration) *probe.Report {
		return mixedReport(t.Name)
	}
	var wg sync.WaitGroup
	for _, path := range []string{"/metrics", "/metrics", "/probe?target=ws-x", "/probe?target=ws-x"} {
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
			e.sweepOnce(t.Context())
		}
	})
	wg.Wait()
	if n := len(hostsOf(t, e, hosts...)); n != len(hosts) {
		t.Errorf("%d of %d hosts on the board", n, len(hosts))
	}
}
