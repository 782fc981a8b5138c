package exporter

import (
	"bytes"
	"context"
	"flag"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
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

// asked is one probe that an Exporter wanted.
type asked struct {
	target     probe.Target
	operations []probe.Operation
	budget     time.Duration
	within     time.Duration // until its context ends by itself; 0 for never
}

// settingsFor returns settings with one sweep of the hosts, none where there are none.
func settingsFor(hosts ...string) *Settings {
	s := DefaultSettings()
	if len(hosts) > 0 {
		sweep := DefaultSweep()
		sweep.Name, sweep.Targets = "all", listOf(hosts...)
		s.Sweeps = []Sweep{sweep}
	}
	return s
}

func listOf(hosts ...string) *targets.List {
	l, err := targets.Parse(hosts, targets.Options{})
	if err != nil {
		panic(err)
	}
	return l
}

// A recorder keeps what an Exporter's probes were asked, and its log.
type recorder struct {
	mu     sync.Mutex
	probes []asked
	text   bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

// log returns what has been logged, and forgets it.
func (r *recorder) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.text.Reset()
	return r.text.String()
}

func (r *recorder) asked() []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.probes
}

// newExporter returns an Exporter that sweeps the named hosts, whose probes
// and sweeps return the reports that answer makes, and what can be seen of it.
func newExporter(t *testing.T, answer func(name string) *probe.Report, hosts ...string) (*Exporter, *recorder) {
	t.Helper()
	return newExporterOf(t, settingsFor(hosts...), answer)
}

func newExporterOf(t *testing.T, s *Settings, answer func(name string) *probe.Report) (*Exporter, *recorder) {
	t.Helper()
	var rec recorder
	e := New(Config{
		Settings: s,
		Prober: func(p Probing) *probe.Prober {
			return &probe.Prober{Timeout: p.Timeout, Deadline: p.Deadline, Vantage: "gpmc01"}
		},
		Own:     func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil },
		Version: "1.2.3",
		Log:     slog.New(slog.NewTextHandler(&rec, nil)),
	})
	t.Cleanup(e.Close)
	e.probe = func(p *probe.Prober, ctx context.Context, t probe.Target, ops []probe.Operation) *probe.Report {
		a := asked{t, ops, p.Deadline, 0}
		if end, ok := ctx.Deadline(); ok {
			a.within = time.Until(end)
		}
		rec.mu.Lock()
		rec.probes = append(rec.probes, a)
		rec.mu.Unlock()
		return answer(t.Name)
	}
	e.sweep = sweepWith(answer)
	return e, &rec
}

// sweepWith returns a sweep whose reports answer makes.
func sweepWith(answer func(name string) *probe.Report) func(*probe.Prober, context.Context, iter.Seq[probe.Target], probe.Plan) iter.Seq[*probe.Report] {
	return func(_ *probe.Prober, _ context.Context, targets iter.Seq[probe.Target], _ probe.Plan) iter.Seq[*probe.Report] {
		return func(yield func(*probe.Report) bool) {
			for t := range targets {
				r := answer(t.Name)
				r.Target = t
				if !yield(r) {
					return
				}
			}
		}
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// sweepAll lets each sweep ask its targets once.
func sweepAll(t *testing.T, e *Exporter) {
	t.Helper()
	g := e.generation()
	for i := range g.settings.Sweeps {
		e.sweepOnce(t.Context(), g, i, 0)
	}
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
