//go:build lab && linux

package lab_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A capture is tshark writing what crosses the cable to a file, and telling of each packet.
type capture struct {
	file    string
	packets *bufio.Scanner
	end     func()
}

// Ports on which nobody listens: packets to them mark places in a capture.
const (
	beginning = "4242"
	ending    = "4243"
)

// startCapture returns when tshark really captures.
func startCapture(t *testing.T) *capture {
	t.Helper()
	c := &capture{file: filepath.Join(t.TempDir(), "cable.pcapng")}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "tshark", "-n", "-l", "-i", "eth0", "-f", "tcp", "-w", c.file, "-P")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second // then it is killed
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.packets = bufio.NewScanner(out)
	c.end = func() {
		end()
		_ = cmd.Wait() // says that it was interrupted
		if t.Failed() {
			t.Logf("tshark:\n%s", &errs)
		}
	}
	marking, marked := context.WithCancel(t.Context())
	defer marked()
	go func() { // the first marks come before it captures
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for marking.Err() == nil {
			mark(marking, beginning)
			<-again.C
		}
	}()
	c.await(t, beginning)
	return c
}

// stop returns the file when it holds all that was sent before.
func (c *capture) stop(t *testing.T) string {
	t.Helper()
	mark(t.Context(), ending)
	c.await(t, ending)
	c.end()
	return c.file
}

// mark sends a packet to a port.
func mark(ctx context.Context, port string) {
	d := net.Dialer{Timeout: time.Second}
	if conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(idleAddr, port)); err == nil {
		conn.Close()
	}
}

// await returns when tshark has told of a packet to a port.
func (c *capture) await(t *testing.T, port string) {
	t.Helper()
	for c.packets.Scan() {
		if strings.Contains(c.packets.Text(), " "+port+" ") {
			return
		}
	}
	t.Fatal("tshark has ended")
}

// frames returns how many of a capture's frames a display filter takes, and tshark's line for each of the first.
func frames(t *testing.T, file, filter string) (n int, shown string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "tshark", "-n", "-r", file, "-Y", filter).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if n++; n <= 10 {
			shown += line
		}
	}
	return n, shown
}

// Programs that are not ours understand the simulated host, and tshark what both sides say: gpreach's own requests
// too, and the real server's answers to them.
func TestJudges(t *testing.T) {
	simulated(t)
	captured := startCapture(t)
	t.Run("gpreach", func(t *testing.T) {
		for _, target := range []string{idleAddr, dcName} {
			if _, stderr, code := run(t, "check", target, "-o", "ndjson"); code != 0 && code != 1 {
				t.Errorf("exit %d\n%s", code, stderr)
			}
		}
	})
	t.Run("nmap", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), "nmap", "-n", "-Pn", "-p", "445",
			"--script", "smb-protocols,smb2-security-mode,smb2-time", idleAddr).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{
			"445/tcp open", "202\n", "210\n", "300\n", "302\n", "311\n",
			"Message signing enabled but not required", time.Now().UTC().Format("date: 2006-01-02T"),
		} {
			if !strings.Contains(string(out), want) {
				t.Errorf("no %q:\n%s", want, out)
			}
		}
		if strings.Contains(string(out), "SMBv1") {
			t.Errorf("nmap saw SMB1:\n%s", out)
		}
	})
	t.Run("impacket's ServerAlive2", func(t *testing.T) {
		const script = `
import sys
from impacket.dcerpc.v5 import transport, dcomrt
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_NONE
rpc = transport.DCERPCTransportFactory("ncacn_ip_tcp:%s[135]" % sys.argv[1]).get_dce_rpc()
rpc.set_auth_level(RPC_C_AUTHN_LEVEL_NONE)
rpc.connect()
for binding in dcomrt.IObjectExporter(rpc).ServerAlive2():
    print(binding["wTowerId"], binding["aNetworkAddr"].rstrip("\0"))`
		if got, want := python(t, "-c", script, idleAddr), "7 WS-001\n7 "+idleAddr+"\n"; got != want {
			t.Errorf("%s\nwant:\n%s", got, want)
		}
	})
	file := captured.stop(t)
	for filter, least := range map[string]int{
		"smb2":                    12,
		"dcerpc && tcp.port==135": 30,
		"dcerpc && !(tcp.port==135) && ip.addr==" + idleAddr: 6,
		"epm":  8,
		"oxid": 4, // Samba has no DCOM
	} {
		if n, shown := frames(t, file, filter); n < least {
			t.Errorf("tshark sees %d frames of %s, want at least %d\n%s", n, filter, least, shown)
		}
	}
	if n, shown := frames(t, file, "_ws.malformed || _ws.expert.severity==error || _ws.unreassembled"); n > 0 {
		t.Errorf("tshark finds %d malformed frames:\n%s", n, shown)
	}
}
