//go:build lab && linux

// Package lab_test holds the tests that need real software: a Samba domain controller, the kernel's firewall and a
// Prometheus server. They run on the GPMC machine of a lab:
//
//	lab/samba-dc.sh up
//	lab/samba-dc.sh exec go test -tags lab -count=1 ./lab/...
//	lab/samba-dc.sh down
package lab_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	dcName = "dc1.corp.example"
	dcAddr = "10.77.0.10"
	// Between idleAddr and 10.77.0.180 nothing listens until a test starts a simulated host there. From namelessAddr on
	// the directory knows no names.
	idleAddr     = "10.77.0.101"
	namelessAddr = "10.77.0.141"
	// Nobody has absentAddr.
	absentAddr = "10.77.0.99"
)

// onDC is a command that runs beside the domain controller. It ends with ctx.
func onDC(ctx context.Context, t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	netns := os.Getenv("GPREACH_LAB_DC_NETNS")
	if netns == "" {
		t.Fatal("not in a lab; see the top of this file")
	}
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", netns, name}, args...)...)
}

// firewall puts rules, nftables statements such as "tcp dport 135 drop", before whatever reaches the domain
// controller's namespace, until the test ends. There is one at a time.
func firewall(t *testing.T, rules string) {
	t.Helper()
	nft := func(ctx context.Context, script string) {
		cmd := onDC(ctx, t, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft: %v\n%s%s", err, script, out)
		}
	}
	nft(t.Context(), `create table inet gpreach
table inet gpreach {
	chain input {
		type filter hook input priority filter
		`+rules+`
	}
}
`)
	t.Cleanup(func() { nft(context.WithoutCancel(t.Context()), "delete table inet gpreach\n") })
}

// prometheus runs a Prometheus server with this configuration until the test ends, and returns its URL once it is
// ready.
func prometheus(t *testing.T, config string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)

	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "prometheus", "--config.file", file,
		"--storage.tsdb.path", t.TempDir(), "--web.listen-address", addr)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second // then it is killed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it died of stands in its log
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("prometheus:\n%s", &log)
		}
	})
	awaitReady(t, "http://"+addr+"/-/ready", ended)
	return "http://" + addr
}

// freeAddr is an address of this machine on which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitReady asks url until it answers 200; it gives up after 30 s, and when ended is closed.
func awaitReady(t *testing.T, url string, ended <-chan struct{}) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if status, _, err := get(t.Context(), url); err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-again.C:
		case <-ended:
			t.Fatalf("%s: the server has ended", url)
		case <-deadline:
			t.Fatalf("%s: not ready after 30 s", url)
		}
	}
}

// request asks for url and gives up after 10 s.
func request(ctx context.Context, method, url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// promtool runs promtool with this standard input and returns what it says. What it objects to fails the test.
func promtool(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dial connects to addr and hangs up; it gives up after timeout.
func dial(t *testing.T, addr string, timeout time.Duration) error {
	t.Helper()
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
