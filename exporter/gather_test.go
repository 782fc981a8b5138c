package exporter

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/gpreach/gpreach/probe"
)

// scrape returns a scrape in the format that is asked for, decoded.
func scrape(t *testing.T, e *Exporter, accept, encoding string) (string, []byte) {
	t.Helper()
	r := request("GET", "/metrics")
	r.Header.Set("Accept", accept)
	r.Header.Set("Accept-Encoding", encoding)
	res, body := answerTo(e.Handler(), r)
	content := []byte(body)
	if res.Header().Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if content, err = io.ReadAll(unzipped); err != nil {
			t.Fatal(err)
		}
	}
	return res.Header().Get("Content-Type"), content
}

// All formats have all series, also when several scrapes share the samples.
func TestFormats(t *testing.T) {
	e, _ := newExporter(t, mixedFleet, "ws-001", "ws-002")
	sweepAll(t, e)
	const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	var wg sync.WaitGroup
	for _, accept := range []string{"", "text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0", protobuf, protobuf} {
		for _, encoding := range []string{"", "gzip"} {
			wg.Go(func() {
				kind, content := scrape(t, e, accept, encoding)
				if accept != "" && !strings.HasPrefix(kind, accept[:strings.IndexByte(accept, ';')]) {
					t.Errorf("asked for %s, got %s", accept, kind)
				}
				if !bytes.Contains(content, []byte("gpreach_rule_failure_info")) || bytes.Count(content, []byte("ws-002")) < 8 {
					t.Errorf("%s: %d bytes", accept, len(content))
				}
				if strings.HasPrefix(kind, "application/openmetrics") && !bytes.HasSuffix(content, []byte("# EOF\n")) {
					t.Error("no end")
				}
			})
		}
	}
	wg.Wait()
}

// Compact, a host has the series of its operations and their age.
func TestCompact(t *testing.T) {
	s := settingsFor("ws-001", "ws-002")
	s.Compact = true
	e, _ := newExporterOf(t, s, mixedFleet)
	sweepAll(t, e)
	body := get(t, e, "/metrics")
	lint(t, body)
	if n := strings.Count(body, `target="ws-002"`); n != 5 || strings.Contains(body, "gpreach_rule_") {
		t.Errorf("%d series of a host:\n%s", n, body)
	}
}

// Families come sorted, and each series once, as OpenMetrics wants it.
func TestGatherIsConsistent(t *testing.T) {
	e, _ := newExporter(t, mixedFleet, "ws-001", "ws-002")
	sweepAll(t, e)
	families, err := gatherer{e.metrics.registry, e}.Gather()
	if err != nil {
		t.Fatal(err)
	}
	last, seen := "", map[string]bool{}
	for _, f := range families {
		if f.GetName() <= last {
			t.Errorf("%s behind %s", f.GetName(), last)
		}
		last = f.GetName()
		for _, m := range f.GetMetric() {
			key, label := f.GetName(), ""
			for _, l := range m.GetLabel() {
				if l.GetName() <= label {
					t.Errorf("%s: label %s behind %s", f.GetName(), l.GetName(), label)
				}
				label = l.GetName()
				key += "," + l.GetName() + "=" + l.GetValue()
			}
			if seen[key] {
				t.Errorf("%s twice", key)
			}
			seen[key] = true
		}
	}
}

// benchmarkScrape answers scrapes of 20,000 hosts, zipped as Prometheus asks
// for them.
func benchmarkScrape(b *testing.B, compact bool) {
	s := DefaultSettings()
	s.Compact = compact
	e := New(Config{Settings: s, Prober: func(Probing) *probe.Prober { return &probe.Prober{} }, Log: discard()})
	defer e.Close()
	e.board.place = nil
	for _, r := range fleetOf(20_000) {
		e.board.put(r, true)
	}
	h := e.Handler()
	r := request("GET", "/metrics")
	r.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		b.SetBytes(int64(w.Body.Len()))
	}
}

func BenchmarkScrapeFull(b *testing.B)    { benchmarkScrape(b, false) }
func BenchmarkScrapeCompact(b *testing.B) { benchmarkScrape(b, true) }
