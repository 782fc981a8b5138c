//go:build lab && linux

package lab_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gpreach/gpreach/internal/winhost"
)

// These make this test binary a simulated host instead, or those of simulatedFleet, at that address or from it on.
const (
	simulateEnv = "GPREACH_LAB_SIMULATE"
	fleetEnv    = "GPREACH_LAB_FLEET"
)

// simulate serves a healthy client, or the fleet of the situations, until it is interrupted, and then says what is left
// behind on each host, when this process was started for that.
func simulate() bool {
	hosts, first := simulatedClient, os.Getenv(simulateEnv)
	if f := os.Getenv(fleetEnv); f != "" {
		hosts, first = simulatedFleet, f
	}
	addr, err := netip.ParseAddr(first)
	if err != nil {
		return false
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	all, err := hosts(addr)
	if err == nil {
		err = listen(ctx, all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, h := range all {
		fmt.Printf("%+v\n", h.Left())
	}
	return true
}

// simulatedClient is the healthy client, which admits accounts of the lab's domain where it is to.
func simulatedClient(addr netip.Addr) (hosts []*winhost.Host, err error) {
	h := winhost.Client("ws-001.corp.example", addr)
	h.StandaloneWMI()
	if os.Getenv(admitEnv) != "" {
		err = admit(h)
	}
	return []*winhost.Host{h}, err
}

// listen serves the ports of hosts at their addresses until the context ends, and says when it listens on all of them.
func listen(parent context.Context, hosts []*winhost.Host) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var awaited atomic.Int64
	for _, h := range hosts {
		for _, p := range h.Ports {
			if p.Serve != nil {
				awaited.Add(1)
			}
		}
	}
	var serving sync.WaitGroup
	for _, h := range hosts {
		serving.Go(func() {
			cancel(h.Listen(ctx, func(port uint16) (net.Listener, error) {
				l, err := new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(h.Addrs[0], port).String())
				if err == nil && awaited.Add(-1) == 0 {
					fmt.Println("listening")
				}
				return l, err
			}))
		})
	}
	serving.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// simulated starts a simulated host beside the domain controller, at idleAddr, with more in its environment.
func simulated(t *testing.T, more ...string) {
	t.Helper()
	startSimulation(t, append(more, simulateEnv+"="+idleAddr)...)
}

// startSimulation starts what simulate does, with more in its environment, beside the domain controller. It ends with
// the test, or before by the function that is returned, which returns what it then said.
func startSimulation(t *testing.T, more ...string) (end func() string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := onDC(ctx, t, self)
	cmd.Env = append(os.Environ(), more...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	end = sync.OnceValue(func() string {
		stop()
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait() // it was told to end
		return string(rest)
	})
	t.Cleanup(func() { end() })
	if line, err := out.ReadString('\n'); line != "listening\n" {
		t.Fatalf("the simulation says %q, %v", line, err)
	}
	return end
}

// The simulated host is worth something only while gpreach and clients that
// are not ours agree on it.
func TestSimulatedHost(t *testing.T) {
	simulated(t)
	t.Run("gpreach", func(t *testing.T) {
		code, got, _ := check(t, idleAddr)
		if code != 0 || !strings.HasPrefix(got, "rsop ready\nrefresh ready\n") {
			t.Errorf("exit %d\n%s", code, got)
		}
	})
	t.Run("preflight", func(t *testing.T) {
		stdout, stderr, code := run(t, "preflight", idleAddr, dcAddr, "--min-ready", "50%")
		if code != 0 || stdout != idleAddr+"\n" {
			t.Errorf("exit %d, stdout %q\n%s", code, stdout, stderr)
		}
	})
	t.Run("impacket's rpcdump", func(t *testing.T) {
		out := python(t, "/usr/share/doc/python3-impacket/examples/rpcdump.py", "-port", "135", idleAddr)
		for _, want := range []string{
			"F6BEAFF7-1E19-4FBB-9F8F-B89E2018337C v1.0", "Event log TCPIP", "ncacn_ip_tcp:" + idleAddr + "[49667]",
			"86D35949-83C9-4044-B424-DB363231FD0C v1.0", "ncacn_ip_tcp:" + idleAddr + "[49668]",
		} {
			if !strings.Contains(strings.ToUpper(out), strings.ToUpper(want)) {
				t.Errorf("%q is not listed:\n%s", want, out)
			}
		}
	})
	t.Run("impacket's hept_map", func(t *testing.T) {
		const script = `
import sys
from impacket.dcerpc.v5 import epm
from impacket.uuid import uuidtup_to_bin
for uuid in ("f6beaff7-1e19-4fbb-9f8f-b89e2018337c", "86d35949-83c9-4044-b424-db363231fd0c"):
    print(epm.hept_map(sys.argv[1], uuidtup_to_bin((uuid, "1.0")), protocol="ncacn_ip_tcp"))`
		want := fmt.Sprintf("ncacn_ip_tcp:%s[49667]\nncacn_ip_tcp:%s[49668]\n", idleAddr, idleAddr)
		if got := python(t, "-c", script, idleAddr); got != want {
			t.Errorf("%s\nwant:\n%s", got, want)
		}
	})
}

// python runs Debian's Python, which has impacket, on the GPMC machine.
func python(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", args...).CombinedOutput()
	if err != nil {
		t.Errorf("python3: %v\n%s", err, out)
	}
	return string(out)
}
