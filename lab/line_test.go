//go:build lab && linux

package lab_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gpreach/gpreach/internal/winhost"
)

// A line joins two networks by a TUN device in each, as a bad line does: what goes into one device comes out of the
// other later, perhaps after what came behind it, or not at all. It is for kernels without netem.
type line struct {
	delay, spread time.Duration // one way: delay, and up to spread more, for each packet on its own
	loss          float64       // of the packets, each way

	mu                       sync.Mutex
	carried, lost, overtaken int
	newest                   [2]int // the last packet, by number, that came out of either end
}

// lines is what the tests' line is like: at 1 % each way, two packets in a hundred cost a round trip its answer.
var lines = line{delay: 20 * time.Millisecond, spread: 20 * time.Millisecond, loss: 0.01}

// carry moves packets from one device to the other until from is closed.
func (l *line) carry(end int, from, to *os.File) {
	packet := make([]byte, 64<<10)
	for number := 1; ; number++ {
		n, err := from.Read(packet)
		if err != nil {
			return
		}
		if rand.Float64() < l.loss {
			l.mu.Lock()
			l.lost++
			l.mu.Unlock()
			continue
		}
		late := append([]byte(nil), packet[:n]...)
		time.AfterFunc(l.delay+rand.N(l.spread), func() {
			l.mu.Lock()
			l.carried++
			if number < l.newest[end] {
				l.overtaken++
			}
			l.newest[end] = max(l.newest[end], number)
			l.mu.Unlock()
			_, _ = to.Write(late) // it fails once the line is cut
		})
	}
}

// openTUN makes a TUN device in this process's network namespace, which is there until the file is closed.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

const (
	farEnv  = "GPREACH_LAB_FAR" // makes this test binary the far end of a line
	lineDev = "line0"
	nearIP  = "10.78.0.1"
	farNet  = "10.78.1.0/24" // every address is a healthy client's
)

// ip configures this process's network namespace, a command a line.
func ip(commands string) error {
	cmd := exec.CommandContext(context.Background(), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w\n%s", err, out)
	}
	return nil
}

// far is the process at the far end: it carries the packets between the near device, which it was given, and one of
// its own, and is the hosts there. It ends when its standard input does, and then tells what it carried.
func far() error {
	near := os.NewFile(3, lineDev)
	tun, err := openTUN(lineDev)
	if err != nil {
		return err
	}
	err = ip("link set lo up\nlink set " + lineDev + " up\nroute add " + nearIP + " dev " + lineDev +
		"\nroute add local " + farNet + " dev lo\n")
	if err != nil {
		return err
	}
	var carrying sync.WaitGroup
	carrying.Go(func() { lines.carry(0, near, tun) })
	carrying.Go(func() { lines.carry(1, tun, near) })

	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.78.1.1"))
	left := len(h.Ports)
	err = h.Listen(ctx, func(port uint16) (net.Listener, error) {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort("0.0.0.0", strconv.Itoa(int(port))))
		if left--; err == nil && left == 0 {
			fmt.Println("listening")
		}
		return l, err
	})
	near.Close()
	tun.Close()
	carrying.Wait()
	lines.mu.Lock()
	defer lines.mu.Unlock()
	fmt.Println(lines.carried, lines.lost, lines.overtaken)
	return err
}

// Two hundred and more healthy hosts at the end of a line with a delay, which loses packets and lets them overtake
// each other: none is misjudged.
func TestBadLine(t *testing.T) {
	near, err := openTUN(lineDev)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if err := ip("addr add " + nearIP + "/32 dev " + lineDev + "\nlink set " + lineDev + " up\nroute add " + farNet + " dev " + lineDev + "\n"); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Env = append(os.Environ(), farEnv+"=1")
	cmd.ExtraFiles = []*os.File{near}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	pipe, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	if line, err := out.ReadString('\n'); line != "listening\n" {
		t.Fatalf("the far end says %q, %v", line, err)
	}

	stdout, stderr, code := run(t, "check", farNet, "--rate", "0", "-o", "ndjson", "--accept", "unproven")
	hosts := 0
	for doc := range strings.Lines(stdout) {
		hosts++
		judgeFar(t, doc)
	}
	if code != 0 || hosts != 254 {
		t.Errorf("exit %d, %d hosts\n%s", code, hosts, stderr)
	}

	in.Close()
	told, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	var carried, lost, overtaken int
	if _, err := fmt.Sscan(string(told), &carried, &lost, &overtaken); err != nil || carried < 50*hosts || lost == 0 || overtaken == 0 {
		t.Errorf("the line is none: it carried %d packets, lost %d, and %d were overtaken (%v)", carried, lost, overtaken, err)
	}
	t.Logf("%d packets carried, %d lost, %d overtaken", carried, lost, overtaken)
}

// judgeFar judges what was found of a healthy host, who cannot be asked in less than five round trips.
func judgeFar(t *testing.T, doc string) {
	t.Helper()
	var host struct {
		report
		Elapsed float64 `json:"elapsed_ms"`
	}
	if err := json.Unmarshal([]byte(doc), &host); err != nil {
		t.Fatal(err)
	}
	reachable := 0
	for _, f := range host.Findings {
		if f.Verdict == "reachable" {
			reachable++
		}
	}
	if least := 5 * 2 * float64(lines.delay/time.Millisecond); reachable != 5 || host.Elapsed < least {
		t.Errorf("%d rules are reachable, after %v ms (no less than %v)\n%s", reachable, host.Elapsed, least, doc)
	}
}
