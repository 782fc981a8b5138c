//go:build lab && linux

package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gpreach is the program under test, built once.
var gpreach string

func TestMain(m *testing.M) {
	flag.Parse()
	if simulate() {
		return
	}
	if os.Getenv(farEnv) != "" {
		if err := far(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code, err := testMain(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func testMain(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "gpreach-lab-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	gpreach = filepath.Join(dir, "gpreach")
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", gpreach, "../cmd/gpreach").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// run runs gpreach on the GPMC machine.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), gpreach, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// A report is what the tests look at of a line of NDJSON.
type report struct {
	Target, Address, Credential string
	Identity                    struct{ Computer, DNS, Domain string }
	Operations                  []struct{ Operation, Status, Reason string }
	Findings                    []struct {
		Rule, Verdict, Access, Reason, Fix string
		Trail                              []struct{ Stage, Peer, Outcome, Detail string }
	}
}

// check probes a target and returns the exit code and the report in a
// shorthand: the statuses, then a line a rule with its verdict and steps.
func check(t *testing.T, target string, args ...string) (code int, sketch string, r report) {
	t.Helper()
	stdout, stderr, code := run(t, append([]string{"check", target, "-o", "ndjson"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	var b strings.Builder
	for _, o := range r.Operations {
		fmt.Fprintf(&b, "%s %s\n", o.Operation, o.Status)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s:", f.Rule, f.Verdict)
		for _, s := range f.Trail {
			fmt.Fprintf(&b, " %s", s.Stage)
			if s.Outcome != "ok" {
				fmt.Fprintf(&b, "=%s", s.Outcome)
			}
		}
		b.WriteByte('\n')
	}
	return code, strings.TrimSpace(b.String()), r
}

// The rules as a Samba domain controller answers them, by address.
const (
	pipeOK  = "RemoteEventLogSvc-NP-In-TCP reachable: connect negotiate"
	logOK   = "RemoteEventLogSvc-In-TCP reachable: connect bind map connect bind"
	epmapOK = "RemoteEventLogSvc-RPCSS-In-TCP reachable: connect bind"
	noDCOM  = "WMI-WINMGMT-In-TCP unreachable: connect bind bind=unsupported"
	noTask  = "RemoteTask-In-TCP unreachable: connect bind map=not-registered"
	taskMap = "RemoteTask-RPCSS-In-TCP reachable: connect bind"
)

// all is a whole sketch, the same steps on every route through 135.
func all(rsop, refresh, pipe, steps string) string {
	lines := []string{"rsop " + rsop, "refresh " + refresh, "RemoteEventLogSvc-NP-In-TCP " + pipe}
	for _, rule := range []string{"RemoteEventLogSvc-In-TCP", "RemoteEventLogSvc-RPCSS-In-TCP", "WMI-WINMGMT-In-TCP", "RemoteTask-In-TCP", "RemoteTask-RPCSS-In-TCP"} {
		lines = append(lines, rule+" "+steps)
	}
	return strings.Join(lines, "\n")
}

// Samba has an event log over TCP, no Task Scheduler and no DCOM.
func TestCheckSamba(t *testing.T) {
	code, got, r := check(t, dcAddr)
	want := strings.Join([]string{"rsop unreachable", "refresh unreachable", pipeOK, logOK, epmapOK, noDCOM, noTask, taskMap}, "\n")
	if got != want || code != 1 {
		t.Errorf("exit %d\n%s\nwant:\n%s", code, got, want)
	}
	if r.Identity.Computer != "DC1" || r.Identity.DNS != dcName || r.Identity.Domain != "corp.example" {
		t.Errorf("identity %+v", r.Identity)
	}
	if detail := r.Findings[0].Trail[1].Detail; !strings.HasPrefix(detail, "SMB 3.1.1, signing required, server time 20") {
		t.Errorf("negotiate says %q", detail)
	}
}

func TestCheckByName(t *testing.T) {
	_, got, r := check(t, dcName, "--for", "refresh")
	want := strings.Join([]string{
		"refresh unreachable", strings.Replace(noDCOM, ":", ": resolve", 1),
		strings.Replace(noTask, ":", ": resolve", 1), strings.Replace(taskMap, ":", ": resolve", 1),
	}, "\n")
	if got != want || r.Address != dcAddr {
		t.Errorf("at %s\n%s\nwant:\n%s", r.Address, got, want)
	}
}

func TestCheckNobody(t *testing.T) {
	tests := []struct {
		target, want string
		code         int
	}{
		{"nobody.corp.example", all("unreachable", "unreachable", "unreachable: resolve=no-such-name", "unreachable: resolve=no-such-name"), 1},
		{idleAddr, all("unreachable", "unreachable", "unreachable: connect=refused", "unreachable: connect=refused"), 1},
		{absentAddr, all("silent", "silent", "unreachable: connect=timeout", "unreachable: connect=timeout"), 1},
		// No route: the kernel says so at once.
		{"192.0.2.1", all("silent", "silent", "unreachable: connect=unreachable", "unreachable: connect=unreachable"), 1},
	}
	for _, tt := range tests {
		t.Run(tt.target, func(t *testing.T) {
			if code, got, _ := check(t, tt.target); got != tt.want || code != tt.code {
				t.Errorf("exit %d\n%s\nwant:\n%s", code, got, tt.want)
			}
		})
	}
}

// A firewall in front of the domain controller, in each of the ways in which
// firewalls say no.
func TestCheckBehindFirewall(t *testing.T) {
	const taskPort = "tcp dport 49152-49200 "
	dropped := strings.Join([]string{
		"rsop unreachable", "refresh unreachable", pipeOK,
		"RemoteEventLogSvc-In-TCP unreachable: connect bind map connect=%s", epmapOK, noDCOM, noTask, taskMap,
	}, "\n")
	noSMB := strings.Join([]string{
		"rsop unreachable", "refresh unreachable",
		"RemoteEventLogSvc-NP-In-TCP unreachable: connect=%s", logOK, epmapOK, noDCOM, noTask, taskMap,
	}, "\n")
	noMapper := func(outcome string) string {
		return all("unreachable", "unreachable", "reachable: connect negotiate", "unreachable: connect="+outcome)
	}
	tests := []struct{ rule, want string }{
		{"tcp dport 445 drop", fmt.Sprintf(noSMB, "timeout")},
		{"tcp dport 445 reject with tcp reset", fmt.Sprintf(noSMB, "refused")},
		{"tcp dport 445 reject with icmpx admin-prohibited", fmt.Sprintf(noSMB, "unreachable")},
		{"tcp dport 135 drop", noMapper("timeout")},
		{"tcp dport 135 reject with tcp reset", noMapper("refused")},
		{"tcp dport 135 reject with icmpx admin-prohibited", noMapper("unreachable")},
		{taskPort + "drop", fmt.Sprintf(dropped, "timeout")},
		{taskPort + "reject with tcp reset", fmt.Sprintf(dropped, "refused")},
		{taskPort + "reject with icmpx admin-prohibited", fmt.Sprintf(dropped, "unreachable")},
		{"drop", all("silent", "silent", "unreachable: connect=timeout", "unreachable: connect=timeout")},
		{"tcp dport 3389 accept; drop", all("unreachable", "unreachable", "unreachable: connect=timeout", "unreachable: connect=timeout")},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			firewall(t, strings.ReplaceAll(tt.rule, "; ", "\n"))
			if code, got, _ := check(t, dcAddr); got != tt.want || code != 1 {
				t.Errorf("exit %d\n%s\nwant:\n%s", code, got, tt.want)
			}
		})
	}
}

func TestPreflightSamba(t *testing.T) {
	stdout, stderr, code := run(t, "preflight", dcName, "--accept", "unproven")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "No go") {
		t.Errorf("exit %d, stdout %q, stderr:\n%s", code, stdout, stderr)
	}
}
