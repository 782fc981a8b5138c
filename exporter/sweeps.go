package exporter

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// Run sweeps until ctx ends, each sweep in rounds of its own. When another
// configuration comes into force, the sweeps of the last one end and its own
// begin.
func (e *Exporter) Run(ctx context.Context) {
	for ctx.Err() == nil {
		g := e.generation()
		inForce, retire := context.WithCancel(ctx)
		var running sync.WaitGroup
		for i := range g.settings.Sweeps {
			running.Go(func() { e.repeat(inForce, g, i) })
		}
		select {
		case <-g.retired:
		case <-ctx.Done():
		}
		retire()
		running.Wait()
		e.reloading.Lock()
		e.metrics.forget(e.generation())
		e.reloading.Unlock()
	}
}

// repeat asks a sweep's targets at once, and then an interval after each round
// began, give or take a tenth, so that sweeps and exporters that started together
// drift apart. A round that takes longer delays the next one, which begins right
// after: rounds of a sweep never overlap.
func (e *Exporter) repeat(ctx context.Context, g *generation, sweep int) {
	s := g.settings.Sweeps[sweep]
	for rate := s.Rate; ctx.Err() == nil; {
		begun := time.Now()
		rate = gentle(s, e.sweepOnce(ctx, g, sweep, rate))
		jittered := time.Duration(float64(s.Interval) * (0.9 + 0.2*rand.Float64()))
		next := time.NewTimer(time.Until(begun.Add(jittered)))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
		}
	}
}

// gentle returns how many hosts a second the round after one of so many targets
// begins: all of them within half of the interval, and never faster than the
// sweep's rate.
func gentle(s Sweep, targets int) float64 {
	rate := float64(targets) / (s.Interval / 2).Seconds()
	if s.Rate > 0 {
		rate = min(rate, s.Rate)
	}
	return rate
}

// sweepOnce asks every target of a sweep, and returns how many there are. What an
// ended ctx left unfinished is shown nowhere: the reports of the last round stand.
func (e *Exporter) sweepOnce(ctx context.Context, g *generation, sweep int, rate float64) (targets int) {
	s := g.settings.Sweeps[sweep]
	prober := *g.prober
	prober.Excluded = s.Targets.Excluded
	var endLogon func()
	prober.Authenticate, endLogon = e.logOn(ctx, g, sweep)
	defer endLogon()
	start, hosts, n := time.Now(), 0, make(map[probe.OperationStatus]int)
	for r := range e.sweep(&prober, ctx, g.targets(sweep), g.plan(sweep, rate)) {
		if ctx.Err() != nil {
			return targets
		}
		targets++
		e.board.put(r, true)
		if r.Excluded {
			continue
		}
		e.metrics.finished(r)
		hosts++
		for _, o := range r.Operations {
			n[probe.OperationStatus{Operation: o.Operation, Status: o.Status}]++
		}
	}
	if ctx.Err() != nil {
		return targets
	}
	took := time.Since(start)
	e.metrics.swept(s.Name, took)
	attrs := []any{"sweep", s.Name, "hosts", hosts, "seconds", took.Seconds()}
	for _, op := range s.Asked {
		var statuses []any
		for _, status := range probe.Statuses() {
			statuses = append(statuses, slog.Int(string(status), n[probe.OperationStatus{Operation: op, Status: status}]))
		}
		attrs = append(attrs, slog.Group(string(op), statuses...))
	}
	e.config.Log.Info("sweep finished", attrs...)
	return targets
}
