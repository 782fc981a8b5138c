//go:build bench && linux

package bench_test

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/report"
)

// BenchmarkSweep is what `check -o ndjson` does, in this process, to be
// profiled: an operation is a host. BenchmarkSweepYardstick is the yardstick.
func BenchmarkSweep(b *testing.B) {
	startFleet(b, 0)
	p, out := prober(), report.NDJSON(io.Discard)
	targets := func(yield func(probe.Target) bool) {
		i := 0
		for addr := range (crowd{healthy: b.N}).all {
			if !yield(probe.Target{Name: addr.String(), Source: probe.FromFile, Index: i}) {
				return
			}
			i++
		}
	}
	var summary report.Summary
	perHost(b, func() {
		for r := range p.Sweep(b.Context(), targets, probe.Plan{Asked: probe.Operations(), Concurrency: concurrency}) {
			if !r.Accepted(probe.StatusUnproven) {
				b.Errorf("%s: %+v", r.Target.Name, r.Operations)
			}
			summary.Add(r)
			if err := out.Add(r); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkSweepYardstick(b *testing.B) {
	startFleet(b, 0)
	s := listen(false)
	perHost(b, func() {
		if answered, err := s.ask(crowd{healthy: b.N}); err != nil {
			b.Errorf("%d of %d hosts answered: %v", answered, b.N, err)
		}
	})
}

// perHost measures f, which asks b.N hosts: allocations, and this process's
// processor time.
func perHost(b *testing.B, f func()) {
	b.ReportAllocs()
	before := processorTimeSoFar(b)
	b.ResetTimer()
	f()
	b.StopTimer()
	spent := processorTimeSoFar(b) - before
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-µs/op")
}

func processorTimeSoFar(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
