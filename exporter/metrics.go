package exporter

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/gpreach/gpreach/probe"
)

// The reasons for which a request is turned away: a closed list, fit for a
// metric's label.
const (
	forbidden  = "forbidden"   // the target is not one of the sweep's
	badRequest = "bad_request" // no such request can be answered
	wrongHost  = "host"        // the request was meant for another host
)

// metrics are the exporter's own, in the registry that /metrics shows.
type metrics struct {
	registry      *prometheus.Registry
	probeSeconds  prometheus.Histogram
	probes        prometheus.Counter
	inFlight      prometheus.Gauge
	sweepSeconds  prometheus.Gauge
	sweepFinished prometheus.Gauge
	rejected      *prometheus.CounterVec
}

func newMetrics(version string, b *board) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
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
		inFlight:      gauge("gpreach_probes_in_flight", "Probes that callers of /probe are waiting for."),
		sweepSeconds:  gauge("gpreach_sweep_duration_seconds", "How long the last finished sweep took; 0 before the first."),
		sweepFinished: gauge("gpreach_sweep_timestamp_seconds", "When the last finished sweep ended, in Unix time; 0 before the first."),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gpreach_probe_rejected_total",
			Help: "Requests turned away: forbidden targets and bad requests at /probe, and requests anywhere that name another host.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{forbidden, badRequest, wrongHost} {
		m.rejected.WithLabelValues(reason)
	}
	buildInfo := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gpreach_build_info", Help: "The version of gpreach and of the Go that built it; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	buildInfo.Set(1)
	reloaded := gauge("gpreach_config_last_reload_successful", "Whether the last configuration was taken; without a file it is the command line's, which was.")
	reloaded.Set(1)
	reloadTime := gauge("gpreach_config_last_reload_success_timestamp_seconds", "When the configuration in force was taken, in Unix time.")
	reloadTime.SetToCurrentTime()
	m.registry.MustRegister(
		m.probeSeconds, m.probes, m.inFlight, m.sweepSeconds, m.sweepFinished, m.rejected, buildInfo, reloaded, reloadTime,
		gauge("gpreach_credential_stop", "Whether a failed logon has stopped every use of the credential; 0 without a credential."),
		b,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
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
