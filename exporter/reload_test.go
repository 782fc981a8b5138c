package exporter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
)

// two returns settings with two sweeps of lists that overlap.
func two(long, short []string) *Settings {
	s := settingsFor(long...)
	s.Sweeps[0].Name, s.Sweeps[0].Asked = "long", []probe.Operation{probe.RSoP}
	other := DefaultSweep()
	other.Name, other.Targets, other.Interval, other.Asked = "short", listOf(short...), 5*time.Minute, []probe.Operation{probe.Refresh}
	s.Sweeps = append(s.Sweeps, other)
	return s
}

// A host in several sweeps is one host: asked by the one with the shortest
// interval, for what both want.
func TestOwnership(t *testing.T) {
	s := two([]string{"ws-001", "10.0.0.0/30", "ws-002"}, []string{"WS-002.", "10.0.0.2", "ws-003"})
	e, _ := newExporterOf(t, s, readyReport)
	asked := map[string]string{}
	e.sweep = func(_ *probe.Prober, _ context.Context, targets iter.Seq[probe.Target], plan probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			for t := range targets {
				asked[t.Name] += fmt.Sprint(t.Index, plan.AskedOf(t))
				r := readyReport(t.Name)
				r.Target = t
				if !yield(r) {
					return
				}
			}
		}
	}
	sweepAll(t, e)
	want := map[string]string{
		"ws-001": "0 [rsop]", "10.0.0.1": "1 [rsop]", "10.0.0.2": "5 [rsop refresh]", "WS-002.": "4 [rsop refresh]", "ws-003": "6 [refresh]",
	}
	if d := cmp.Diff(want, asked); d != "" {
		t.Error(d)
	}
	var names []string
	for _, h := range e.Source().Fleet().Hosts {
		names = append(names, h.Name)
	}
	if d := cmp.Diff([]string{"ws-001", "10.0.0.1", "WS-002.", "10.0.0.2", "ws-003"}, names); d != "" {
		t.Error(d)
	}
	const sd = `[
{"targets":["ws-001"],"labels":{"__meta_gpreach_for":"rsop","__meta_gpreach_source":"argument","__meta_gpreach_status_refresh":"ready","__meta_gpreach_status_rsop":"ready","__meta_gpreach_sweep":"long","__meta_gpreach_target":"ws-001"}},
{"targets":["10.0.0.1"],"labels":{"__meta_gpreach_for":"rsop","__meta_gpreach_source":"argument","__meta_gpreach_status_refresh":"ready","__meta_gpreach_status_rsop":"ready","__meta_gpreach_sweep":"long","__meta_gpreach_target":"10.0.0.1"}},
{"targets":["WS-002."],"labels":{"__meta_gpreach_for":"all","__meta_gpreach_source":"argument","__meta_gpreach_status_refresh":"ready","__meta_gpreach_status_rsop":"ready","__meta_gpreach_sweep":"short","__meta_gpreach_target":"WS-002."}},
{"targets":["10.0.0.2"],"labels":{"__meta_gpreach_for":"all","__meta_gpreach_source":"argument","__meta_gpreach_status_refresh":"ready","__meta_gpreach_status_rsop":"ready","__meta_gpreach_sweep":"short","__meta_gpreach_target":"10.0.0.2"}},
{"targets":["ws-003"],"labels":{"__meta_gpreach_for":"refresh","__meta_gpreach_source":"argument","__meta_gpreach_status_refresh":"ready","__meta_gpreach_status_rsop":"ready","__meta_gpreach_sweep":"short","__meta_gpreach_target":"ws-003"}}
]
`
	res, body := answerTo(e.Handler(), request("GET", "/targets"))
	if d := cmp.Diff(sd, body); d != "" || res.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", res.Header(), d)
	}
}

func TestTargetsBounds(t *testing.T) {
	e, _ := newExporter(t, nil)
	if body := get(t, e, "/targets"); body != "[]\n" {
		t.Errorf("nothing is %q", body)
	}
	e, _ = newExporter(t, nil, "10.0.0.0/17", "10.1.0.0/17")
	if body := get(t, e, "/targets"); strings.Count(body, `"targets"`) != 2*32766 {
		t.Errorf("%d entries", strings.Count(body, `"targets"`))
	}
	s := settingsFor()
	for i := range 5 {
		sweep := DefaultSweep()
		sweep.Name, sweep.Targets = fmt.Sprint(i), listOf(fmt.Sprintf("10.%d.0.0/16", i))
		s.Sweeps = append(s.Sweeps, sweep)
	}
	e, _ = newExporterOf(t, s, nil)
	if res, body := answerTo(e.Handler(), request("GET", "/targets")); res.Code != 500 || !strings.Contains(body, "327670 targets") {
		t.Errorf("%d: %.100s", res.Code, body)
	}
}

