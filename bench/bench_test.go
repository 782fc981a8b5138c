//go:build bench && linux

// Package bench_test measures the gpreach program against a simulated fleet, beside a client that does the least that
// can be done. scripts/bench.sh builds both and runs them in a network namespace of their own, where a local route
// gives one process millions of addresses:
//
//	make bench
//	bash scripts/bench.sh -test.run '^$' -test.bench Sweep -test.benchtime 10000x -test.cpuprofile cpu.out
package bench_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// The environment that scripts/bench.sh and this package's own processes set.
const (
	programEnv = "GPREACH_BENCH_PROGRAM" // the gpreach that is measured
	roleEnv    = "GPREACH_BENCH_ROLE"    // makes this test binary something else
)

func TestMain(m *testing.M) {
	role, ok := map[string]func() error{"": nil, "fleet": serveFleet, "yardstick": runYardstick}[os.Getenv(roleEnv)]
	switch {
	case !ok:
		fmt.Fprintf(os.Stderr, "%s: no such role\n", roleEnv)
		os.Exit(2)
	case role == nil:
		os.Exit(m.Run())
	}
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A figure is a row of the table.
type figure struct {
	what, measured, wanted string
	met                    bool
}

// Without these flags gpreach asks on two more connections than the yardstick.
var fiveConnections = []string{"--no-identify", "--no-wmi-port"}

// timeout is the default of --timeout.
const timeout = 2 * time.Second

// TestFigures measures everything.
func TestFigures(t *testing.T) {
	var table []figure
	for _, part := range []struct {
		about    string
		nice     int // of the fleet
		measures []func(*testing.T) []figure
	}{
		{"what it costs", 0, []func(*testing.T) []figure{roundTrips, processorTime, manyHosts, manyFailures, silentHosts}},
		// Hosts have processors of their own, whatever the client does to this machine's: so the fleet goes first.
		{"whether it is right", -20, []func(*testing.T) []figure{highConcurrency, fewPorts, fewDescriptors, lostPackets}},
		{"what serving costs", 0, []func(*testing.T) []figure{servedHosts}},
	} {
		t.Run(part.about, func(t *testing.T) {
			startFleet(t, part.nice)
			for _, measure := range part.measures {
				table = append(table, measure(t)...)
			}
		})
	}
	tell(t, table)
}

// tell prints the table, and fails where a figure is not what it should be.
func tell(t *testing.T, table []figure) {
	t.Helper()
	fmt.Printf("\n%s\n\n| Figure | Measured | Wanted | |\n|---|---|---|---|\n", machine(t))
	for _, f := range table {
		fmt.Printf("| %s | %s | %s | %s |\n", f.what, f.measured, f.wanted, f.verdict())
	}
	fmt.Println()
	for _, f := range table {
		if f.verdict() == notMet {
			t.Errorf("%s: %s", notMet, f.what)
		}
	}
}

const notMet = "NOT MET"

func (f figure) verdict() string {
	switch {
	case f.wanted == "": // told for comparison
		return ""
	case f.met:
		return "met"
	}
	return notMet
}

// roundTrips measures the time of a probe, in round trips so long that nothing
// else counts. Probe's TestFiveRoundTrips holds it exactly.
func roundTrips(t *testing.T) []figure {
	const rtt = 700 * time.Millisecond
	addr := netip.MustParseAddr("10.77.0.1")
	h := winhost.Client("ws-001.corp.example", addr)
	h.RTT = rtt
	p := prober()
	p.NoIdentify, p.NoWMIPort, p.Dial = false, false, winhost.NewNetwork(h).Dial
	r := p.Probe(t.Context(), probe.Target{Name: addr.String()}, nil)
	trips := float64(r.Elapsed) / float64(rtt)
	return []figure{{"round trips a host, with all defaults", fmt.Sprintf("%.1f", trips), "5.0", trips < 5.05}}
}

// processorTime compares the processes' own processor time, the least of some
// runs that take turns.
func processorTime(t *testing.T) []figure {
	const turns = 3
	whom := crowd{healthy: 10_000}
	var bare, alive, five, full run
	for range turns {
		bare = bare.cheaper(yardstick(t, whom, false))
		five = five.cheaper(gpreach(t, whom, descriptorLimit(t), fiveConnections...))
		alive = alive.cheaper(yardstick(t, whom, true))
		full = full.cheaper(gpreach(t, whom, descriptorLimit(t)))
	}
	ratio := func(a, b run) float64 { return float64(a.processor()) / float64(b.processor()) }
	return []figure{
		{"CPU a host, yardstick: 5 connections, 7 exchanges", bare.cpu(), "", true},
		{"CPU a host, yardstick with ServerAlive2: 5 connections, 9 exchanges", alive.cpu(), "", true},
		{"CPU a host, gpreach " + strings.Join(fiveConnections, " "), five.cpu(), "", true},
		{"CPU a host, gpreach with defaults: 7 connections", full.cpu(), "", true},
		{"gpreach without identity and 24158, to the yardstick", fmt.Sprintf("%.2f", ratio(five, bare)), "at most 1.50", ratio(five, bare) <= 1.5},
		{"the same, to the yardstick with ServerAlive2", fmt.Sprintf("%.2f", ratio(five, alive)), "", true},
		{"gpreach with defaults, to the yardstick", fmt.Sprintf("%.2f", ratio(full, bare)), "", true},
	}
}

// manyHosts measures memory.
func manyHosts(t *testing.T) []figure {
	const most = 100
	r := gpreach(t, crowd{healthy: 60_000}, descriptorLimit(t))
	return []figure{
		{"60,000 hosts to ndjson, peak memory", fmt.Sprintf("%.0f MiB", r.peakMiB()), fmt.Sprintf("under %d MiB", most), r.peakMiB() < most},
		{"60,000 hosts to ndjson, wall time", fmt.Sprintf("%.1f s, %.0f hosts/s", r.wall.Seconds(), float64(r.hosts)/r.wall.Seconds()), "", true},
		r.wrongVerdicts("60,000 hosts to ndjson"),
	}
}

// manyFailures measures the memory of each output where every host has much to
// tell: why it cannot be reached.
func manyFailures(t *testing.T) []figure {
	const most = 300
	whom := crowd{refusing: 100_000}
	var figures []figure
	for _, output := range []struct {
		format, holds string
		times         int
	}{
		{"table", "100000 hosts asked", 1},
		{"json", `"schema":1`, whom.len()},
		{"ndjson", `"schema":1`, whom.len()},
		{"html", `id="part-1562"`, 1}, // the last 32 hosts; 64 are in a part
	} {
		check(t, whom, descriptorLimit(t), []string{"-o", output.format}, func(r run, results string) {
			if n := occurrences(t, results, output.holds); n != output.times {
				t.Errorf("%s holds %s %d times, want %d", output.format, output.holds, n, output.times)
			}
			figures = append(figures, figure{
				fmt.Sprintf("100,000 unreachable hosts to %s, peak memory", output.format),
				fmt.Sprintf("%.0f MiB, %.1f s", r.peakMiB(), r.wall.Seconds()), fmt.Sprintf("under %d MiB", most), r.peakMiB() < most,
			})
		})
	}
	return figures
}

// occurrences counts a text in a file that is too large to be held: what this
// process holds is counted for those that it begins.
func occurrences(t *testing.T, path, text string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, kept := 0, []byte(nil)
	for block := make([]byte, 1<<20); ; {
		read, err := f.Read(block)
		kept = append(kept, block[:read]...)
		n += bytes.Count(kept, []byte(text))
		if err != nil {
			return n
		}
		kept = append([]byte(nil), kept[max(0, len(kept)-len(text)+1):]...) // where one may have begun
	}
}

// silentHosts measures that hosts that do not answer keep nobody waiting.
func silentHosts(t *testing.T) []figure {
	others := gpreach(t, crowd{healthy: 9_000}, descriptorLimit(t))
	mixed := gpreach(t, crowd{healthy: 9_000, silent: 1_000}, descriptorLimit(t))
	budget := others.wall + timeout
	share := mixed.wall.Seconds() / budget.Seconds()
	return []figure{
		{
			"10,000 hosts, a tenth silent, wall time",
			fmt.Sprintf("%.1f s; 9,000 without %.1f s; %.2f of that and a timeout", mixed.wall.Seconds(), others.wall.Seconds(), share),
			"at most 1.15", share <= 1.15,
		},
		mixed.wrongVerdicts("10,000 hosts, a tenth silent"),
	}
}

func highConcurrency(t *testing.T) []figure {
	whom := crowd{healthy: 20_000}
	return []figure{
		gpreach(t, whom, descriptorLimit(t), "--concurrency", "10000").wrongVerdicts("20,000 hosts, --concurrency 10000"),
	}
}

// fewPorts leaves the client few ports of its own. Linux lets connections to
// different addresses share one, so only as few as two run out: to 135 a host
// gets three connections.
func fewPorts(t *testing.T) []figure {
	setPorts(t, 40_000, 44_095)
	some := gpreach(t, crowd{healthy: 60_000}, descriptorLimit(t))
	setPorts(t, 40_000, 40_001)
	two := gpreach(t, crowd{healthy: 5_000}, descriptorLimit(t))
	setPorts(t, 1_024, 65_000)
	return []figure{
		some.wrongVerdicts("60,000 hosts, 4,096 ephemeral ports"),
		two.wrongVerdicts("5,000 hosts, 2 ephemeral ports"),
	}
}

func fewDescriptors(t *testing.T) []figure {
	r := gpreach(t, crowd{healthy: 10_000}, 512)
	return []figure{r.wrongVerdicts("10,000 hosts, 512 descriptors")}
}

// lostPackets drops packets at random, in both directions.
func lostPackets(t *testing.T) []figure {
	lose := "table inet loss {\n chain input {\n type filter hook input priority -10\n numgen random mod 100 == 0 drop\n }\n}\n"
	nft(t, lose)
	r := gpreach(t, crowd{healthy: 20_000}, descriptorLimit(t))
	nft(t, "delete table inet loss\n")
	return []figure{r.wrongVerdicts("20,000 hosts, 1 % of packets lost")}
}

// machine tells in a line what this was measured on.
func machine(t *testing.T) string {
	file := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.TrimSpace(b))
	}
	model := "unknown processor"
	for line := range strings.Lines(file("/proc/cpuinfo")) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	memory := strings.Fields(file("/proc/meminfo"))[1] // MemTotal
	return fmt.Sprintf("%d × %s, %s KiB of memory, Linux %s, %s, %d descriptors a process; load average %s",
		runtime.NumCPU(), model, memory, file("/proc/sys/kernel/osrelease"), runtime.Version(), descriptorLimit(t), file("/proc/loadavg"))
}
