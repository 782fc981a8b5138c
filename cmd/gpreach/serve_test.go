package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A served is gpreach serve in a process of its own.
type served struct {
	cmd    *exec.Cmd
	url    string
	log    bytes.Buffer  // whole when logged is closed
	logged chan struct{} // closed at the end of the log
}

// serveHosts starts gpreach serve for hosts, and returns when it listens.
func serveHosts(t *testing.T, l *loopback, args ...string) *served {
	t.Helper()
	return start(t, slices.Concat([]string{"serve", "--web.listen-address", "127.0.0.1:0"}, l.ports(), args)...)
}

// ports returns the flags that lead to the hosts' ports.
func (l *loopback) ports() []string {
	return []string{"--smb-port", fmt.Sprint(l.smb), "--epmap-port", fmt.Sprint(l.epmap)}
}

// start starts a command that serves, and returns when it listens.
func start(t *testing.T, args ...string) *served {
	t.Helper()
	return begin(t, exec.CommandContext(t.Context(), "gpreach", args...))
}

// begin starts such a command with files open from descriptor 3 on.
func begin(t *testing.T, cmd *exec.Cmd, open ...*os.File) *served {
	t.Helper()
	s := &served{cmd: cmd, logged: make(chan struct{})}
	s.cmd.ExtraFiles = open
	s.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(s.logged)
		address := regexp.MustCompile(`msg=listening address=(\S+)`)
		for lines := bufio.NewScanner(io.TeeReader(stderr, &s.log)); lines.Scan(); {
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case listening <- m[1]:
				default: // it listens at more than one
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		s.wait()
	})
	select {
	case address := <-listening:
		s.url = "http://" + address
	case <-s.logged:
		t.Fatalf("it does not listen:\n%s", &s.log)
	}
	return s
}

// wait returns the exit code.
func (s *served) wait() int {
	<-s.logged
	_ = s.cmd.Wait() // the exit code tells
	return s.cmd.ProcessState.ExitCode()
}

// ask returns the status and body of a page, asked for under a Host header
// unless that is empty.
func (s *served) ask(ctx context.Context, path, host string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return 0, "", err
	}
	r.Host, r.Close = host, true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// await asks for the metrics until a line begins so.
func (s *served) await(t *testing.T, line string) {
	t.Helper()
	for {
		_, body, err := s.ask(t.Context(), "/metrics", "")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(body, "\n"+line) {
			return
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	l, err := startLoopback(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	s := serveHosts(t, l, "127.0.0.11", "127.0.0.13", "localhost", "--exclude", "127.0.0.1", "--exclude", "::1")
	s.await(t, `gpreach_report_timestamp_seconds{target="127.0.0.13"} `) // the sweep of all starts at once

	tests := []struct {
		name, path, host string
		status           int
		says             string // a line of the page, as a regular expression
	}{
		{"a target", "/probe?target=127.0.0.11", "", 200, `probe_success 1`},
		{"one operation", "/probe?target=127.0.0.11&for=rsop", "", 200, `gpreach_operation_info\{operation="rsop",status="unproven"\} 1`},
		{"a target with a fault", "/probe?target=127.0.0.13&for=refresh", "", 200, `probe_success 0`},
		{"the fault", "/probe?target=127.0.0.13", "", 200, `gpreach_rule_failure_info\{outcome="not-registered",rule="RemoteTask-In-TCP",stage="map"\} 1`},
		{"not a target", "/probe?target=127.0.0.12", "", 403, `.*127\.0\.0\.12.*`},
		{"a target that is excluded", "/probe?target=localhost", "", 403, `.*localhost.*`},
		{"no target", "/probe", "", 400, `.*target=.*`},
		{"no such operation", "/probe?target=127.0.0.11&for=gpupdate", "", 400, `.*gpupdate.*`},
		{"a foreign name for us", "/probe?target=127.0.0.11", "evil.example", 421, `.*`},
		{"localhost", "/-/healthy", "localhost:1234", 200, `ok`},
		{"health", "/-/healthy", "", 200, `ok`},
		{"the sweep", "/metrics", "", 200, `gpreach_operation_info\{operation="refresh",status="unreachable",target="127\.0\.0\.13"\} 1`},
		{"the exporter", "/metrics", "", 200, `gpreach_build_info\{.*\} 1`},
		{"a page that is not there", "/nosuch", "", 404, `.*`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body, err := s.ask(t.Context(), test.path, test.host)
			if err != nil {
				t.Fatal(err)
			}
			if status != test.status || !regexp.MustCompile(`(?m)^`+test.says+`$`).MatchString(body) {
				t.Errorf("GET %s: status %d, want %d with %q:\n%s", test.path, status, test.status, test.says, body)
			}
		})
	}

	var errs bytes.Buffer
	taken := []string{"serve", "127.0.0.11", "--web.listen-address", strings.TrimPrefix(s.url, "http://")}
	if code := run(taken, nil, io.Discard, &errs); code != exitUsage || !strings.Contains(errs.String(), "cannot be listened on: ") {
		t.Errorf("a port that is taken: exit code %d, %q", code, &errs)
	}
}

// A service that is stopped, or left with Ctrl-C, has done nothing wrong: it
// answers who is waiting and ends with 0.
func TestServeEnds(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			l, err := startLoopback(t.Cleanup)
			if err != nil {
				t.Fatal(err)
			}
			s := serveHosts(t, l, "127.0.0.21", "--timeout", "1s")
			answered := make(chan string, 1)
			go func() {
				status, body, err := s.ask(t.Context(), "/probe?target=127.0.0.21", "") // which never answers
				answered <- fmt.Sprintln(status, err, body)
			}()
			s.await(t, "gpreach_probes_in_flight 1\n")
			if err := s.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if got := <-answered; !strings.HasPrefix(got, "200 <nil>") || !strings.Contains(got, "\nprobe_success 0\n") {
				t.Errorf("the probe in flight was answered with %s", got)
			}
			if code := s.wait(); code != exitOK {
				t.Errorf("exit code %d, want 0", code)
			}
			if !strings.Contains(s.log.String(), "msg=stopped") {
				t.Errorf("the log does not tell that it stopped:\n%s", &s.log)
			}
		})
	}
}
