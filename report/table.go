package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gpreach/gpreach/probe"
)

// TableOptions say how a table is drawn.
type TableOptions struct {
	Limit int  // hosts that are listed; 0 for all
	Color bool // ANSI colours, beside the marks and words
}

// Table writes the hosts, worst first, and then the summary, when all are in.
// Of a host that was asked alone it shows every trail.
func Table(w io.Writer, o TableOptions) Writer {
	return &table{w: w, o: o, summary: Summary{AllNames: o.Limit == 0}}
}

type table struct {
	w       io.Writer
	o       TableOptions
	asked   []probe.Operation
	rows    []row
	sole    *probe.Report // while there is only one
	summary Summary
}

// A row is all that a table keeps of a report.
type row struct {
	index    int
	host     string
	statuses []probe.Status
	status   probe.Status // the worst of them
	where    string
}

func (t *table) Add(r *probe.Report) error {
	if r.Excluded {
		return nil
	}
	t.summary.Add(r)
	t.asked = r.Asked
	out := row{index: r.Target.Index, host: r.Target.Name, status: r.Worst(), where: where(r)}
	for _, o := range r.Operations {
		out.statuses = append(out.statuses, o.Status)
	}
	t.rows, t.sole = append(t.rows, out), nil
	if len(t.rows) == 1 {
		t.sole = r
	}
	return nil
}

// where tells in a few words where a host's routes broke.
func where(r *probe.Report) string {
	var words []string
	for _, c := range r.Causes() {
		words = append(words, c.String())
	}
	if len(words) == 0 && !r.Accepted() {
		return unproven(r)
	}
	return strings.Join(words, "; ")
}

// unproven tells in a few words what keeps a host that nothing is wrong with from
// being ready.
func unproven(r *probe.Report) string {
	if !r.LoggingOn {
		return "WMI: no credential"
	}
	var services []string
	for _, f := range r.Findings {
		if f.Rule.Route != probe.ByMapper && f.Access == probe.Untested {
			services = append(services, cmp.Or(f.Rule.Pipe, f.Rule.Service))
		}
	}
	return "no logon tried: " + strings.Join(services, ", ")
}

// worst returns the rank of the row's worst status, for sorting.
func (r row) worst() int {
	return slices.Index(probe.Statuses(), r.status)
}

func (t *table) Close() error {
	slices.SortFunc(t.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.worst(), a.worst()), cmp.Compare(a.index, b.index))
	})
	listed := t.rows
	if t.o.Limit > 0 && len(listed) > t.o.Limit {
		listed = listed[:t.o.Limit]
	}
	var b strings.Builder
	t.draw(&b, listed)
	if left := len(t.rows) - len(listed); left > 0 {
		fmt.Fprintf(&b, "... and %d more that are no worse (--limit 0 lists all)\n", left)
	}
	if t.sole != nil {
		ladder(&b, t.sole)
	}
	if len(listed) > 0 {
		b.WriteByte('\n')
	}
	t.summary.Shorten(t.o.Limit)
	b.WriteString(t.summary.String())
	_, err := io.WriteString(t.w, b.String())
	return err
}

// marks stand before the statuses, so that no colour is needed.
var marks = map[probe.Status]string{
	probe.StatusReady: "+", probe.StatusUnproven: "?", probe.StatusSilent: ".",
	probe.StatusDenied: "!", probe.StatusUnreachable: "x",
}

// colors are ANSI SGR codes.
var colors = map[probe.Status]string{
	probe.StatusReady: "32", probe.StatusUnproven: "33", probe.StatusSilent: "2",
	probe.StatusDenied: "35", probe.StatusUnreachable: "31",
}

const statusWidth = len("x unreachable")

func (t *table) draw(b *strings.Builder, rows []row) {
	if len(rows) == 0 {
		return
	}
	width := len("HOST")
	for _, r := range rows {
		width = max(width, len(r.host))
	}
	fmt.Fprintf(b, "%-*s", width, "HOST")
	for _, op := range t.asked {
		fmt.Fprintf(b, "  %-*s", statusWidth, strings.ToUpper(string(op)))
	}
	b.WriteString("  WHERE IT BROKE\n")
	for _, r := range rows {
		cells := []string{fmt.Sprintf("%-*s", width, r.host)}
		for _, s := range r.statuses {
			cells = append(cells, t.paint(s, fmt.Sprintf("%-*s", statusWidth, marks[s]+" "+string(s))))
		}
		fmt.Fprintln(b, strings.TrimRight(strings.Join(append(cells, r.where), "  "), " "))
	}
}

func (t *table) paint(s probe.Status, text string) string {
	if !t.o.Color {
		return text
	}
	return "\x1b[" + colors[s] + "m" + text + "\x1b[0m"
}
