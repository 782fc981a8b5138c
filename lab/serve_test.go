//go:build lab && linux

package lab_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// serve runs gpreach serve until the test ends, and returns its address.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, gpreach, append([]string{"serve", "--web.listen-address", "127.0.0.1:0"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errs)
	ended := make(chan struct{})
	t.Cleanup(func() {
		stop()
		<-ended
		_ = cmd.Wait() // says that it was interrupted
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("gpreach serve, interrupted: exit %d", code)
		}
	})
	defer func() {
		go func() {
			defer close(ended)
			for lines.Scan() {
				t.Log(lines.Text())
			}
		}()
	}()
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			return m[1]
		}
		t.Log(lines.Text())
	}
	t.Fatal("gpreach serve did not begin to listen")
	return ""
}

func TestServe(t *testing.T) {
	addr := serve(t, dcName, absentAddr)
	for path, want := range map[string]int{
		"/-/healthy":                       http.StatusOK,
		"/probe?target=" + dcName:          http.StatusOK,
		"/probe?target=" + idleAddr:        http.StatusForbidden,
		"/probe?target=10.77.0.10":         http.StatusForbidden, // the name is listed, the address is not
		"/probe":                           http.StatusBadRequest,
		"/probe?for=ping&target=" + dcName: http.StatusBadRequest,
	} {
		if status, body, err := get(t.Context(), "http://"+addr+path); err != nil || status != want {
			t.Errorf("%s: %d, %v, want %d\n%s", path, status, err, want, body)
		}
	}
	_, body, err := get(t.Context(), "http://"+addr+"/probe?target="+dcName)
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, body, "check", "metrics")
	for _, want := range []string{
		"probe_success 0",
		`gpreach_operation_info{operation="rsop",status="unreachable"} 1`,
		`gpreach_rule_reachable{rule="RemoteEventLogSvc-In-TCP"} 1`,
		`gpreach_rule_reachable{rule="RemoteTask-In-TCP"} 0`,
		`gpreach_rule_failure_info{outcome="not-registered",rule="RemoteTask-In-TCP",stage="map"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("/probe lacks %s:\n%s", want, body)
		}
	}
}

// A real Prometheus scrapes both, and its API has the series.
func TestServeScraped(t *testing.T) {
	addr := serve(t, dcName, absentAddr)
	server := prometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: gpreach
    static_configs: [{targets: [%q]}]
  - job_name: gpreach-probe
    metrics_path: /probe
    params: {target: [%q], for: [refresh]}
    static_configs: [{targets: [%q]}]
`, addr, dcName, addr))
	for query, want := range map[string]string{
		`probe_success{job="gpreach-probe"}`: "0",
		`up{job="gpreach-probe"}`:            "1",
		`up{job="gpreach"}`:                  "1",
		`gpreach_operation_info{job="gpreach-probe",operation="refresh"}`:                                 "1",
		`gpreach_rule_reachable{job="gpreach-probe",rule="RemoteTask-RPCSS-In-TCP"}`:                      "1",
		`gpreach_rule_reachable{job="gpreach",target="dc1.corp.example",rule="RemoteEventLogSvc-In-TCP"}`: "1",
		`gpreach_operation_info{target="10.77.0.99",operation="rsop",status="silent"}`:                    "1",
		`gpreach_operation_ready{target="dc1.corp.example",operation="rsop"}`:                             "0",
		`gpreach_targets{operation="rsop",status="silent"}`:                                               "1",
		`gpreach_credential_stop`: "0",
	} {
		if got := awaitQuery(t, server, query, want); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
	_, body, err := get(t.Context(), "http://"+addr+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, body, "check", "metrics")
}

// awaitQuery asks Prometheus until a query has one value, and that is want, or
// 30 s have passed.
func awaitQuery(t *testing.T, server, query, want string) string {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		got := value(t, server, query)
		if got == want || time.Now().After(deadline) {
			return got
		}
		<-tick.C
	}
}

// value returns the value of a query that has one series, or "".
func value(t *testing.T, server, query string) string {
	t.Helper()
	_, body, err := get(t.Context(), server+"/api/v1/query?query="+url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if len(answer.Data.Result) != 1 {
		return ""
	}
	s, _ := answer.Data.Result[0].Value[1].(string)
	return s
}
