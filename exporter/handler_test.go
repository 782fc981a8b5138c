package exporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gpreach/gpreach/probe"
)

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		golden string
		report *probe.Report
	}{
		{"probe_ready.prom", readyReport("ws-001")},
		{"probe_mixed.prom", mixedReport("ws-001")},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			e, rec := newExporter(t, func(string) *probe.Report { return tt.report }, "ws-001")
			body := get(t, e, "/probe?target=ws-001")
			golden(t, tt.golden, body)
			lint(t, body)
			if log := rec.log(); log != "" {
				t.Errorf("a probe was logged: %s", log)
			}
		})
	}
}

func TestProbeSuccess(t *testing.T) {
	for status, want := range map[probe.Status]string{
		probe.StatusReady: "1", probe.StatusUnproven: "1",
		probe.StatusUnreachable: "0", probe.StatusDenied: "0", probe.StatusSilent: "0",
	} {
		report := readyReport("ws-001")
		report.Operations[1].Status = status
		e, _ := newExporter(t, func(string) *probe.Report { return report }, "ws-001")
		if body := get(t, e, "/probe?target=ws-001"); !strings.Contains(body, "\nprobe_success "+want+"\n") {
			t.Errorf("ready and %s: want probe_success %s:\n%s", status, want, body)
		}
	}
}

// What is probed is the target that Find means, for the operations asked for.
func TestProbeAsks(t *testing.T) {
	for query, want := range map[string][]probe.Operation{
		"target=ws-001":              {probe.RSoP, probe.Refresh},
		"target=ws-001&for=all":      {probe.RSoP, probe.Refresh},
		"target=ws-001&for=rsop":     {probe.RSoP},
		"for=refresh&target=WS-001.": {probe.Refresh},
	} {
		e, rec := newExporter(t, readyReport, "ws-001")
		get(t, e, "/probe?"+query)
		target := probe.Target{Name: "ws-001", Source: probe.FromArgument}
		wanted := []asked{{target: target, operations: want, budget: 15 * time.Second}}
		if d := cmp.Diff(wanted, rec.asked(), cmp.AllowUnexported(asked{}), cmpopts.IgnoreFields(asked{}, "within")); d != "" {
			t.Errorf("%s: %s", query, d)
		}
	}
}

// A scraper is answered half a second before its patience ends, with what is
// known by then.
func TestBudget(t *testing.T) {
	const takes = 20 * time.Second
	type bounds struct{ timeout, answered time.Duration }
	anyTime := bounds{15 * time.Second, takes}
	for header, want := range map[string]bounds{
		"":       anyTime,
		"10":     {9500 * time.Millisecond, 9500 * time.Millisecond},
		"10.5":   {10 * time.Second, 10 * time.Second},
		"0.75":   {375 * time.Millisecond, 375 * time.Millisecond}, // half of it, where that is more
		"16":     {15 * time.Second, 15500 * time.Millisecond},
		"60":     anyTime, // never more than the deadline
		"0.5":    {250 * time.Millisecond, 250 * time.Millisecond},
		"0.002":  {time.Millisecond, time.Millisecond},
		"-10":    anyTime,
		"NaN":    anyTime,
		"+Inf":   anyTime,
		"1e300":  anyTime,
		"1e9999": anyTime,
		"ten":    anyTime,
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := newExporter(t, nil, "ws-001")
				slow(e, takes)
				start := time.Now()
				status, body := call(t.Context(), e, "target=ws-001", header)
				if took := time.Since(start); took != want.answered || status != 200 {
					t.Errorf("%d after %v, want it after %v", status, took, want.answered)
				}
				if line := fmt.Sprintf("\nprobe_timeout_seconds %v\n", want.timeout.Seconds()); !strings.Contains(body, line) {
					t.Errorf("no %s:\n%s", line, body)
				}
				if own := get(t, e, "/metrics"); !strings.Contains(own, "gpreach_probes_total 1\n") {
					t.Errorf("it was not counted:\n%s", own)
				}
			})
		})
	}
}

