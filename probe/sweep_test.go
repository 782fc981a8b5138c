package probe_test

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// dark returns n targets with nothing behind them.
func dark(n int) iter.Seq[probe.Target] {
	return func(yield func(probe.Target) bool) {
		for i := range n {
			if !yield(probe.Target{Name: fmt.Sprintf("10.78.%d.%d", i/256, i%256), Index: i}) {
				return
			}
		}
	}
}

// A thousand silent hosts, fifty at a time, 2 s each: every one once, in 40 s.
func TestSweep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		var seen []int
		for r := range prober(winhost.NewNetwork()).Sweep(t.Context(), dark(1000), probe.Plan{Concurrency: 50}) {
			seen = append(seen, r.Target.Index)
		}
		took := time.Since(start)
		slices.Sort(seen)
		if len(slices.Compact(seen)) != 1000 || took != 40*time.Second {
			t.Errorf("%d reports in %v", len(seen), took)
		}
	})
}

// The order is shuffled, so that one subnet is not hit at once.
func TestSweepShuffles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen []int
		for r := range prober(winhost.NewNetwork()).Sweep(t.Context(), dark(50), probe.Plan{Concurrency: 1}) {
			seen = append(seen, r.Target.Index)
		}
		if len(seen) != 50 || slices.IsSorted(seen) {
			t.Errorf("asked in the order %v", seen)
		}
	})
}

func TestSweepRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start, n := time.Now(), 0
		for range prober(winhost.NewNetwork()).Sweep(t.Context(), dark(101), probe.Plan{Concurrency: 200, Rate: 10}) {
			n++
		}
		if took := time.Since(start); n != 101 || took != 12*time.Second { // the last is begun after 10 s
			t.Errorf("%d reports in %v", n, took)
		}
	})
}

// The resolver is asked for 64 names at a time, and the time spent waiting for
// a turn is nobody's: a slow resolver is not a failed one.
func TestSweepLookups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := winhost.NewNetwork()
		for i := range 640 {
			n.Names[fmt.Sprintf("ws-%d", i)] = winhost.Record{Addrs: []netip.Addr{hostAddr}, Delay: 4 * time.Second}
		}
		var mu sync.Mutex
		asking, most := 0, 0
		p := prober(n)
		p.Lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
			mu.Lock()
			asking++
			most = max(most, asking)
			mu.Unlock()
			defer func() {
				mu.Lock()
				asking--
				mu.Unlock()
			}()
			return n.Lookup(ctx, name)
		}
		names := func(yield func(probe.Target) bool) {
			for i := range 640 {
				if !yield(probe.Target{Name: fmt.Sprintf("ws-%d", i), Index: i}) {
					return
				}
			}
		}
		for r := range p.Sweep(t.Context(), names, probe.Plan{Concurrency: 640}) {
			if step, ok := r.Resolution(); !ok || step.Outcome != probe.OK || step.Elapsed != 4*time.Second {
				t.Fatalf("%s: %+v", r.Target.Name, step)
			}
		}
		if most != 64 {
			t.Errorf("%d lookups at once", most)
		}
	})
}

// A rate so small that its gap overflows is still no licence to flood.
func TestSweepTinyRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := winhost.NewNetwork()
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		for range prober(n).Sweep(ctx, dark(5), probe.Plan{Concurrency: 5, Rate: 1e-12}) {
		}
		hosts := map[string]bool{}
		for _, d := range n.Dialled() {
			host, _, _ := strings.Cut(d, ":")
			hosts[host] = true
		}
		if len(hosts) != 1 {
			t.Errorf("%d hosts were begun within the hour", len(hosts))
		}
	})
}

// Leaving the loop stops everything; the bubble would not end otherwise.
func TestSweepLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.78.0.7"))
		start := time.Now()
		for r := range prober(winhost.NewNetwork(h)).Sweep(t.Context(), dark(100), probe.Plan{Concurrency: 100}) {
			if r.Target.Index != 7 {
				t.Errorf("%s came first", r.Target.Name)
			}
			break
		}
		if took := time.Since(start); took != 102*time.Millisecond {
			t.Errorf("left after %v", took)
		}
	})
}

// Ctrl-C: the hosts that were begun are reported, no other is.
func TestSweepInterrupted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, stop)
		finished, canceled := 0, 0
		for r := range prober(winhost.NewNetwork()).Sweep(ctx, dark(1000), probe.Plan{Concurrency: 10}) {
			switch s := r.Findings[0].Trail[0]; s.Outcome {
			case probe.Timeout:
				finished++
			case probe.Canceled:
				canceled++
			default:
				t.Errorf("%s: %s", r.Target.Name, s.Outcome)
			}
		}
		if finished != 10 || canceled != 10 {
			t.Errorf("%d finished, %d canceled", finished, canceled)
		}
	})
}
