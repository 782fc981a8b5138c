package exporter

import (
	"cmp"
	"compress/flate"
	"log/slog"
	"maps"
	"slices"
	"sync"

	dto "github.com/prometheus/client_model/go"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/probe"
)

// A board holds the latest report of each swept target. A target whose probe
// never finished is not on it.
type board struct {
	log   *slog.Logger
	rules []string // the ids of probe.Rules

	mu   sync.Mutex
	rows map[string]*row // by Target.Key
	// place returns the target's place among all that are swept, and whether it
	// is one of them; nil admits every target as it is.
	place    func(probe.Target) (int, bool)
	version  int // grows with each change
	deflater *flate.Writer
	pairs    map[[2]string]*dto.LabelPair // those of closed lists, which samples share
	values   map[bool]*dto.Gauge          // likewise

	drawing sync.Mutex
	drawn   page.Fleet // of the version below
	drawnOf int
}

func newBoard(log *slog.Logger) *board {
	b := &board{
		log: log, rows: make(map[string]*row), drawnOf: -1,
		pairs:  make(map[[2]string]*dto.LabelPair),
		values: map[bool]*dto.Gauge{false: {Value: new(0.0)}, true: {Value: new(1.0)}},
	}
	b.deflater, _ = flate.NewWriter(nil, flate.DefaultCompression) // fails for another level only
	for _, r := range probe.Rules() {
		b.rules = append(b.rules, r.ID)
	}
	return b
}

// admit says who is swept from now on. The rows of all others go.
func (b *board) admit(place func(probe.Target) (int, bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.place = place
	b.version++
	for key, r := range b.rows {
		at, ok := place(r.target)
		if !ok {
			delete(b.rows, key)
			continue
		}
		if at != r.target.Index {
			moved := *r
			moved.target.Index = at
			b.rows[key] = &moved
		}
	}
}

// put shows a report in place of the target's last one, and logs what changed.
// An excluded target, which has nothing to show, leaves. swept tells a sweep's
// report from one that a user of the page asked for.
func (b *board) put(r *probe.Report, swept bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, at, ok := r.Target.Key(), r.Target.Index, true
	if b.place != nil {
		at, ok = b.place(r.Target)
	}
	if !ok {
		return // it left while it was asked
	}
	if r.Excluded {
		delete(b.rows, key)
		b.version++
		return
	}
	last := b.rows[key]
	if last != nil && last.asked.After(r.Started) {
		return // it was asked again meanwhile
	}
	latest, err := b.newRow(r, last, swept)
	if err != nil {
		b.log.Error("a report could not be kept", "target", r.Target.Name, "err", err)
		return
	}
	latest.target.Index = at
	b.rows[key] = latest
	b.version++
	for _, c := range latest.changes[:latest.changed] {
		b.log.Info("state changed", "operation", c.Operation, "target", r.Target.Name, "from", c.From, "to", c.To)
	}
}

// stands returns the version that the board is.
func (b *board) stands() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version
}

// snapshot returns the rows as they stand, in target order, and the version
// that they are.
func (b *board) snapshot() ([]*row, int) {
	b.mu.Lock()
	rows, version := slices.Collect(maps.Values(b.rows)), b.version
	b.mu.Unlock()
	slices.SortFunc(rows, func(x, y *row) int {
		return cmp.Or(cmp.Compare(x.target.Index, y.target.Index), cmp.Compare(x.target.Name, y.target.Name))
	})
	return rows, version
}

// find returns the row of a target by its name.
func (b *board) find(name string) (*row, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.rows[probe.Target{Name: name}.Key()]
	return r, ok
}