// A request that is turned away is never probed, is counted, and gets one
// sentence in which nothing of the query stands unescaped.
func TestRejected(t *testing.T) {
	excluded := func(name string) *probe.Report {
		return &probe.Report{Target: probe.Target{Name: name}, Excluded: true}
	}
	for _, tt := range []struct {
		name, url string
		status    int
		reason    string
		says      string
	}{
		{"not swept", "/probe?target=dc-1", 403, forbidden, `"dc-1" is not one of the swept targets, and only those are probed: to allow it, name it among the TARGETs`},
		{"markup", "/probe?target=%3Cb%3E%22%0a%1b%5b31m%e2%80%ae", 400, badRequest, `"<b>\"\n\x1b[31m\u202e" is neither`},
		{"every address excluded", "/probe?target=ws-001", 403, forbidden, `"ws-001" leads to no address that may be probed: to allow it`},
		{"a range", "/probe?target=10.0.0.0/24", 400, badRequest, `"10.0.0.0/24" is a range`},
		{"a file", "/probe?target=@hosts", 400, badRequest, `cannot stand in a list`},
		{"a port", "/probe?target=ws-001:135", 400, badRequest, `has a port`},
		{"debug", "/probe?target=ws-001&debug=true", 403, debugOff, "set probe.debug: true"},
		{"a strange debug", "/probe?target=ws-001&debug=1", 400, badRequest, "true or false"},
		{"no target", "/probe", 400, badRequest, "want exactly one host"},
		{"empty target", "/probe?target=", 400, badRequest, "want exactly one host"},
		{"two targets", "/probe?target=ws-001&target=ws-001", 400, badRequest, "want exactly one host"},
		{"unknown operation", "/probe?target=ws-001&for=%3Cb%3E%0a", 400, badRequest, `"<b>\n" is not an operation`},
		{"empty operation", "/probe?target=ws-001&for=", 400, badRequest, `"" is not an operation`},
		{"two operations", "/probe?target=ws-001&for=rsop&for=refresh", 400, badRequest, "at most once"},
		{"malformed query", "/probe?target=ws-001;for=rsop", 400, badRequest, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, _ := newExporter(t, excluded, "ws-001")
			res, body := answerTo(e.Handler(), request("GET", tt.url))
			if res.Code != tt.status || !strings.Contains(body, tt.says) || strings.Count(body, "\n") != 1 {
				t.Errorf("got %d: %s", res.Code, body)
			}
			if res.Header().Get("Content-Type") != "text/plain; charset=utf-8" || res.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("got header %v", res.Header())
			}
			own := get(t, e, "/metrics")
			for _, want := range []string{
				`gpreach_probe_rejected_total{reason="` + tt.reason + `"} 1`,
				"gpreach_probes_total 0", "gpreach_probes_in_flight 0",
			} {
				if !strings.Contains(own, want+"\n") {
					t.Errorf("no %s:\n%s", want, own)
				}
			}
		})
	}
}

// No request names an interface of this machine, listed or not.
func TestZone(t *testing.T) {
	e, _ := newExporter(t, readyReport, "fe80::1%eth0")
	if res, body := answerTo(e.Handler(), request("GET", "/probe?target=fe80::1%25eth0")); res.Code != 403 {
		t.Errorf("got %d: %s", res.Code, body)
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/-/healthy", 200, "ok\n"},
		{"GET", "/-/ready", 200, "ok\n"},
		{"GET", "/targets", 200, "ws-001"},
		{"GET", "/metrics", 200, "gpreach_build_info{"},
		{"HEAD", "/metrics", 200, ""},
		{"HEAD", "/probe?target=ws-001", 200, ""},
		{"POST", "/probe?target=ws-001", 405, "/probe answers GET, and no other method."},
		{"POST", "/metrics", 405, "GET"},
		{"POST", "/targets", 405, "GET"},
		{"GET", "/-/reload", 405, "/-/reload answers POST"},
		{"POST", "/-/reload", 500, "Nothing has changed: there is no configuration"},
		{"GET", "/debug/pprof/", 404, "--web.pprof"},
	} {
		e, _ := newExporter(t, readyReport, "ws-001")
		res, body := answerTo(e.Handler(), request(tt.method, tt.path))
		if res.Code != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s %s: got %d: %s", tt.method, tt.path, res.Code, body)
		}
	}
}

