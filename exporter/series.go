package exporter

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gpreach/gpreach/probe"
)

// A family is an index into families.
type family int

const (
	operationInfo family = iota
	operationReady
	ruleReachable
	ruleFailure
	ruleAccess
)

// A description is what a family of series is called, means and is told apart by.
type description struct {
	name, help string
	labels     []string
}

// families describes the series of a host. All their label values come from
// closed lists.
func families() []description {
	return []description{
		operationInfo: {
			"gpreach_operation_info", "The status of each asked operation on the host; always 1.",
			[]string{"operation", "status"},
		},
		operationReady: {
			"gpreach_operation_ready", "Whether the operation is ready on the host: every firewall rule that it needs lets us through.",
			[]string{"operation"},
		},
		ruleReachable: {
			"gpreach_rule_reachable", "Whether the service behind the firewall rule can be reached; absent where that is unknown.",
			[]string{"rule"},
		},
		ruleFailure: {
			"gpreach_rule_failure_info", "The stage at which the way to a rule's service broke and what came of it; always 1, absent unless the rule is unreachable or its access denied.",
			[]string{"rule", "stage", "outcome"},
		},
		ruleAccess: {
			"gpreach_rule_access_granted", "Whether the credential was let in behind the firewall rule; absent where that was not tested.",
			[]string{"rule"},
		},
	}
}

// A series is one sample about a host. Its labels share the strings of package
// probe, which keeps the board small.
type series struct {
	family family
	value  float64
	labels []string
}

// seriesOf returns what a report says in metrics: at most 20 series, the
// target and the time aside.
func seriesOf(r *probe.Report) []series {
	var all []series
	add := func(f family, value bool, labels ...string) {
		all = append(all, series{f, number(value), labels})
	}
	for _, o := range r.Operations {
		op := string(o.Operation)
		add(operationInfo, true, op, string(o.Status))
		add(operationReady, o.Status == probe.StatusReady, op)
	}
	for _, f := range r.Findings {
		if f.Verdict != probe.Unknown {
			add(ruleReachable, f.Verdict == probe.Reachable, f.Rule.ID)
		}
		if f.Access != probe.Untested {
			add(ruleAccess, f.Access == probe.Granted, f.Rule.ID)
		}
		if step, ok := failure(r, f); ok {
			add(ruleFailure, true, f.Rule.ID, string(step.Stage), string(step.Outcome))
		}
	}
	return slices.Clip(all)
}

// failure returns the step that explains a finding which is a failure: the
// last that is not ok of its own trail, else of the mapper rule's, without
// which no port can be learned.
func failure(r *probe.Report, f probe.Finding) (probe.Step, bool) {
	if f.Verdict != probe.Unreachable && f.Access != probe.Denied {
		return probe.Step{}, false
	}
	if step, ok := f.Trail.Failed(); ok {
		return step, true
	}
	i := slices.IndexFunc(r.Findings, func(m probe.Finding) bool { return m.Rule.Route == probe.ByMapper })
	if i < 0 {
		return probe.Step{}, false
	}
	return r.Findings[i].Trail.Failed()
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// descs holds the descriptor of each family.
type descs []*prometheus.Desc

// freshDescs describes the series of the one host that was probed just now.
func freshDescs() descs { return newDescs("") }

// cachedDescs describes the same series of any swept host.
func cachedDescs() descs {
	return newDescs(" A cached result of the last sweep: see gpreach_report_timestamp_seconds.", "target")
}

func newDescs(note string, target ...string) descs {
	var d descs
	for _, f := range families() {
		d = append(d, prometheus.NewDesc(f.name, f.help+note, slices.Concat(target, f.labels), nil))
	}
	return d
}

// send sends the series as metrics, with the target before their own labels
// where the descriptors want one.
func (d descs) send(ch chan<- prometheus.Metric, all []series, target ...string) {
	for _, s := range all {
		sendGauge(ch, d[s.family], s.value, slices.Concat(target, s.labels)...)
	}
}

// sendGauge sends a metric that is made at the scrape. What cannot be one, such
// as a label that is not UTF-8, costs that series and no other.
func sendGauge(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	ch <- m
}
