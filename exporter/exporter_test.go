package exporter

import (
	"bytes"
	"context"
	"flag"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/gpreach/gpreach/probe"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with the file of that name in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// lint fails where promtool check metrics would.
func lint(t *testing.T, exposition string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(exposition)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// gather returns how many series a collector has.
func gather(t *testing.T, c prometheus.Collector) int {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}

// asked is one probe that an Exporter wanted.
type asked struct {
	target     probe.Target
	operations []probe.Operation
	budget     time.Duration
	within     time.Duration // until its context ends by itself; 0 for never
}

// newExporter returns an Exporter that sweeps the named hosts, whose probes
// and sweeps return the reports that answer makes, and a place where its
// probes and its log can be seen.
func newExporter(answer func(name string) *probe.Report, hosts ...string) (*Exporter, *[]asked, *bytes.Buffer) {
	var log bytes.Buffer
	var probes []asked
	e := New(Config{
		Prober: &probe.Prober{Deadline: 15 * time.Second},
		Targets: func() iter.Seq[probe.Target] {
			return func(yield func(probe.Target) bool) {
				for i, h := range hosts {
					if !yield(probe.Target{Name: h, Source: probe.FromArgument, Index: i}) {
						return
					}
				}
			}
		},
		Find: func(name string) (probe.Target, bool) {
			t := probe.Target{Name: probe.Target{Name: name}.Key(), Source: probe.FromArgument}
			return t, slices.Contains(hosts, t.Name)
		},
		Asked:   probe.Operations(),
		Version: "1.2.3",
		Log:     slog.New(slog.NewTextHandler(&log, nil)),
	})
	e.probe = func(ctx context.Context, t probe.Target, ops []probe.Operation, budget time.Duration) *probe.Report {
		a := asked{t, ops, budget, 0}
		if end, ok := ctx.Deadline(); ok {
			a.within = time.Until(end)
		}
		probes = append(probes, a)
		return answer(t.Name)
	}
	e.sweep = func(_ context.Context, targets iter.Seq[probe.Target], _ probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			for t := range targets {
				if !yield(answer(t.Name)) {
					return
				}
			}
		}
	}
	return e, &probes, &log
}

// request asks as a scraper on this machine would.
func request(method, url string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, url, nil)
	r.Host = "127.0.0.1:10135"
	return r
}

// answerTo returns the handler's answer and its body.
func answerTo(h http.Handler, r *http.Request) (*httptest.ResponseRecorder, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, w.Body.String()
}

// get returns the body of a GET.
func get(t *testing.T, e *Exporter, url string) string {
	t.Helper()
	res, body := answerTo(e.Handler(), request("GET", url))
	if res.Code != http.StatusOK {
		t.Fatalf("GET %s: %d: %s", url, res.Code, body)
	}
	return body
}
