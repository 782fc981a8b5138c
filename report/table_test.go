package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

const proof = "nothing blocked; WMI cannot be proved without a credential"

// rest is the demo's fleet without its first host, worst mixed with best.
var rest = []string{"wmi-fixed-port", "healthy-server", "default-firewall", "reporting-gpo-only", "refresh-gpo-only", "scheduler-stopped", "dynamic-ports-dropped", "port-taken", "mapper-wants-logon", "slow", "silent", "no-such-name", "wrong-host"}

func TestTable(t *testing.T) {
	all := probe.Operations()
	tests := []struct {
		golden  string
		options TableOptions
		reports func(t *testing.T) []*probe.Report
		top     string // what the summary begins with
	}{
		{"none.txt", TableOptions{}, func(*testing.T) []*probe.Report { return nil }, "No host was asked."},
		{"excluded.txt", TableOptions{}, func(*testing.T) []*probe.Report { return []*probe.Report{excluded(0)} }, "No host was asked."},
		{"sole.txt", TableOptions{}, func(t *testing.T) []*probe.Report { return ask(t, all, "dynamic-ports-dropped") }, "1 host asked from gpmc01: 1 blocked"},
		{"sole_silent.txt", TableOptions{}, func(t *testing.T) []*probe.Report { return ask(t, all, "silent") }, "1 host asked from gpmc01: 1 blocked"},
		{"sole_unproven.txt", TableOptions{}, func(t *testing.T) []*probe.Report { return ask(t, all, "healthy-client") }, "1 host asked from gpmc01: " + proof},
		{"mixed.txt", TableOptions{}, func(t *testing.T) []*probe.Report { return ask(t, all, rest...) }, "13 hosts asked from gpmc01: 9 blocked or silent, 1 ready,\n3 unproven (" + proof + ")."},
		{"refresh.txt", TableOptions{}, func(t *testing.T) []*probe.Report {
			return ask(t, []probe.Operation{probe.Refresh}, "refresh-gpo-only", "reporting-gpo-only")
		}, "2 hosts asked from gpmc01: 1 blocked"},
		{"limit.txt", TableOptions{Limit: 2}, func(t *testing.T) []*probe.Report {
			return ask(t, all, "healthy-client", "silent", "reporting-gpo-only")
		}, "3 hosts asked"},
		{"short.txt", TableOptions{Limit: 3}, func(t *testing.T) []*probe.Report { return ask(t, all, rest...) }, "13 hosts asked"},
		{"fleet.txt", TableOptions{}, func(t *testing.T) []*probe.Report { return ask(t, all, fleet()...) }, "27 hosts asked"},
		{"color.txt", TableOptions{Color: true}, func(t *testing.T) []*probe.Report {
			return ask(t, all, "healthy-client", "wmi-fixed-port", "reporting-gpo-only", "silent")
		}, "4 hosts asked"},
		{"unproven.txt", TableOptions{}, func(t *testing.T) []*probe.Report {
			return ask(t, all, "healthy-client", "wmi-fixed-port", "healthy-server")
		}, "3 hosts asked from gpmc01: " + proof + ".\n"},
		{"ready.txt", TableOptions{}, func(t *testing.T) []*probe.Report { return ask(t, all, "wmi-fixed-port", "wmi-fixed-port") }, "2 hosts asked from gpmc01: every rule is reachable.\n"},
		{"interrupted.txt", TableOptions{}, func(t *testing.T) []*probe.Report {
			return append(ask(t, all, "healthy-client"), interrupted(t, "ws-900", 1))
		}, "2 hosts asked from gpmc01: 0 blocked or silent, 0 ready,\n2 unproven (1 of them not asked to the end;\nof the others " + proof + ")."},
		{"interrupted_all.txt", TableOptions{}, func(t *testing.T) []*probe.Report {
			return []*probe.Report{interrupted(t, "ws-900", 0), interrupted(t, "ws-901", 1)}
		}, "2 hosts asked from gpmc01: 0 blocked or silent, 0 ready,\n2 unproven (not asked to the end)."},
		{"names.txt", TableOptions{}, func(t *testing.T) []*probe.Report {
			var all []*probe.Report
			for i := range 12 {
				all = append(all, interrupted(t, fmt.Sprintf("ws-%03d.corp.example", 900+i), i))
			}
			return all
		}, "12 hosts asked"},
		{"warnings.txt", TableOptions{}, warned, "7 hosts asked"},
	}
	for _, test := range tests {
		t.Run(test.golden, func(t *testing.T) {
			var out bytes.Buffer
			write(t, Table(&out, test.options), test.reports(t)...)
			golden(t, test.golden, out.String())
			if !strings.HasPrefix(out.String(), test.top) && !strings.Contains(out.String(), "\n\n"+test.top) {
				t.Errorf("the summary does not begin with %q", test.top)
			}
			if !test.options.Color && strings.Contains(out.String(), "\x1b") {
				t.Error("colours, which nobody asked for")
			}
		})
	}
}

