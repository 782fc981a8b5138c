package exporter

import (
	"bytes"
	"compress/flate"
	"io"
	"net/netip"
	"slices"
	"time"
	"unique"

	dto "github.com/prometheus/client_model/go"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/report"
)

// maxChanges is how many changes of state a row remembers.
const maxChanges = 16

// A row is what the board keeps of a target's latest report. It is not changed
// once made.
type row struct {
	target   probe.Target // with its place among all
	address  netip.Addr
	domain   string // that the host says it is in
	asked    time.Time
	statuses []probe.OperationStatus // without reasons
	base     []probe.OperationStatus // as they were before the last sweep's report; nil where there were none
	cells    []page.Cell             // one for each of probe.Rules
	tickets  []unique.Handle[ticket] // of the findings that are somebody's ticket
	changes  []page.Change           // the newest first
	changed  int                     // how many of them this report made
	document []byte                  // the report as JSON, deflated

	samples  []dto.Metric // the row's series, ready to be shown
	families []family     // of each sample
}

// A ticket is a finding's cause with its sentences, of which a fleet has few.
type ticket struct {
	cause       probe.Cause
	reason, fix string
}

// newRow makes a row of a report, which follows last, nil for the first one, and
// is a sweep's or else a user's of the page. The board's lock is held.
func (b *board) newRow(r *probe.Report, last *row, swept bool) (*row, error) {
	latest := &row{target: r.Target, address: r.Address, asked: r.Started}
	if r.Identity != nil {
		latest.domain = r.Identity.Domain
	}
	for _, o := range r.Operations {
		latest.statuses = append(latest.statuses, probe.OperationStatus{Operation: o.Operation, Status: o.Status})
	}
	latest.cells = make([]page.Cell, len(b.rules))
	for _, f := range r.Findings {
		if i := slices.Index(b.rules, f.Rule.ID); i >= 0 {
			latest.cells[i] = page.Cell{Verdict: f.Verdict, Access: f.Access}
		}
		if f.Cause != (probe.Cause{}) {
			latest.tickets = append(latest.tickets, unique.Make(ticket{f.Cause, f.Reason, f.Fix}))
		}
	}
	if last != nil {
		latest.follow(last)
		if latest.base = last.base; swept {
			latest.base = last.statuses
		}
	}
	b.show(latest, seriesOf(r))
	document, err := report.Marshal(r)
	if err != nil {
		return nil, err
	}
	latest.document = b.deflate(document)
	return latest, nil
}

// follow notes what changed since the last report. What was not asked before
// did not change.
func (r *row) follow(last *row) {
	var changes []page.Change
	for _, now := range r.statuses {
		was := status(last.statuses, now.Operation)
		if was == "" || was == now.Status {
			continue
		}
		changes = append(changes, page.Change{When: r.asked, Operation: now.Operation, From: was, To: now.Status})
	}
	r.changed = len(changes)
	if r.changes = last.changes; changes != nil {
		changes = append(changes, last.changes...)
		r.changes = slices.Clone(changes[:min(len(changes), maxChanges)])
	}
}

// before returns the statuses before the last sweep's report, nil where they are
// the same now.
func (r *row) before() []probe.OperationStatus {
	for _, now := range r.statuses {
		if was := status(r.base, now.Operation); was != "" && was != now.Status {
			return r.base
		}
	}
	return nil
}

// status returns the status of an operation, "" where it was not asked.
func status(all []probe.OperationStatus, op probe.Operation) probe.Status {
	for _, o := range all {
		if o.Operation == op {
			return o.Status
		}
	}
	return ""
}

// deflate compresses a document. The board's lock is held.
func (b *board) deflate(document []byte) []byte {
	var out bytes.Buffer
	b.deflater.Reset(&out)
	b.deflater.Write(document) //nolint:errcheck // a bytes.Buffer takes everything
	b.deflater.Close()
	return bytes.Clone(out.Bytes())
}

// inflate returns the row's document.
func (r *row) inflate() ([]byte, error) {
	return io.ReadAll(flate.NewReader(bytes.NewReader(r.document)))
}
