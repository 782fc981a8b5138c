package exporter

import (
	"context"
	"log/slog"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// Run sweeps at once and then every interval until ctx ends. A sweep that
// takes longer than the interval delays the next one, which begins right after.
func (e *Exporter) Run(ctx context.Context) {
	next := time.NewTicker(e.config.Interval)
	defer next.Stop()
	for ctx.Err() == nil {
		e.sweepOnce(ctx)
		select {
		case <-ctx.Done():
		case <-next.C:
		}
	}
}

// sweepOnce asks every target. What an ended ctx left unfinished is shown
// nowhere: the reports of the last sweep stand.
func (e *Exporter) sweepOnce(ctx context.Context) {
	start := time.Now()
	e.board.begin()
	plan := probe.Plan{Asked: e.config.Asked, Concurrency: e.config.Concurrency, Rate: e.config.Rate}
	for r := range e.sweep(ctx, e.config.Targets(), plan) {
		if ctx.Err() != nil {
			return
		}
		if r.Excluded {
			continue
		}
		e.metrics.finished(r)
		e.board.put(r)
	}
	if ctx.Err() != nil {
		return
	}
	e.board.finish()
	took := time.Since(start)
	e.metrics.sweepSeconds.Set(took.Seconds())
	e.metrics.sweepFinished.SetToCurrentTime()
	e.logSweep(took)
}

// logSweep writes the one line about a sweep that finished.
func (e *Exporter) logSweep(took time.Duration) {
	rows := e.board.snapshot()
	n := count(rows)
	attrs := []any{"hosts", len(rows), "seconds", took.Seconds()}
	for _, op := range e.config.Asked {
		var statuses []any
		for _, status := range probe.Statuses() {
			statuses = append(statuses, slog.Int(string(status), n[operationStatus{string(op), string(status)}]))
		}
		attrs = append(attrs, slog.Group(string(op), statuses...))
	}
	e.config.Log.Info("sweep finished", attrs...)
}
