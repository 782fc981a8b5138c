//go:build lab && linux

package lab_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// serveAs sweeps the domain controller with an account and returns what the exporter
// shows once the sweep has ended, and its log until the signal has ended it.
func serveAs(t *testing.T, account, source string, signal os.Signal) map[string]string {
	t.Helper()
	dir := t.TempDir()
	addr := freeAddr(t)
	config := fmt.Sprintf("listen: [%q]\ncredential: {user: %s@%s, %s}\nsweeps: [{name: dc, targets: [%s, %s], for: rsop, credential: true}]\n", addr, account, realm, source, dcName, dcAddr)
	file := filepath.Join(dir, "gpreach.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	defer stop()
	cmd := exec.CommandContext(ctx, gpreach, "serve", "--config", file, "--log-level", "debug", "--web.pprof")
	cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var logged lockedBuffer
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(&logged, log)
	}()
	awaitReady(t, "http://"+addr+"/-/ready", ended)
	seen := map[string]string{}
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !strings.Contains(logged.String(), "sweep finished") {
		select {
		case <-again.C:
		case <-ended:
			t.Fatalf("serve has ended\n%s", logged.String())
		case <-deadline:
			t.Fatalf("no sweep has finished\n%s", logged.String())
		}
	}
	for what, path := range map[string]string{
		"metrics": "/metrics", "page": "/", "ladder": "/host/" + dcName, "probe": "/probe?target=" + dcName,
		"goroutines": "/debug/pprof/goroutine?debug=2", "command line": "/debug/pprof/cmdline",
	} {
		_, body, err := get(t.Context(), "http://"+addr+path)
		if err != nil {
			t.Fatal(err)
		}
		seen[what] = body
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-ended
	_ = cmd.Wait() // it was told to end
	seen["log"] = logged.String()
	return seen
}

// A lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Sweeps log on by Kerberos alone, and /probe never; what a failed logon stops
// stays stopped.
func TestServeWithCredential(t *testing.T) {
	seen := serveAs(t, "gpadmin", "keytab: "+labFile("keys", "gpadmin.keytab"), os.Interrupt)
	for _, want := range []string{
		`gpreach_rule_access_granted{rule="RemoteEventLogSvc-NP-In-TCP",target="` + dcName + `"} 0`,
		`gpreach_rule_access_granted{rule="RemoteEventLogSvc-In-TCP",target="` + dcName + `"} 1`,
		`gpreach_credential_stop 0`,
	} {
		if !strings.Contains(seen["metrics"], want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(seen["metrics"], `gpreach_rule_access_granted{rule="RemoteEventLogSvc-In-TCP",target="`+dcAddr+`"}`) {
		t.Error("an address was logged on to")
	}
	if strings.Contains(seen["probe"], "gpreach_rule_access_granted{") {
		t.Error("/probe used the credential")
	}
	t.Cleanup(func() { forgive(t, "lockme") })
	forgive(t, "lockme")
	seen = serveAs(t, "lockme", "password_file: "+secretFile(t, []byte("not the password")), os.Interrupt)
	if !strings.Contains(seen["metrics"], "gpreach_credential_stop 1") || strings.Contains(seen["metrics"], "gpreach_rule_access_granted{") ||
		!strings.Contains(seen["metrics"], `gpreach_rule_reachable{rule="RemoteEventLogSvc-NP-In-TCP",target="`+dcName+`"} 1`) {
		t.Errorf("after a wrong password:\n%s", seen["metrics"])
	}
	if got := badPasswords(t, "lockme"); got != "0x00000001" {
		t.Errorf("badPwdCount %s, want 1", got)
	}
}