// A good configuration comes into force at once: the sweeps that were end, its
// own begin, hosts that are still targets stay on the board and the others go.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, rec := newExporterOf(t, two([]string{"ws-001"}, []string{"ws-002", "ws-003"}), readyReport)
		next := settingsFor("ws-004", "ws-003")
		next.Sweeps[0].Name, next.Listen = "new", []string{":1"}
		e.config.Load = func() (*Settings, error) { return next, nil }
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		synctest.Wait()
		if got := hostsOf(t, e, "ws-001", "ws-002", "ws-003"); len(got) != 3 {
			t.Fatal(got)
		}
		e.sweep = func(_ *probe.Prober, ctx context.Context, _ iter.Seq[probe.Target], _ probe.Plan) iter.Seq[*probe.Report] {
			return func(func(*probe.Report) bool) { <-ctx.Done() } // not before the board was looked at
		}
		time.Sleep(time.Second)
		res, body := answerTo(e.Handler(), request("POST", "/-/reload"))
		if res.Code != 200 {
			t.Fatalf("%d: %s", res.Code, body)
		}
		synctest.Wait()
		if d := cmp.Diff([]string{"ws-003"}, hostsOf(t, e, "ws-001", "ws-002", "ws-003", "ws-004")); d != "" {
			t.Error(d)
		}
		if status, _ := call(t.Context(), e, "target=ws-001", ""); status != 403 {
			t.Errorf("who left: %d", status)
		}
		if status, _ := call(t.Context(), e, "target=ws-004", ""); status != 200 {
			t.Errorf("who came: %d", status)
		}
		if log := rec.log(); !strings.Contains(log, "takes a restart") || !strings.Contains(log, "configuration reloaded") {
			t.Error(log)
		}
		own := get(t, e, "/metrics")
		for _, want := range []string{
			"gpreach_config_last_reload_successful 1\n", "gpreach_config_last_reload_success_timestamp_seconds 9.466848",
			"gpreach_sweep_interval_seconds{sweep=\"new\"} 900\n", "gpreach_sweep_timestamp_seconds{sweep=\"new\"} 0\n",
		} {
			if !strings.Contains(own, want) {
				t.Errorf("no %s:\n%s", want, own)
			}
		}
		if strings.Contains(own, `sweep="long"`) {
			t.Error("the sweeps that were still have series")
		}
		stop()
		running.Wait()
	})
}

// A bad one changes nothing, and shows in the answer, the metric and the log.
func TestBadReload(t *testing.T) {
	e, rec := newExporter(t, readyReport, "ws-001")
	sweepAll(t, e)
	rec.log()
	e.config.Load = func() (*Settings, error) {
		return nil, Mistakes{{"g.yml", 1, 2, "this is wrong"}, {"g.yml", 3, 4, "and this"}}
	}
	res, body := answerTo(e.Handler(), request("POST", "/-/reload"))
	if res.Code != 500 || !strings.Contains(body, "g.yml:1:2: this is wrong\ng.yml:3:4: and this\n") {
		t.Errorf("%d: %s", res.Code, body)
	}
	if log := rec.log(); strings.Count(log, "level=ERROR") != 2 || !strings.Contains(log, "g.yml:3:4: and this") {
		t.Error(log)
	}
	if own := get(t, e, "/metrics"); !strings.Contains(own, "gpreach_config_last_reload_successful 0\n") || !strings.Contains(own, `target="ws-001"`) {
		t.Error(own)
	}
	e.config.Load = func() (*Settings, error) { return nil, errors.New("the configuration cannot be read") }
	if err := e.Reload(); err == nil {
		t.Error("no error")
	}
	e.config.Load = func() (*Settings, error) { return settingsFor("ws-001"), nil }
	if err := e.Reload(); err != nil || !strings.Contains(get(t, e, "/metrics"), "gpreach_config_last_reload_successful 1\n") {
		t.Errorf("mended: %v", err)
	}
}

// Reloads, sweeps, scrapes, probes and the page at once: nothing is lost, no
// sweep of an old configuration goes on, and the race detector finds nothing.
func TestReloadUnderLoad(t *testing.T) {
	hosts := [][]string{{"ws-001", "ws-002", "ws-003"}, {"ws-002", "ws-003", "ws-004"}}
	e, _ := newExporter(t, readyReport, hosts[0]...)
	n := 0
	e.config.Load = func() (*Settings, error) {
		n++
		return settingsFor(hosts[n%2]...), nil
	}
	ctx, stop := context.WithCancel(t.Context())
	var sweeping, asking sync.WaitGroup
	sweeping.Go(func() { e.Run(ctx) })
	for range 4 {
		asking.Go(func() {
			for range 25 {
				get(t, e, "/metrics")
				get(t, e, "/targets")
				if status, body := call(t.Context(), e, "target=ws-002", "10"); status != 200 {
					t.Errorf("%d: %s", status, body)
				}
				if err := e.Source().Probe(t.Context(), "ws-003"); err != nil {
					t.Error(err)
				}
				e.Source().Fleet()
				e.Source().Ladder("ws-002")
			}
		})
	}
	asking.Go(func() {
		for range 50 {
			if err := e.Reload(); err != nil {
				t.Error(err)
			}
		}
	})
	asking.Wait()
	stop()
	sweeping.Wait()
	sweepAll(t, e)
	if d := cmp.Diff(hosts[n%2], hostsOf(t, e, "ws-001", "ws-002", "ws-003", "ws-004")); d != "" {
		t.Error(d)
	}
}

// That a change takes a restart is said as long as it does.
func TestReloadSaysWhatTakesARestart(t *testing.T) {
	e, rec := newExporter(t, readyReport, "ws-001")
	was := settingsFor("ws-001")
	changed := settingsFor("ws-001")
	changed.Listen = []string{":1"}
	for i, step := range []struct {
		settings *Settings
		warned   bool
	}{{changed, true}, {changed, true}, {was, false}} {
		e.config.Load = func() (*Settings, error) { return step.settings, nil }
		rec.log()
		if err := e.Reload(); err != nil {
			t.Fatal(err)
		}
		if log := rec.log(); strings.Contains(log, "takes a restart") != step.warned {
			t.Errorf("reload %d: %s", i+1, log)
		}
	}
}
