package exporter

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// slow makes an exporter's probes take that long, or as long as their context
// lasts, and counts them.
func slow(e *Exporter, takes time.Duration) *atomic.Int64 {
	var n atomic.Int64
	e.probe = func(p *probe.Prober, ctx context.Context, t probe.Target, _ []probe.Operation) *probe.Report {
		n.Add(1)
		if p.Begun != nil {
			p.Begun(func() *probe.Report { return readyReport(t.Name) })
		}
		select {
		case <-time.After(takes):
		case <-ctx.Done():
		}
		return readyReport(t.Name)
	}
	return &n
}

// call asks for a probe as a scraper who waits so many seconds, "" being any time.
func call(ctx context.Context, e *Exporter, query, seconds string) (status int, body string) {
	r := request("GET", "/probe?"+query).WithContext(ctx)
	if seconds != "" {
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", seconds)
	}
	res, body := answerTo(e.Handler(), r)
	return res.Code, body
}

// A hundred callers of one target share one flight, each for its operation.
func TestOneFlightForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newExporter(t, nil, "ws-001")
		n := slow(e, time.Second)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				query := "target=ws-001"
				if i%2 == 0 {
					query = "for=all&target=WS-001."
				}
				if status, body := call(t.Context(), e, query, "10"); status != 200 || !strings.Contains(body, "probe_success 1") {
					t.Errorf("%d: %s", status, body)
				}
			})
		}
		wg.Go(func() {
			if status, _ := call(t.Context(), e, "target=ws-001&for=rsop", "10"); status != 200 {
				t.Error(status)
			}
		})
		wg.Wait()
		if n.Load() != 2 {
			t.Errorf("%d probes, want one for both operations and one for rsop", n.Load())
		}
		if own := get(t, e, "/metrics"); !strings.Contains(own, "gpreach_probes_total 2\n") || !strings.Contains(own, "gpreach_probes_in_flight 0\n") {
			t.Error(own)
		}
	})
}

// A leader that hangs up takes nobody's flight along; when all have, the flight
// is canceled and counts for nothing.
func TestCallersLeave(t *testing.T) {
	for _, followers := range []int{0, 3} {
		t.Run(fmt.Sprint(followers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := newExporter(t, nil, "ws-001")
				n := slow(e, 5*time.Second)
				ctx, hangUp := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				start := time.Now()
				wg.Go(func() {
					if status, body := call(ctx, e, "target=ws-001", ""); body != "" {
						t.Errorf("the leader got %d: %s", status, body)
					}
				})
				synctest.Wait()
				for range followers {
					wg.Go(func() {
						if status, body := call(t.Context(), e, "target=ws-001", ""); status != 200 {
							t.Errorf("%d: %s", status, body)
						}
					})
				}
				time.Sleep(time.Second)
				hangUp()
				wg.Wait()
				e.flights.running.Wait()
				wantTook, wantCounted := time.Second, 0
				if followers > 0 {
					wantTook, wantCounted = 5*time.Second, 1
				}
				if took := time.Since(start); took != wantTook || n.Load() != 1 {
					t.Errorf("%d probes, ended after %v", n.Load(), took)
				}
				if own := get(t, e, "/metrics"); !strings.Contains(own, fmt.Sprintf("gpreach_probes_total %d\n", wantCounted)) {
					t.Error(own)
				}
				call(t.Context(), e, "target=ws-001", "")
				if n.Load() != 2 {
					t.Error("a canceled flight is joined")
				}
			})
		})
	}
}

// Callers of any patience share one flight, and each is answered when its own
// ends.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second string
		after         time.Duration
	}{
		{"less patient", "20", "3", time.Second},
		{"as patient", "20", "20", time.Second},
		{"more patient", "3", "20", time.Second},
		{"less patient, late", "20", "3", 18 * time.Second},
		{"of any patience", "", "", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := newExporter(t, nil, "ws-001")
				n := slow(e, time.Hour)
				var wg sync.WaitGroup
				caller := func(seconds string, rest time.Duration) {
					start := time.Now()
					if status, body := call(t.Context(), e, "target=ws-001", seconds); status != 200 {
						t.Errorf("%d: %s", status, body)
					}
					want := rest
					if d, err := time.ParseDuration(seconds + "s"); err == nil {
						want = d - scrapeMargin
					}
					if took := time.Since(start); took != want {
						t.Errorf("who waits %ss was answered after %v, want %v", seconds, took, want)
					}
				}
				wg.Go(func() { caller(tt.first, time.Hour) })
				time.Sleep(tt.after)
				wg.Go(func() { caller(tt.second, time.Hour-tt.after) })
				wg.Wait()
				e.flights.running.Wait()
				if n.Load() != 1 {
					t.Errorf("%d probes, want one", n.Load())
				}
			})
		})
	}
}

