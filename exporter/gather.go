package exporter

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/gpreach/gpreach/probe"
)

// show makes the samples of a row. They share what is the same for many hosts:
// the board's lock is held. A name that no label can hold costs its own samples
// and no others.
func (b *board) show(r *row, all []series) {
	if !utf8.ValidString(r.target.Name) {
		b.log.Warn("no metrics are shown of this target: its name is not UTF-8", "target", r.target.Name)
		return
	}
	target := pair("target", r.target.Name)
	labels := 1 // of the timestamp
	for _, s := range all {
		labels += len(s.labels) + 1
	}
	pairs := make([]*dto.LabelPair, 0, labels)
	r.samples = make([]dto.Metric, len(all)+1)
	r.families = make([]family, len(all)+1)
	for i, s := range all {
		first := len(pairs)
		for j, name := range families()[s.family].labels {
			pairs = append(pairs, b.shared(name, s.labels[j]))
		}
		slices.SortFunc(pairs[first:], func(x, y *dto.LabelPair) int { return cmp.Compare(x.GetName(), y.GetName()) })
		pairs = append(pairs, target) // it sorts behind all others
		r.samples[i].Label, r.families[i] = pairs[first:len(pairs):len(pairs)], s.family
		r.samples[i].Gauge = b.values[s.value != 0]
	}
	last := &r.samples[len(all)]
	last.Label, r.families[len(all)] = append(pairs, target)[len(pairs):], reportTime
	last.Gauge = &dto.Gauge{Value: new(float64(r.asked.UnixMilli()) / 1000)}
}

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: new(name), Value: new(value)}
}

// shared returns the one label pair of a closed list's value.
func (b *board) shared(name, value string) *dto.LabelPair {
	key := [2]string{name, value}
	if b.pairs[key] == nil {
		b.pairs[key] = pair(name, value)
	}
	return b.pairs[key]
}

// A gatherer shows the exporter's own metrics and the board's, which are ready
// made: a registry that checked each of 300,000 series would take seconds.
type gatherer struct {
	own *prometheus.Registry
	e   *Exporter
}

// Gather implements prometheus.Gatherer.
func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	all, err := g.own.Gather()
	in := g.e.generation()
	rows, _ := g.e.board.snapshot()
	all = append(all, hostFamilies(rows, in.settings.Compact)...)
	all = append(all, targetsFamily(rows, in.asked))
	all = slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return len(f.GetMetric()) == 0 })
	slices.SortFunc(all, func(x, y *dto.MetricFamily) int { return cmp.Compare(x.GetName(), y.GetName()) })
	return all, err
}

// hostFamilies returns the series of all rows, host by host. Compact, they are
// those of the operations.
func hostFamilies(rows []*row, compact bool) []*dto.MetricFamily {
	var all []*dto.MetricFamily
	for _, d := range families() {
		all = append(all, gauges(d.name, d.help+d.cached))
	}
	for _, r := range rows {
		for i, f := range r.families {
			if !compact || f == operationInfo || f == operationReady || f == reportTime {
				all[f].Metric = append(all[f].Metric, &r.samples[i])
			}
		}
	}
	return all
}

func gauges(name, help string) *dto.MetricFamily {
	return &dto.MetricFamily{Name: new(name), Help: new(help), Type: dto.MetricType_GAUGE.Enum()}
}

// targetsFamily counts the rows by operation and status, of all operations that
// some sweep asks.
func targetsFamily(rows []*row, asked []probe.Operation) *dto.MetricFamily {
	n := count(rows)
	f := gauges("gpreach_targets", "Swept targets by the status of each asked operation, as cached from their last reports.")
	for _, op := range asked {
		for _, s := range probe.Statuses() {
			f.Metric = append(f.Metric, &dto.Metric{
				Label: []*dto.LabelPair{pair("operation", string(op)), pair("status", string(s))},
				Gauge: &dto.Gauge{Value: new(float64(n[probe.OperationStatus{Operation: op, Status: s}]))},
			})
		}
	}
	return f
}

// count returns how many of the rows stand at each operation's each status.
func count(rows []*row) map[probe.OperationStatus]int {
	n := make(map[probe.OperationStatus]int)
	for _, r := range rows {
		for _, s := range r.statuses {
			n[s]++
		}
	}
	return n
}
