package exporter

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/probe"
)

// The reasons for which a request is turned away: a closed list, fit for a
// metric's label.
const (
	forbidden  = "forbidden"   // the target is not allowed
	badRequest = "bad_request" // no such request can be answered
	wrongHost  = "host"        // the request was meant for another host
	busy       = "busy"        // max_in_flight probes are in the air
	broken     = "internal"    // a probe panicked
	debugOff   = "debug"       // debug=true is not allowed
	foreign    = "origin"      // another origin's page wanted a change
)

// metrics are the exporter's own, in the registry that /metrics shows.
type metrics struct {
	registry     *prometheus.Registry
	probeSeconds prometheus.Histogram
	probes       prometheus.Counter
	rejected     *prometheus.CounterVec
	reloaded     prometheus.Gauge
	reloadTime   prometheus.Gauge

	sweepSeconds, sweepFinished, sweepInterval *prometheus.GaugeVec

	sweeps []string // that have series; guarded by Exporter.reloading

	mu     sync.Mutex
	rounds map[string]page.Sweep // the last finished round of each sweep
}

func newMetrics(version string, e *Exporter) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		rounds:   map[string]page.Sweep{},
		probeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "gpreach_probe_duration_seconds",
			Help:                            "How long the probes of a host took, for /probe and sweeps alike.",
			Buckets:                         []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		probes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gpreach_probes_total", Help: "Probes of a host that finished, for /probe and sweeps alike.",
		}),
		sweepSeconds:  sweepGauge("gpreach_sweep_duration_seconds", "How long the last finished round of the sweep took; 0 before the first."),
		sweepFinished: sweepGauge("gpreach_sweep_timestamp_seconds", "When the last finished round of the sweep ended, in Unix time; 0 before the first."),
		sweepInterval: sweepGauge("gpreach_sweep_interval_seconds", "How long after the beginning of a round of the sweep the next one is due."),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gpreach_probe_rejected_total",
			Help: "Requests turned away: forbidden targets, bad, debug and too many requests and internal errors at /probe, and requests anywhere that name another host or come from another origin.",
		}, []string{"reason"}),
		reloaded:   gauge("gpreach_config_last_reload_successful", "Whether the last configuration was taken; without a file it is the command line's."),
		reloadTime: gauge("gpreach_config_last_reload_success_timestamp_seconds", "When the configuration in force was taken, in Unix time."),
	}
	for _, reason := range []string{forbidden, badRequest, wrongHost, busy, broken, debugOff, foreign} {
		m.rejected.WithLabelValues(reason)
	}
	buildInfo := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gpreach_build_info", Help: "The version of gpreach and of the Go that built it; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	buildInfo.Set(1)
	m.registry.MustRegister(
		m.probeSeconds, m.probes, m.sweepSeconds, m.sweepFinished, m.sweepInterval, m.rejected, m.reloaded, m.reloadTime, buildInfo,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gpreach_probes_in_flight", Help: "Probes that callers of /probe are waiting for; callers of one target share one.",
		}, func() float64 { return float64(e.flights.count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gpreach_credential_stop", Help: "Whether a failed logon has stopped every use of the credential, until a reload; 0 without a credential.",
		}, func() float64 { return number(e.generation().brake.isPulled()) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func sweepGauge(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"sweep"})
}

// took notes that a configuration came into force.
func (m *metrics) took(g *generation) {
	m.reloaded.Set(1)
	m.reloadTime.SetToCurrentTime()
	for _, s := range g.settings.Sweeps {
		m.sweeps = append(m.sweeps, s.Name)
		m.sweepSeconds.WithLabelValues(s.Name)
		m.sweepFinished.WithLabelValues(s.Name)
		m.sweepInterval.WithLabelValues(s.Name).Set(s.Interval.Seconds())
	}
}

// forget drops the series of sweeps that are not in force. None of them runs.
func (m *metrics) forget(g *generation) {
	for _, name := range m.sweeps {
		if !slices.ContainsFunc(g.settings.Sweeps, func(s Sweep) bool { return s.Name == name }) {
			m.sweepSeconds.DeleteLabelValues(name)
			m.sweepFinished.DeleteLabelValues(name)
			m.sweepInterval.DeleteLabelValues(name)
			m.mu.Lock()
			delete(m.rounds, name)
			m.mu.Unlock()
		}
	}
	m.sweeps = nil
	for _, s := range g.settings.Sweeps {
		m.sweeps = append(m.sweeps, s.Name)
	}
}

// swept notes that a round of a sweep ended just now.
func (m *metrics) swept(name string, took time.Duration) {
	m.sweepSeconds.WithLabelValues(name).Set(took.Seconds())
	m.sweepFinished.WithLabelValues(name).SetToCurrentTime()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rounds[name] = page.Sweep{Finished: time.Now(), Took: took}
}

// sweepsOf returns how the sweeps of a configuration stand.
func (m *metrics) sweepsOf(g *generation) []page.Sweep {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []page.Sweep{}
	for _, s := range g.settings.Sweeps {
		round := m.rounds[s.Name]
		round.Name, round.Interval = s.Name, s.Interval
		all = append(all, round)
	}
	return all
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// finished counts a probe.
func (m *metrics) finished(r *probe.Report) {
	m.probes.Inc()
	m.probeSeconds.Observe(r.Elapsed.Seconds())
}

// probeRegistry returns a registry that shows one report and nothing else. It
// is made anew for each, so that scrapes may overlap.
func probeRegistry(r *probe.Report, budget time.Duration) *prometheus.Registry {
	success := gauge("probe_success", "Whether no asked operation is unreachable, denied or silent.")
	success.Set(number(r.Accepted(probe.StatusUnproven)))
	duration := gauge("probe_duration_seconds", "How long the probe took.")
	duration.Set(r.Elapsed.Seconds())
	timeout := gauge("probe_timeout_seconds", "How long the probe was allowed to take.")
	timeout.Set(budget.Seconds())

	registry := prometheus.NewRegistry()
	registry.MustRegister(success, duration, timeout, prometheus.CollectorFunc(func(ch chan<- prometheus.Metric) {
		freshDescs().send(ch, seriesOf(r))
	}))
	return registry
}