// Beyond max_in_flight callers are told to come again; those who want what is in
// the air are not.
func TestMaxInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settingsFor("ws-001", "ws-002", "ws-003")
		s.Probing.MaxInFlight = 2
		e, _ := newExporterOf(t, s, nil)
		slow(e, time.Minute)
		var wg sync.WaitGroup
		for _, target := range []string{"ws-001", "ws-002", "ws-002"} {
			wg.Go(func() { call(t.Context(), e, "target="+target, "") })
		}
		synctest.Wait()
		own := get(t, e, "/metrics")
		res, body := answerTo(e.Handler(), request("GET", "/probe?target=ws-003"))
		if res.Code != 503 || res.Header().Get("Retry-After") == "" || !strings.Contains(body, "max_in_flight") || strings.Count(body, "\n") != 1 {
			t.Errorf("%d, %v: %s", res.Code, res.Header(), body)
		}
		if !strings.Contains(own, "gpreach_probes_in_flight 2\n") || !strings.Contains(get(t, e, "/metrics"), `gpreach_probe_rejected_total{reason="busy"} 1`) {
			t.Error(own)
		}
		wg.Wait()
		if status, _ := call(t.Context(), e, "target=ws-003", ""); status != 200 {
			t.Errorf("%d when there is room again", status)
		}
	})
}

// A probe that panics is told of, to its callers and in the log, and takes
// nothing along.
func TestPanic(t *testing.T) {
	e, rec := newExporter(t, nil, "ws-001", "ws-002")
	e.probe = func(_ *probe.Prober, _ context.Context, t probe.Target, _ []probe.Operation) *probe.Report {
		if t.Name == "ws-001" {
			panic("made for a test")
		}
		return readyReport(t.Name)
	}
	if status, body := call(t.Context(), e, "target=ws-001", ""); status != 500 || !strings.Contains(body, "internal error") || strings.Contains(body, "made for") {
		t.Errorf("%d: %s", status, body)
	}
	if log := rec.log(); !strings.Contains(log, "made for a test") || !strings.Contains(log, "flight_test.go") {
		t.Errorf("the log does not tell: %s", log)
	}
	if status, _ := call(t.Context(), e, "target=ws-002", ""); status != 200 {
		t.Error(status)
	}
	if own := get(t, e, "/metrics"); !strings.Contains(own, "gpreach_probes_in_flight 0\n") || !strings.Contains(own, `{reason="internal"} 1`) {
		t.Error(own)
	}
}

// Close ends what is in the air; its callers are told what is known.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newExporter(t, nil, "ws-001")
		slow(e, time.Hour)
		answered := make(chan int)
		go func() {
			status, _ := call(t.Context(), e, "target=ws-001", "")
			answered <- status
		}()
		synctest.Wait()
		e.Close()
		if status := <-answered; status != http.StatusOK {
			t.Error(status)
		}
		if status, _ := call(t.Context(), e, "target=ws-001", ""); status != http.StatusServiceUnavailable {
			t.Errorf("%d after the end", status)
		}
	})
}

func TestDebug(t *testing.T) {
	s := settingsFor("ws-001")
	s.Probing.Debug = true
	e, _ := newExporterOf(t, s, mixedReport)
	res, body := answerTo(e.Handler(), request("GET", "/probe?target=ws-001&debug=true"))
	for _, want := range []string{
		"rsop denied: ", "refresh unreachable: ", "x Remote Scheduled Tasks Management (RPC): unreachable\n", "    connect      timeout  ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q:\n%s", want, body)
		}
	}
	if res.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Error(res.Header())
	}
	if body := get(t, e, "/probe?target=ws-001&debug=false"); !strings.Contains(body, "probe_success 0") {
		t.Error(body)
	}
}
