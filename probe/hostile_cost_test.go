package probe_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// A ledger counts what this program's own code allocates, by the stacks of the
// memory profile: not what the simulated host and the test allocate beside it.
type ledger struct {
	records []runtime.MemProfileRecord
	own     map[[32]uintptr]bool // by stack
	before  int64
}

// spent returns the bytes allocated since it was last asked.
func (l *ledger) spent() int64 {
	runtime.GC() // the profile is as old as the collection before the last
	runtime.GC()
	n, ok := runtime.MemProfile(l.records, true)
	for !ok {
		l.records = make([]runtime.MemProfileRecord, 2*n)
		n, ok = runtime.MemProfile(l.records, true)
	}
	var total int64
	for i := range l.records[:n] {
		r := &l.records[i]
		own, known := l.own[r.Stack0]
		if !known {
			own = isOwn(r.Stack())
			l.own[r.Stack0] = own
		}
		if own {
			total += r.AllocBytes
		}
	}
	spent := total - l.before
	l.before = total
	return spent
}

// isOwn reports whether a stack leads through the packages that probe, and not
// through winhost.
func isOwn(stack []uintptr) bool {
	own := false
	frames := runtime.CallersFrames(stack)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		name, _ := strings.CutPrefix(f.Function, "github.com/gpreach/gpreach/")
		if strings.HasPrefix(name, "internal/winhost.") {
			return false
		}
		own = own || strings.HasPrefix(name, "probe.") || strings.HasPrefix(name, "rpc.") || strings.HasPrefix(name, "smb.")
	}
	return own
}

// No kind, and no host that does the worst of each at once, makes a probe
// allocate more than 256 KiB above what a healthy host takes, all allocations of
// the whole probe added up. Most kinds cost so little that six together stay
// below the bound for one.
func TestHostileCost(t *testing.T) {
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 1
	l := &ledger{own: map[[32]uintptr]bool{}}
	cost := func(changes ...change) int64 {
		for _, c := range changes {
			bubble(t, func(t *testing.T) { probeAddr(t, c.make) })
		}
		return l.spent()
	}
	cost() // what other tests spent
	healthy := cost(change{"", func(*probe.Prober, *winhost.Host) {}})
	if healthy < 8<<10 {
		t.Fatalf("a healthy host costs %d bytes, so something is not counted", healthy)
	}
	var changes []change
	for port, kinds := range hostileKinds() {
		for _, k := range kinds {
			changes = append(changes, change{fmt.Sprintf("%d %s", port, k.Name), spoil(port, k)})
		}
	}
	for some := range slices.Chunk(changes, 6) {
		if cost(some...) <= healthy+256<<10 {
			continue
		}
		for _, c := range some {
			if spent := cost(c); spent > healthy+256<<10 {
				t.Errorf("%s: %d KiB, a healthy host %d KiB", c.name, spent>>10, healthy>>10)
			}
		}
	}
	spent := cost(change{"", worst})
	t.Logf("a healthy host costs %d KiB, the worst %d KiB", healthy>>10, spent>>10)
	if spent > healthy+256<<10 || spent < healthy+128<<10 {
		t.Errorf("the worst of each: %d KiB, a healthy host %d KiB", spent>>10, healthy>>10)
	}
}

// A change makes a healthy client hostile.
type change struct {
	name string
	make func(*probe.Prober, *winhost.Host)
}

// hostileKinds returns every kind by a port that it concerns.
func hostileKinds() map[uint16][]winhost.Hostile {
	return map[uint16][]winhost.Hostile{
		445: slices.Concat(winhost.HostileTCP(), winhost.HostileSMB()),
		135: slices.Concat(winhost.HostileTCP(), winhost.HostileBind(), winhost.HostileResponse(),
			winhost.HostileTower(), winhost.HostileAlive(), winhost.HostileChallenge()),
		49668: slices.Concat(winhost.HostileTCP(), winhost.HostileBind()),
	}
}

// worst does at once what costs most on each connection.
func worst(p *probe.Prober, h *winhost.Host) {
	names := []string{
		"16 KiB, all there", "call: 46 KiB, then a fault",
		"ServerAlive2: empty names by the thousand", "challenge: five thousand bytes of a name",
	}
	for port, kinds := range hostileKinds() {
		for _, k := range kinds {
			if slices.Contains(names, k.Name) {
				spoil(port, k)(p, h)
			}
		}
	}
}
