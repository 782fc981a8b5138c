package exporter

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/probe"
)

// A page of another origin cannot change anything.
func TestForeignOrigin(t *testing.T) {
	for _, tt := range []struct {
		name, header, value string
		want                int
	}{
		{"a program", "", "", 200},
		{"our page", "Sec-Fetch-Site", "same-origin", 200},
		{"another site", "Sec-Fetch-Site", "cross-site", 403},
		{"another site of the domain", "Sec-Fetch-Site", "same-site", 403},
		{"an old browser, another origin", "Origin", "https://evil.example", 403},
		{"an old browser, our page", "Origin", "http://127.0.0.1:10135", 200},
		{"a file", "Origin", "null", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, _ := newExporter(t, readyReport, "ws-001")
			e.config.Load = func() (*Settings, error) { return settingsFor("ws-001"), nil }
			r := request("POST", "/-/reload")
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			res, body := answerTo(e.Handler(), r)
			if res.Code != tt.want || res.Code == 403 && strings.Count(body, "\n") != 1 {
				t.Errorf("%d: %s", res.Code, body)
			}
			if res.Code == 403 && !strings.Contains(get(t, e, "/metrics"), `{reason="origin"} 1`) {
				t.Error("not counted")
			}
		})
	}
}

// Beyond loopback the page and /targets are there with authentication alone:
// passwords as the web configuration stands when they are asked for, and
// certificates where the connection has one.
func TestGuarded(t *testing.T) {
	const hash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
	for _, tt := range []struct {
		name, web, listen string
		want              int
		certified         bool
	}{
		{"loopback", "", "127.0.0.1:10135", 200, false},
		{"loopback IPv6", "", "[::1]:10135", 200, false},
		{"wider", "", "10.0.0.5:10135", 403, false},
		{"everywhere", "", ":10135", 403, false},
		{"passwords", "basic_auth_users: {a: " + hash + "}\n", "10.0.0.5:10135", 200, false},
		{"no user", "basic_auth_users: {}\n", "10.0.0.5:10135", 403, false},
		{"client certificates", "tls_server_config: {cert_file: c, key_file: k, client_ca_file: a, client_auth_type: RequireAndVerifyClientCert}\n", "10.0.0.5:10135", 200, true},
		{"client certificates that came into the file too late", "tls_server_config: {cert_file: c, key_file: k, client_ca_file: a, client_auth_type: RequireAndVerifyClientCert}\n", "10.0.0.5:10135", 403, false},
		{"any client certificate", "tls_server_config: {cert_file: c, key_file: k, client_auth_type: RequireAnyClientCert}\n", "10.0.0.5:10135", 403, false},
		{"TLS alone", "tls_server_config: {cert_file: c, key_file: k}\n", "10.0.0.5:10135", 403, false},
		{"unreadable", "basic_auth_users: [\n", "10.0.0.5:10135", 403, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := settingsFor("ws-001")
			if tt.web != "" {
				s.WebConfig = filepath.Join(write(t, map[string]string{"web.yml": tt.web}), "web.yml")
			}
			e, _ := newExporterOf(t, s, readyReport)
			listen, err := net.ResolveTCPAddr("tcp", tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			h := e.Handler(tcp("127.0.0.1:1"), listen)
			certify := func(r *http.Request) *http.Request {
				if tt.certified {
					r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
				}
				return r
			}
			for _, path := range []string{"/", "/targets"} {
				res, body := answerTo(h, certify(request("GET", path)))
				if res.Code != tt.want || res.Code == 403 && !strings.Contains(body, "to turn them on") {
					t.Errorf("%s: %d: %s", path, res.Code, body)
				}
			}
			for arrived, want := range map[string]int{"127.0.0.1:10135": 500, "10.0.0.5:10135": map[int]int{200: 500, 403: 403}[tt.want]} {
				r := certify(request("POST", "/-/reload")) // which has nothing to reload here
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, tcp(arrived)))
				if res, body := answerTo(h, r); res.Code != want {
					t.Errorf("reload over %s: %d: %s", arrived, res.Code, body)
				}
			}
			for _, path := range []string{"/metrics", "/-/healthy", "/probe?target=ws-001"} {
				if res, body := answerTo(h, request("GET", path)); res.Code != 200 {
					t.Errorf("%s: %d: %s", path, res.Code, body)
				}
			}
		})
	}
}

func TestPprof(t *testing.T) {
	for _, tt := range []struct {
		on      bool
		arrived string
		want    int
	}{{false, "127.0.0.1:10135", 404}, {true, "127.0.0.1:10135", 200}, {true, "[::1]:10135", 200}, {true, "10.0.0.5:10135", 403}} {
		e, _ := newExporter(t, readyReport, "ws-001")
		e.config.Pprof = tt.on
		r := request("GET", "/debug/pprof/cmdline")
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, tcp(tt.arrived)))
		if res, body := answerTo(e.Handler(), r); res.Code != tt.want {
			t.Errorf("%+v: %d: %s", tt, res.Code, body)
		}
	}
}

// Whatever is answered, a browser makes no more of it than it is.
func TestHeaders(t *testing.T) {
	e, _ := newExporter(t, readyReport, "ws-001")
	for _, path := range []string{"/metrics", "/nosuch", "/probe", "/targets", "/-/reload"} {
		res, _ := answerTo(e.Handler(), request("GET", path))
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := res.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if !strings.Contains(res.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, res.Header())
		}
	}
}

// "Probe now" asks what the sweep asks, shows it on the board, and is bound by
// the same list as /probe.
func TestProbeNow(t *testing.T) {
	s := two([]string{"ws-001"}, []string{"ws-001", "10.0.0.1", "ws-002"})
	s.Allow, _ = ParseAllow("10.0.0.0/8", ".corp.example")
	e, rec := newExporterOf(t, s, mixedReport)
	e.probe = func(_ *probe.Prober, _ context.Context, t probe.Target, ops []probe.Operation) *probe.Report {
		rec.probes = append(rec.probes, asked{target: t, operations: ops})
		r := mixedReport(t.Name)
		r.Target = t
		return r
	}
	now := e.Source().Probe
	if err := now(t.Context(), "10.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if len(rec.probes) != 1 || len(rec.probes[0].operations) != 1 || len(e.Source().Fleet().Hosts) != 1 {
		t.Errorf("%+v", rec.probes)
	}
	for _, host := range []string{"nosuch", "10.0.0.2"} {
		if err := now(t.Context(), host); err == nil || !strings.Contains(err.Error(), "not one of the swept targets") {
			t.Errorf("%s: %v", host, err)
		}
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	e.probe = func(_ *probe.Prober, ctx context.Context, t probe.Target, _ []probe.Operation) *probe.Report {
		<-ctx.Done()
		return readyReport(t.Name)
	}
	if err := now(left, "10.0.0.1"); err == nil {
		t.Error("who left got an answer")
	}
	if own := get(t, e, "/metrics"); !strings.Contains(own, `gpreach_probe_rejected_total{reason="forbidden"} 2`) {
		t.Error(own)
	}
}
