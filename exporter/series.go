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
	reportTime // of swept hosts alone
)

// A description is what a family of series is called, means and is told apart by.
type description struct {
	name, help string
	cached     string   // what else is so of a swept host's
	labels     []string // beside the target of a swept host
}

const cachedNote = " A cached result of the last sweep: see gpreach_report_timestamp_seconds."

// families describes the series of a host. All their label values come from
// closed lists.
func families() []description { return described }

// described is never changed.
var described = []description{
	operationInfo: {
		"gpreach_operation_info", "The status of each asked operation on the host; always 1.", cachedNote,
		[]string{"operation", "status"},
	},
	operationReady: {
		"gpreach_operation_ready", "Whether the operation is ready on the host: every firewall rule that it needs lets us through and, where there is a credential, the account is let in.", cachedNote,
		[]string{"operation"},
	},
	ruleReachable: {
		"gpreach_rule_reachable", "Whether the service behind the firewall rule can be reached; absent where that is unknown.", cachedNote,
		[]string{"rule"},
	},
	ruleFailure: {
		"gpreach_rule_failure_info", "The stage at which the way to a rule's service broke and what came of it; always 1, absent unless the rule is unreachable or its access denied.", cachedNote,
		[]string{"rule", "stage", "outcome"},
	},
	ruleAccess: {
		"gpreach_rule_access_granted", "Whether the credential was let in behind the firewall rule; absent where that was not tested.", cachedNote,
		[]string{"rule"},
	},
	reportTime: {
		"gpreach_report_timestamp_seconds", "When the sweep's probe of the target began, in Unix time: how old the target's cached series are.", "",
		nil,
	},
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
func freshDescs() descs {
	var d descs
	for _, f := range families()[:reportTime] {
		d = append(d, prometheus.NewDesc(f.name, f.help, f.labels, nil))
	}
	return d
}

// send sends the series as metrics.
func (d descs) send(ch chan<- prometheus.Metric, all []series) {
	for _, s := range all {
		m, err := prometheus.NewConstMetric(d[s.family], prometheus.GaugeValue, s.value, s.labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(d[s.family], err)
		}
		ch <- m
	}
}
