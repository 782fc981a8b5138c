package exporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/probe"
)

// Source returns what the page shows.
func (e *Exporter) Source() page.Source {
	return page.Source{Fleet: e.fleet, Ladder: e.ladder, Probe: e.probeNow}
}

// fleet returns the board as the page's matrix. It is put together once for each
// version of the board.
func (e *Exporter) fleet() page.Fleet {
	g, b := e.generation(), e.board
	b.drawing.Lock()
	defer b.drawing.Unlock()
	if b.stands() != b.drawnOf {
		var rows []*row
		rows, b.drawnOf = b.snapshot()
		b.drawn = draw(rows, g.asked)
	}
	drawn := b.drawn
	drawn.Vantage, drawn.Sweeps = g.prober.Vantage, e.metrics.sweepsOf(g)
	return drawn
}

// draw makes a matrix of rows, which are in target order.
func draw(rows []*row, asked []probe.Operation) page.Fleet {
	var clusters probe.Clusters
	for _, r := range rows {
		clusters.Add(r.slim())
	}
	causes, place := clusters.All(), map[probe.Cause]int{}
	for i, c := range causes {
		place[c.Cause] = i
	}
	f := page.Fleet{
		Made: time.Now(), Operations: append([]probe.Operation{}, asked...), Rules: page.Rules(asked),
		Causes: page.NewCauses(causes), Hosts: make([]page.Host, 0, len(rows)),
	}
	columns := columnsOf(f.Rules)
	for _, r := range rows {
		f.Hosts = append(f.Hosts, r.host(asked, columns, place))
	}
	return f
}

// columnsOf returns the places among probe.Rules of those that are shown.
func columnsOf(shown []page.Rule) []int {
	var columns []int
	for i, r := range probe.Rules() {
		if slices.ContainsFunc(shown, func(s page.Rule) bool { return s.ID == r.ID }) {
			columns = append(columns, i)
		}
	}
	return columns
}

// slim returns what probe.Clusters wants to know of the row's report.
func (r *row) slim() *probe.Report {
	slim := &probe.Report{Target: r.target, Address: r.address}
	if r.domain != "" {
		slim.Identity = &probe.Identity{Domain: r.domain}
	}
	slim.Findings = make([]probe.Finding, len(r.tickets))
	for i, handle := range r.tickets {
		t := handle.Value()
		f := &slim.Findings[i]
		f.Cause, f.Reason, f.Fix = t.cause, t.reason, t.fix
	}
	return slim
}

// host returns the row as one of the matrix.
func (r *row) host(asked []probe.Operation, columns []int, place map[probe.Cause]int) page.Host {
	h := page.Host{Name: r.target.Name, Asked: r.asked, Rules: r.cells, Causes: make([]int, 0, len(r.tickets))}
	if len(columns) < len(r.cells) {
		h.Rules = make([]page.Cell, 0, len(columns))
		for _, i := range columns {
			h.Rules = append(h.Rules, r.cells[i])
		}
	}
	if r.address.IsValid() {
		h.Address = r.address.String()
	}
	before := r.before()
	for _, op := range asked {
		h.Status = append(h.Status, status(r.statuses, op))
		if before != nil {
			h.Before = append(h.Before, status(before, op))
		}
	}
	for _, t := range r.tickets {
		if i := place[t.Value().cause]; !slices.Contains(h.Causes, i) {
			h.Causes = append(h.Causes, i)
		}
	}
	return h
}

// ladder returns what the page of one host shows.
func (e *Exporter) ladder(host string) (page.Ladder, bool) {
	r, ok := e.board.find(host)
	if !ok {
		return page.Ladder{}, false
	}
	document, err := r.inflate()
	if err != nil {
		e.config.Log.Error("a report cannot be shown", "target", host, "err", err)
		return page.Ladder{}, false
	}
	return page.Ladder{Document: document, Changes: r.changes}, true
}

// probeNow asks a swept host as its sweep does, for a user of the page. A host that
// is logged on to is left to its sweep: no user of the page has the credential's
// use, and what is seen without it would hide what was proved. The same list allows it, and the same bounds hold, as at /probe.
func (e *Exporter) probeNow(ctx context.Context, host string) error {
	o, ok := e.generation().find(host)
	if !ok {
		e.metrics.rejected.WithLabelValues(forbidden).Inc()
		return refusal(fmt.Sprintf("%+.253q is not one of the swept targets.", host))
	}
	if o.credential {
		e.metrics.rejected.WithLabelValues(forbidden).Inc()
		return refusal(fmt.Sprintf("%+.253q is swept with a credential, which the page does not use: the next round of its sweep asks it.", host))
	}
	landed, err := e.ask(ctx, question{host: host, asked: o.asked}, 0)
	if err != nil {
		if reason, _ := reasonOf(err); !errors.Is(err, context.Canceled) {
			e.metrics.rejected.WithLabelValues(reason).Inc()
		}
		return err
	}
	e.board.put(landed.report, false)
	return nil
}
