package probe

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documentTables reads Microsoft's two tables: the rows after each heading.
func documentTables(t *testing.T) map[Operation][][2]string {
	t.Helper()
	text, err := os.ReadFile("../testdata/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[Operation][][2]string{}
	var op Operation
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.Contains(line, "BKMK_RemoteRSoP"):
			op = RSoP
		case strings.Contains(line, "BKMK_RemoteRefresh"):
			op = Refresh
		case strings.HasPrefix(line, "|TCP"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if len(cells) != 2 {
				t.Fatalf("%q has %d cells", line, len(cells))
			}
			tables[op] = append(tables[op], [2]string{cells[0], cells[1]})
		}
	}
	return tables
}

// Rules is the document's own two tables, row by row and in their order. (The
// document writes "NP-in" and "WMI-in", Windows "NP-In" and "WMI-In".)
func TestRules(t *testing.T) {
	tables := documentTables(t)
	if len(tables[RSoP]) != 4 || len(tables[Refresh]) != 3 {
		t.Fatalf("the document has %d and %d rows", len(tables[RSoP]), len(tables[Refresh]))
	}
	for op, rows := range tables {
		var want, got []string
		for _, row := range rows {
			want = append(want, strings.ToLower(row[0]+"|"+row[1]))
		}
		for _, r := range Rules() {
			if r.Needed(op) {
				got = append(got, strings.ToLower(r.ServerPort+"|"+r.Name))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant:\n%s", op, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// README's table of rules says the same.
func TestReadmeTable(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(text)) {
		if regexp.MustCompile("^\\| `[A-Za-z-]+-In-TCP`").MatchString(line) {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, r := range Rules() {
		ops := make([]string, len(r.For))
		for i, op := range r.For {
			ops[i] = string(op)
		}
		want = append(want, "| `"+r.ID+"` | "+r.Name+" | "+r.ServerPort+" | "+strings.Join(ops, ", ")+" | "+string(r.Route)+" |")
	}
	if !slices.Equal(rows, want) {
		t.Errorf("README has:\n%s\nwant:\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

func TestRuleNames(t *testing.T) {
	tokens := map[string]string{
		"Remote Event Log Management": "@FirewallAPI.dll,-29252", "Remote Scheduled Tasks Management": "@FirewallAPI.dll,-33252",
		"Windows Management Instrumentation": "@FirewallAPI.dll,-34251",
	}
	var ids []string
	for _, r := range Rules() {
		ids = append(ids, r.ID)
		if tokens[r.Group] != r.GroupToken || !strings.HasPrefix(r.Name, r.Group+" (") {
			t.Errorf("%s: group %q, token %q, name %q", r.ID, r.Group, r.GroupToken, r.Name)
		}
		if got := r.Variants(); !slices.Equal(got, []string{r.ID, r.ID + "-NoScope"}) {
			t.Errorf("%s: variants %v", r.ID, got)
		}
		if serviceTexts[r.Service].name == "" || r.Route == ByDynamic && serviceTexts[r.Service].start == "" {
			t.Errorf("%s: nothing is said of its service %q", r.ID, r.Service)
		}
	}
	want := []string{"RemoteEventLogSvc-NP-In-TCP", "RemoteEventLogSvc-In-TCP", "RemoteEventLogSvc-RPCSS-In-TCP", "WMI-WINMGMT-In-TCP", "RemoteTask-In-TCP", "RemoteTask-RPCSS-In-TCP"}
	if !slices.Equal(ids, want) {
		t.Errorf("rules %v", ids)
	}
	if StarterGPO(RSoP) != "Group Policy Reporting Firewall Ports" || StarterGPO(Refresh) != "Group Policy Remote Update Firewall Ports" {
		t.Error("the Starter GPOs have other names")
	}
}