// fleet returns the whole demo's fleet.
func fleet() []string {
	_, situations := winhost.Fleet()
	var labels []string
	for _, s := range situations {
		label, _, _ := strings.Cut(s.Host, ".")
		labels = append(labels, label)
	}
	return labels
}

// Ten thousand hosts that fail in every way of the demo fit a screen.
func TestTableFitsAScreen(t *testing.T) {
	const screen, limit = 60, 20 // lines, and the default of --limit
	kinds := ask(t, probe.Operations(), fleet()...)
	var out bytes.Buffer
	table := Table(&out, TableOptions{Limit: limit})
	for i := range 10_000 {
		r := *kinds[i%len(kinds)]
		r.Target.Name, r.Target.Index = fmt.Sprintf("ws-%05d.corp.example", i), i
		if err := table.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n > screen || n < limit+20 {
		t.Errorf("%d lines:\n%s", n, &out)
	}
}

// warned returns hosts that have more warnings than a summary repeats.
func warned(*testing.T) []*probe.Report {
	var reports []*probe.Report
	for i := range 7 {
		r := named(fmt.Sprintf("ws-%03d", i), i)
		r.Warnings = []string{fmt.Sprintf("ws-%03d answers as ws-%03d", i, 100+i)}
		reports = append(reports, r)
	}
	return reports
}

// Hosts come as they finish; a table has them worst first, then as given.
func TestTableDoesNotDependOnTheOrderOfAnswers(t *testing.T) {
	reports := ask(t, probe.Operations(), rest...)
	var want, got bytes.Buffer
	write(t, Table(&want, TableOptions{}), reports...)
	for i, j := 0, len(reports)-1; i < j; i, j = i+1, j-1 {
		reports[i], reports[j] = reports[j], reports[i]
	}
	write(t, Table(&got, TableOptions{}), reports...)
	if want.String() != got.String() {
		t.Errorf("in reverse:\n%s\nwant:\n%s", &got, &want)
	}
}

// With a limit the worst are listed, and all are counted.
func TestTableLimit(t *testing.T) {
	const more = " that are no worse (--limit 0 lists all)"
	for limit, want := range map[int]string{
		0: "a b c", 3: "a b c", 4: "a b c",
		2: "a b ... and 1 more" + more, 1: "a ... and 2 more" + more,
	} {
		var out bytes.Buffer
		write(t, Table(&out, TableOptions{Limit: limit}), named("c", 2), named("a", 0), named("b", 1))
		table, summary, _ := strings.Cut(out.String(), "\n\n")
		var got []string
		for i, line := range strings.Split(table, "\n") {
			if name, _, _ := strings.Cut(line, " "); name == "..." {
				got = append(got, line)
			} else if i > 0 {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("limit %d lists %q, want %q", limit, got, want)
		}
		if !strings.HasPrefix(summary, "3 hosts asked") {
			t.Errorf("limit %d changes the summary: %q", limit, summary)
		}
	}
}

// Strings of hosts reach a report harmless, and nothing on the way out takes
// them for more than text.
func TestNothingIsInterpreted(t *testing.T) {
	const evil = `%s%!d(x) {detail} \x1b[31m <script>&amp; "quoted" ${HOME} $(id) ` + "`id`"
	r := sampled()
	r.Findings[0].Trail[4].Detail, r.Findings[0].Reason, r.Warnings = evil, evil, []string{evil}
	r.Identity.DNS = evil

	var table, ndjson bytes.Buffer
	write(t, Table(&table, TableOptions{}), r)
	if got := strings.Count(table.String(), evil); got != 5 { // identity, reason below the rule and of the ticket, detail, warning
		t.Errorf("the text stands %d times in the table, want 5:\n%s", got, &table)
	}
	write(t, NDJSON(&ndjson), r)
	const escaped = `%s%!d(x) {detail} \\x1b[31m \u003cscript\u003e\u0026amp; \"quoted\" ${HOME} $(id) ` + "`id`"
	if got := strings.Count(ndjson.String(), escaped); got != 4 {
		t.Errorf("the text stands %d times in the JSON, want 4:\n%s", got, &ndjson)
	}
}
