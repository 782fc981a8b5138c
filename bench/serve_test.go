//go:build bench && linux

package bench_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServe measures the exporter alone:
//
//	bash scripts/bench.sh -test.run '^TestServe$' -test.v
func TestServe(t *testing.T) {
	startFleet(t, 0)
	tell(t, servedHosts(t))
}

// An exporter is gpreach serve, in a process of its own.
type exporter struct {
	url    string
	config string // its file
	cmd    *exec.Cmd
}

// serve starts gpreach serve with a sweep of the crowd, and ends it with the test.
func serve(t *testing.T, whom crowd) *exporter {
	t.Helper()
	dir := t.TempDir()
	var list strings.Builder
	for addr := range whom.all {
		fmt.Fprintln(&list, addr)
	}
	e := &exporter{config: filepath.Join(dir, "gpreach.yml")}
	if err := os.WriteFile(filepath.Join(dir, "hosts.txt"), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	e.configure(t, "full")
	e.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), os.Getenv(programEnv), "serve", "--config", e.config)
	stderr, err := e.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = e.cmd.Process.Signal(syscall.SIGTERM)
		if err := e.cmd.Wait(); err != nil {
			t.Errorf("gpreach serve: %v", err)
		}
	})
	listening := regexp.MustCompile(`msg=listening address=(\S+)`)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			e.url = "http://" + m[1]
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return e
		}
	}
	t.Fatal("gpreach serve does not listen")
	return nil
}

func (e *exporter) configure(t *testing.T, metrics string) {
	t.Helper()
	config := "listen: ['127.0.0.1:0']\nmetrics: " + metrics + "\nsweeps: [{name: bench, targets: ['@hosts.txt'], interval: 24h, concurrency: 512, rate: 0}]\n"
	if err := os.WriteFile(e.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// get asks as Prometheus does, and returns the body and the time to its end. A
// zipped body is what came over the connection, unzipped in that time too.
func (e *exporter) get(t *testing.T, method, path string) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	r, err := http.NewRequestWithContext(t.Context(), method, e.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/plain;version=0.0.4")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return string(body), time.Since(start)
}

var sweepEnded = regexp.MustCompile(`(?m)^gpreach_sweep_timestamp_seconds\{sweep="bench"\} (\S+)$`)

// ended waits for a round that ends after one that did, and returns when it did.
func (e *exporter) ended(t *testing.T, after float64) float64 {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); <-tick.C {
		body, _ := e.get(t, http.MethodGet, "/metrics")
		if m := sweepEnded.FindStringSubmatch(body); m != nil {
			if at, _ := strconv.ParseFloat(m[1], 64); at > after {
				return at
			}
		}
	}
	t.Fatal("no round ends")
	return 0
}

// slowest scrapes five times and returns the last body and the longest time.
func (e *exporter) slowest(t *testing.T, path string) (string, time.Duration) {
	var body string
	var longest time.Duration
	for range 5 {
		b, took := e.get(t, http.MethodGet, path)
		body, longest = b, max(longest, took)
	}
	return body, longest
}

// peakMiB is the most memory that the process has had.
func (e *exporter) peakMiB(t *testing.T) float64 {
	t.Helper()
	for _, fields := range table(t, fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid)) {
		if fields[0] == "VmHWM:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return kib / 1024
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// servedHosts measures what 20,000 swept hosts cost an exporter, a quarter of
// them silent: those have the longest reports and the most series.
func servedHosts(t *testing.T) []figure {
	const most, mostFull, mostCompact = 500, 2 * time.Second, 500 * time.Millisecond
	e := serve(t, crowd{healthy: 15_000, silent: 5_000})
	first := e.ended(t, 0)
	full, tookFull := e.slowest(t, "/metrics")
	_, tookTargets := e.slowest(t, "/targets")
	_, tookPage := e.slowest(t, "/")
	e.configure(t, "compact")
	e.get(t, http.MethodPost, "/-/reload")
	e.ended(t, first)
	compact, tookCompact := e.slowest(t, "/metrics")
	hosts := strings.Count(full, "\ngpreach_report_timestamp_seconds{")
	told := func(body string, took time.Duration) string {
		return fmt.Sprintf("%.2f s for %d series of %d hosts, %.1f MB of text", took.Seconds(), strings.Count(body, `target="`), hosts, float64(len(body))/1e6)
	}
	peak := e.peakMiB(t)
	return []figure{
		{"20,000 swept hosts: /metrics full, the slowest of 5", told(full, tookFull), "under 2 s", tookFull < mostFull && hosts == 20_000},
		{"20,000 swept hosts: /metrics compact, the slowest of 5", told(compact, tookCompact), "under 0.5 s", tookCompact < mostCompact && hosts == 20_000},
		{"20,000 swept hosts: /targets; the page", fmt.Sprintf("%.2f s; %.2f s", tookTargets.Seconds(), tookPage.Seconds()), "", true},
		{"20,000 swept hosts: peak memory of the process, two rounds and all of these", fmt.Sprintf("%.0f MiB", peak), fmt.Sprintf("under %d MiB", most), peak < most},
	}
}