func TestHost(t *testing.T) {
	const specific, wildcard, wildcard6 = "10.0.0.5:10135", "0.0.0.0:10135", "[::]:10135"
	for _, tt := range []struct {
		host, listen, arrived string
		want                  int
	}{
		{"localhost", specific, specific, 200},
		{"LOCALHOST.:10135", specific, specific, 200},
		{"127.0.0.1:10135", specific, specific, 200},
		{"127.9.9.9", specific, specific, 200},
		{"[::1]:8080", specific, specific, 200},
		{"[::1]", specific, specific, 200},
		{"10.0.0.5:10135", specific, specific, 200},
		{"[::ffff:10.0.0.5]:10135", specific, specific, 200},
		{"10.0.0.6:10135", specific, specific, 421},
		{"attacker.example:10135", specific, specific, 421},
		{"GPMC01.corp.example.:10135", specific, specific, 200},
		{"gpreach.corp.example", specific, specific, 200},
		{"GPREACH.corp.example.:443", specific, specific, 200},
		{"192.0.2.80:443", specific, specific, 200},
		{"[::ffff:192.0.2.80]", specific, specific, 200},
		{"192.0.2.81", specific, specific, 421},
		{"localhost.attacker.example", specific, specific, 421},
		{"127.0.0.1.attacker.example", specific, specific, 421},
		{"", specific, specific, 421},
		{"0.0.0.0:10135", wildcard, "10.0.0.5:10135", 421},
		{"[::]:10135", wildcard6, "10.0.0.5:10135", 421},
		{"10.0.0.5:10135", wildcard, "10.0.0.5:10135", 200},
		{"10.0.0.5:10135", wildcard6, "[::ffff:10.0.0.5]:10135", 200},
		{"[fe80::1]:10135", wildcard6, "[fe80::1%eth0]:10135", 200},
		{"10.0.0.6:10135", wildcard, "10.0.0.5:10135", 421},
		{"attacker.example", wildcard, "10.0.0.5:10135", 421},
	} {
		settings := settingsFor("ws-001")
		settings.Listen = []string{"gpmc01.corp.example:10135", tt.listen}
		settings.ExternalHosts = []string{"gpreach.corp.example", "192.0.2.80"}
		e, _ := newExporterOf(t, settings, readyReport)
		r := request("GET", "/-/healthy")
		r.Host = tt.host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, tcp(tt.arrived)))
		res, body := answerTo(e.Handler(tcp(tt.listen)), r)
		if res.Code != tt.want {
			t.Errorf("Host %q on %s, arrived at %s: got %d: %s", tt.host, tt.listen, tt.arrived, res.Code, body)
		}
		if own := get(t, e, "/metrics"); tt.want == 421 && !strings.Contains(own, `gpreach_probe_rejected_total{reason="host"} 1`) {
			t.Errorf("Host %q: not counted", tt.host)
		}
	}
}

func tcp(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// A resolver that fails says nothing about where a name leads: the answer is a
// failed probe, not a refusal.
func TestResolverFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"no such name", &net.DNSError{Err: "no such host", IsNotFound: true}, 403},
		{"server misbehaving", &net.DNSError{Err: "server misbehaving", IsTemporary: true}, 200},
		{"timeout", context.DeadlineExceeded, 200},
	} {
		s := settingsFor("ws-001.corp.example")
		s.Allow = &Allow{}
		if err := s.Allow.add("10.0.0.0/8"); err != nil {
			t.Fatal(err)
		}
		e, _ := newExporterOf(t, s, nil)
		e.probe = (*probe.Prober).Probe
		e.generation().prober.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, tt.err }
		status, body := call(t.Context(), e, "target=ws-001.corp.example", "")
		if status != tt.want || tt.want == 200 && !strings.Contains(body, `stage="resolve"} 1`) {
			t.Errorf("%s: %d: %s", tt.name, status, body)
		}
	}
}

// A torn writer fails after the first bytes, as a scraper's connection does that
// was closed.
type torn struct{ httptest.ResponseRecorder }

func (*torn) Write([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

func TestScraperHangsUp(t *testing.T) {
	e, rec := newExporter(t, readyReport, "ws-001", "ws-002")
	sweepAll(t, e)
	rec.log()
	e.Handler().ServeHTTP(&torn{*httptest.NewRecorder()}, request("GET", "/metrics"))
	if log := rec.log(); log != "" {
		t.Errorf("it was logged: %s", log)
	}
}
