//go:build bench && linux

package bench_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gpreach/gpreach/internal/winhost"
)

// The namespace's addresses, which scripts/bench.sh routes here. Whatever is
// sent to those from silentBase on is dropped, and those from refusingBase on
// refuse it.
const (
	healthyBase  = 0x0a800001 // 10.128.0.1
	refusingBase = 0x0afc0001 // 10.252.0.1
	silentBase   = 0x0aff0001 // 10.255.0.1
)

// A crowd is the hosts of a run.
type crowd struct{ healthy, refusing, silent int }

func (c crowd) len() int { return c.healthy + c.refusing + c.silent }

// all returns the addresses, the refusing ones first and the silent ones spread
// evenly.
func (c crowd) all(yield func(netip.Addr) bool) {
	silent := 0
	for i := range c.len() {
		at := uint32(healthyBase + i - c.refusing - silent)
		switch {
		case i < c.refusing:
			at = uint32(refusingBase + i)
		case (i+1-c.refusing)*c.silent/(c.healthy+c.silent) > silent:
			at = uint32(silentBase + silent)
			silent++
		}
		if !yield(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)})) {
			return
		}
	}
}

// firewall drops what Windows' firewall would: all that is not open.
const firewall = `table inet fleet {
	chain input {
		type filter hook input priority filter
		ip daddr 10.255.0.0/16 drop
		ip daddr 10.252.0.0/15 reject with tcp reset
		ip daddr 10.128.0.0/9 tcp dport != { 135, 445, 49667, 49668 } drop
	}
}
`

// fleetProcesses share the connections, since each may have so many descriptors
// only.
const fleetProcesses = 3

// serveFleet is a process of the fleet: the same healthy client at every
// address. It ends when its standard input does, and so with the process that
// began it.
func serveFleet() error {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.128.0.1"))
	for _, port := range []uint16{7680, 5040} { // as if Windows' firewall dropped these too
		delete(h.Ports, port)
	}
	left := len(h.Ports)
	share := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1) })
		return errors.Join(err, failed)
	}}
	return h.Listen(ctx, func(port uint16) (net.Listener, error) {
		l, err := share.Listen(ctx, "tcp4", net.JoinHostPort("0.0.0.0", strconv.Itoa(int(port))))
		if left--; err == nil && left == 0 {
			fmt.Println("listening")
		}
		return l, err
	})
}

// reusePort is SO_REUSEPORT, which package syscall does not have on amd64.
const reusePort = 15

// startFleet runs the fleet, with that niceness, until the test ends.
func startFleet(tb testing.TB, nice int) {
	tb.Helper()
	if os.Getenv(programEnv) == "" {
		tb.Fatal("run scripts/bench.sh")
	}
	nft(tb, firewall)
	tb.Cleanup(func() { nft(tb, "delete table inet fleet\n") })
	for range fleetProcesses {
		startFleetProcess(tb, nice)
	}
}

func startFleetProcess(tb testing.TB, nice int) {
	tb.Helper()
	cmd := self(tb, "fleet")
	cmd.Args = append([]string{"nice", "-n", strconv.Itoa(nice)}, cmd.Args...)
	cmd.Path, cmd.Err = exec.LookPath("nice")
	cmd.Env = append(cmd.Env, "GOGC=400", "GOMAXPROCS=1") // it takes no more than it must
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		tb.Fatal("the fleet does not start")
	}
	tb.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the fleet: %v", err)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "listening\n" {
		tb.Fatalf("the fleet says %q, %v", line, err)
	}
}

// self is this test binary in another role.
func self(tb testing.TB, role string, args ...string) *exec.Cmd {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), path, args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// nft changes the namespace's firewall.
func nft(tb testing.TB, script string) {
	tb.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("nft: %v\n%s%s", err, script, out)
	}
}

// setPorts sets the ports that the namespace gives to connects.
func setPorts(tb testing.TB, first, last int) {
	tb.Helper()
	text := fmt.Sprintf("%d %d\n", first, last)
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(text), 0); err != nil {
		tb.Fatal(err)
	}
}

// dropped counts the packets that the fleet's listeners or the loopback had no
// room for: then this machine is too slow for the simulation, and a host that
// the client calls dead was.
func dropped(tb testing.TB) int {
	tb.Helper()
	total := 0
	var names []string
	for _, fields := range table(tb, "/proc/self/net/netstat") {
		switch {
		case fields[0] != "TcpExt:":
		case names == nil:
			names = fields
		default:
			for _, name := range []string{"ListenOverflows", "TCPReqQFullDrop", "TCPReqQFullDoCookies"} {
				if i := slices.Index(names, name); i > 0 {
					n, _ := strconv.Atoi(fields[i])
					total += n
				}
			}
		}
	}
	for _, fields := range table(tb, "/proc/net/softnet_stat") { // a line a processor: processed, dropped, ..
		n, _ := strconv.ParseInt(fields[1], 16, 64)
		total += int(n)
	}
	return total
}

// table reads a file of fields with white space between.
func table(tb testing.TB, name string) [][]string {
	tb.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	var lines [][]string
	for line := range strings.Lines(string(b)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}
