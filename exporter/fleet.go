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
	f := page.Fleet{Made: time.Now(), Operations: asked, Causes: []page.Cause{}, Hosts: make([]page.Host, 0, len(rows))}
	for _, r := range probe.Rules() {
		f.Rules = append(f.Rules, page.Rule{ID: r.ID, Name: r.Name, Operations: r.For})
	}
	var clusters probe.Clusters
	for _, r := range rows {
		clusters.Add(r.slim())
	}
	place := map[probe.Cause]int{}
	for i, c := range clusters.All() {
		place[c.Cause] = i
		f.Causes = append(f.Causes, page.Cause{
			Owner: c.Cause.Owner, Text: c.Cause.String(), Hosts: c.Hosts, Reason: c.Reason, Fix: c.Fix, Where: c.Where,
		})
	}
	for _, r := range rows {
		f.Hosts = append(f.Hosts, r.host(asked, place))
	}
	return f
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
func (r *row) host(asked []probe.Operation, place map[probe.Cause]int) page.Host {
	h := page.Host{Name: r.target.Name, Asked: r.asked, Rules: r.cells, Causes: make([]int, 0, len(r.tickets))}
	if r.address.IsValid() {
		h.Address = r.address.String()
	}
	for _, op := range asked {
		h.Status = append(h.Status, status(r.statuses, op))
		if r.before != nil {
			h.Before = append(h.Before, status(r.before, op))
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

// probeNow asks a swept host as its sweep does, for a user of the page, without
// a credential. The same list allows it, and the same bounds hold, as at /probe.
func (e *Exporter) probeNow(ctx context.Context, host string) error {
	o, ok := e.generation().find(host)
	if !ok {
		e.metrics.rejected.WithLabelValues(forbidden).Inc()
		return refusal(fmt.Sprintf("%+.253q is not one of the swept targets.", host))
	}
	landed, err := e.ask(ctx, question{host: host, asked: o.asked}, 0)
	if err != nil {
		if reason, _ := reasonOf(err); !errors.Is(err, context.Canceled) {
			e.metrics.rejected.WithLabelValues(reason).Inc()
		}
		return err
	}
	e.board.put(landed.report)
	return nil
}
