// Package exporter shows what a Prober sees to Prometheus: one host probed now
// at /probe, and the cached reports of a repeated sweep at /metrics.
//
// It answers only requests that name this machine, probes only the targets of
// the sweep, and uses no credential.
package exporter

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// Config says what an Exporter probes and how often.
type Config struct {
	Prober *probe.Prober
	// Targets returns the targets of a sweep. It is called once a sweep.
	Targets func() iter.Seq[probe.Target]
	// Find returns the swept target that a name asked for at /probe means;
	// false forbids the name.
	Find        func(name string) (probe.Target, bool)
	Asked       []probe.Operation // what sweeps ask; all when empty
	Interval    time.Duration     // from the start of a sweep to the next; 15 minutes unless positive
	Concurrency int               // hosts of a sweep at a time; at least 1
	Rate        float64           // hosts that a sweep begins a second; 0 is unlimited
	Version     string            // of the program, for gpreach_build_info
	Hosts       []string          // names, beside addresses, under which requests may ask for this machine
	Log         *slog.Logger
}

// An Exporter sweeps its targets and answers for them over HTTP. Handler and
// Run may be used at the same time.
type Exporter struct {
	config  Config
	board   *board
	metrics *metrics

	// probe and sweep are the Prober's, with the time that a host may take.
	probe func(context.Context, probe.Target, []probe.Operation, time.Duration) *probe.Report
	sweep func(context.Context, iter.Seq[probe.Target], probe.Plan) iter.Seq[*probe.Report]
}

// New returns an Exporter that has not swept yet.
func New(c Config) *Exporter {
	if c.Interval <= 0 {
		c.Interval = 15 * time.Minute
	}
	if len(c.Asked) == 0 {
		c.Asked = probe.Operations()
	}
	c.Concurrency = max(c.Concurrency, 1)
	b := newBoard(c.Asked)
	return &Exporter{
		config:  c,
		board:   b,
		metrics: newMetrics(c.Version, b),
		probe: func(ctx context.Context, t probe.Target, asked []probe.Operation, budget time.Duration) *probe.Report {
			p := *c.Prober
			p.Deadline = budget
			return p.Probe(ctx, t, asked)
		},
		sweep: c.Prober.Sweep,
	}
}
