//go:build lab && linux

package lab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shipped returns a file of deploy/prometheus with its times cut down to a second, so that a test need not wait for
// what an administrator should, and the exporter's address put in.
func shipped(t *testing.T, name, exporter string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "deploy", "prometheus", name))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "127.0.0.1:10135", exporter)
	text = regexp.MustCompile(`(interval|evaluation_interval|refresh_interval): \d+[sm]`).ReplaceAllString(text, "$1: 1s")
	text = regexp.MustCompile(`scrape_timeout: \d+s`).ReplaceAllString(text, "scrape_timeout: 1s")
	return regexp.MustCompile(`(?m)^(\s+for:) \d+[smh].*$`).ReplaceAllString(text, "$1 0s")
}

// A real Prometheus finds the hosts by the exporter's own service discovery, probes each through multi-target
// relabelling, and fires the alerts that are shipped.
func TestServeInPrometheus(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Nothing listens at thirty of these addresses, so that they refuse; nobody has the last one.
	const fleet = `
sweeps:
  - {name: lab, targets: [%q, "10.77.0.101-130", %q], interval: 2s}
  - {name: domain controllers, targets: [%[1]q], for: rsop, interval: 1s}
`
	config := file("gpreach.yml", fmt.Sprintf(fleet, dcName, absentAddr))
	addr := serve(t, "--config", config)

	settings := shipped(t, "examples/probe-http-sd.yml", addr)
	rules := file("alerts.yml", shipped(t, "alerts.yml", addr))
	settings = strings.ReplaceAll(settings, "../alerts.yml", rules)
	promtool(t, "", "check", "config", file("checked.yml", settings))
	if out := promtool(t, "", "check", "service-discovery", "--timeout=3s", filepath.Join(dir, "checked.yml"), "gpreach-probe"); strings.Count(out, `"__param_target"`) < 32 {
		t.Errorf("promtool discovers\n%s", out)
	}
	server := prometheus(t, settings)
	for query, want := range map[string]string{
		`count(up{job="gpreach-probe"} == 1)`:                                                                                                            "32",
		`probe_success{job="gpreach-probe",instance="dc1.corp.example"}`:                                                                                 "0",
		`gpreach_operation_info{job="gpreach-probe",instance="10.77.0.101",operation="refresh"}`:                                                         "1",
		`gpreach_rule_failure_info{job="gpreach-probe",instance="10.77.0.101",rule="RemoteTask-RPCSS-In-TCP",stage="connect",outcome="refused"}`:         "1",
		`gpreach_operation_info{job="gpreach",target="dc1.corp.example",operation="rsop"}`:                                                               "1",
		`gpreach_targets{job="gpreach",operation="rsop",status="unreachable"}`:                                                                           "31",
		`gpreach_targets{job="gpreach",operation="rsop",status="silent"}`:                                                                                "1",
		`count(gpreach_sweep_timestamp_seconds{job="gpreach"} > 0)`:                                                                                      "2",
		`count by (severity) (ALERTS{alertname="GpreachFleetNotReady",alertstate="firing",severity="critical",job="gpreach",operation="refresh"})`:       "1",
		`count by (severity) (ALERTS{alertname="GpreachFleetNotReady",alertstate="firing",severity="critical",job="gpreach-probe",operation="refresh"})`: "1",
		`count(ALERTS{alertname="GpreachReloadFailed"}) or vector(0)`:                                                                                    "0",
	} {
		if got := awaitQuery(t, server, query, want); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}

	file("gpreach.yml", "sweeps: [{name: lab, targets: [ws-001], intervall: 2s}]\n")
	if status, body := post(t, "http://"+addr+"/-/reload"); status != http.StatusInternalServerError || !strings.Contains(body, "gpreach.yml:1:41") {
		t.Errorf("a bad file: %d %s", status, body)
	}
	for query, want := range map[string]string{
		`ALERTS{alertname="GpreachReloadFailed",alertstate="firing"}`:          "1",
		`gpreach_targets{job="gpreach",operation="rsop",status="unreachable"}`: "31", // the bad file changed nothing
	} {
		if got := awaitQuery(t, server, query, want); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
	file("gpreach.yml", fmt.Sprintf("sweeps: [{name: lab, targets: [%q], interval: 2s}]\n", dcName))
	if status, body := post(t, "http://"+addr+"/-/reload"); status != http.StatusOK {
		t.Errorf("a good file: %d %s", status, body)
	}
	for query, want := range map[string]string{
		`count(ALERTS{alertname="GpreachReloadFailed"}) or vector(0)`:              "0",
		`count(gpreach_report_timestamp_seconds{job="gpreach"})`:                   "1",
		`count(up{job="gpreach-probe"} == 1)`:                                      "1", // discovery follows
		`gpreach_operation_info{job="gpreach",target="10.77.0.101"} or vector(-1)`: "-1",
	} {
		if got := awaitQuery(t, server, query, want); got != want {
			t.Errorf("after the reload, %s is %q, want %q", query, got, want)
		}
	}
	for _, path := range []string{"/metrics", "/probe?target=" + dcName} {
		_, body, err := get(t.Context(), "http://"+addr+path)
		if err != nil {
			t.Fatal(err)
		}
		promtool(t, body, "check", "metrics")
	}
	if _, body, err := get(t.Context(), "http://"+addr+"/targets"); err != nil || !json.Valid([]byte(body)) {
		t.Errorf("/targets: %v\n%s", err, body)
	}
}

// post sends an empty POST.
func post(t *testing.T, url string) (status int, body string) {
	t.Helper()
	status, body, err := request(t.Context(), http.MethodPost, url)
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

// get fetches url and gives up after 10 s.
func get(ctx context.Context, url string) (status int, body string, err error) {
	return request(ctx, http.MethodGet, url)
}
