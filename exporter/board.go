package exporter

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gpreach/gpreach/probe"
)

// A row is what the board keeps of a report. It is not changed once made.
type row struct {
	target string
	made   time.Time
	sweep  int // the sweep that made it
	series []series
}

// A board holds the latest report of each swept target and collects them as
// metrics.
type board struct {
	asked               []probe.Operation
	host                descs
	reportTime, targets *prometheus.Desc

	mu    sync.Mutex
	rows  map[string]row // by Target.Key
	sweep int            // the sweep under way, from 1
}

func newBoard(asked []probe.Operation) *board {
	return &board{
		asked: asked,
		host:  cachedDescs(),
		reportTime: prometheus.NewDesc("gpreach_report_timestamp_seconds",
			"When the sweep's probe of the target began, in Unix time: how old the target's cached series are.", []string{"target"}, nil),
		targets: prometheus.NewDesc("gpreach_targets",
			"Swept targets by the status of each asked operation, as cached from the last sweep.", []string{"operation", "status"}, nil),
		rows: make(map[string]row),
	}
}

// begin says that a sweep begins: what is put from now on belongs to it.
func (b *board) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep++
}

// put shows a report in place of the target's last one.
func (b *board) put(r *probe.Report) {
	latest := row{target: r.Target.Name, made: r.Started, series: seriesOf(r)}
	b.mu.Lock()
	defer b.mu.Unlock()
	latest.sweep = b.sweep
	b.rows[r.Target.Key()] = latest
}

// finish says that the sweep asked every target: hosts that it did not put
// have left.
func (b *board) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.rows, func(_ string, r row) bool { return r.sweep != b.sweep })
}

// snapshot returns the rows as they stand, in no order.
func (b *board) snapshot() []row {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.rows))
}

// An operationStatus is what gpreach_targets counts by.
type operationStatus struct{ operation, status string }

// count returns how many of the rows stand at each operation's each status.
func count(rows []row) map[operationStatus]int {
	n := make(map[operationStatus]int)
	for _, r := range rows {
		for _, s := range r.series {
			if s.family == operationInfo {
				n[operationStatus{s.labels[0], s.labels[1]}]++
			}
		}
	}
	return n
}

// Describe implements prometheus.Collector.
func (b *board) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append(slices.Clip(b.host), b.reportTime, b.targets) {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (b *board) Collect(ch chan<- prometheus.Metric) {
	rows := b.snapshot()
	n := count(rows)
	for _, op := range b.asked {
		for _, status := range probe.Statuses() {
			value := n[operationStatus{string(op), string(status)}]
			sendGauge(ch, b.targets, float64(value), string(op), string(status))
		}
	}
	for _, r := range rows {
		b.host.send(ch, r.series, r.target)
		sendGauge(ch, b.reportTime, float64(r.made.UnixMilli())/1000, r.target)
	}
}
