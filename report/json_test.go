package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
)

// sample is the example of the contract, with its sentences written out.
const sample = `
{"schema":1,"target":"ws-001.corp.example","source":"argument","address":"10.77.0.101","vantage":"gpmc01","asked":["rsop","refresh"],"credential":"none",
 "started":"2026-11-22T20:15:00.123Z","elapsed_ms":42.1,
 "identity":{"computer":"WS-001","dns":"ws-001.corp.example","domain":"corp.example","build":"10.0.22631"},
 "operations":[{"operation":"rsop","status":"unproven","reason":"Nothing is blocked."},{"operation":"refresh","status":"unreachable","reason":"A port is dropped."}],
 "findings":[{"rule":"RemoteTask-In-TCP","name":"Remote Scheduled Tasks Management (RPC)","for":["refresh"],
   "verdict":"unreachable","access":"untested","reason":"A port is dropped.","fix":"Open it.","owner":"host firewall","cause":": connect timeout",
   "trail":[{"stage":"resolve","peer":"ws-001.corp.example","outcome":"ok","elapsed_ms":0.7,"detail":"10.77.0.101"},
            {"stage":"connect","peer":"10.77.0.101:135","outcome":"ok","elapsed_ms":0.4},
            {"stage":"bind","peer":"10.77.0.101:135","outcome":"ok","elapsed_ms":0.6},
            {"stage":"map","peer":"10.77.0.101:135","outcome":"ok","elapsed_ms":0.5,"detail":"49667"},
            {"stage":"connect","peer":"10.77.0.101:49667","outcome":"timeout","elapsed_ms":2000.2}]}],
 "warnings":["ws-001 answers as ws-002"]}`

// sampled is the report that the sample shows.
func sampled() *probe.Report {
	const name, mapper = "ws-001.corp.example", "10.77.0.101:135"
	ms := func(tenths int) time.Duration { return time.Duration(tenths) * 100 * time.Microsecond }
	return &probe.Report{
		Target: probe.Target{Name: name, Source: probe.FromArgument}, Address: netip.MustParseAddr("10.77.0.101"),
		Vantage: "gpmc01", Asked: probe.Operations(), Credential: "none",
		Started:  time.Date(2026, 11, 22, 21, 15, 0, 123456789, time.FixedZone("CET", 3600)),
		Elapsed:  42*time.Millisecond + 149*time.Microsecond,
		Identity: &probe.Identity{Computer: "WS-001", DNS: name, Domain: "corp.example", Build: "10.0.22631"},
		Operations: []probe.OperationStatus{
			{Operation: probe.RSoP, Status: probe.StatusUnproven, Reason: "Nothing is blocked."},
			{Operation: probe.Refresh, Status: probe.StatusUnreachable, Reason: "A port is dropped."},
		},
		Findings: []probe.Finding{{
			Rule: rule("RemoteTask-In-TCP"), For: []probe.Operation{probe.Refresh},
			Verdict: probe.Unreachable, Access: probe.Untested, Reason: "A port is dropped.", Fix: "Open it.",
			Cause: probe.Cause{Owner: probe.HostFirewall, Stage: probe.Connect, Outcome: probe.Timeout},
			Trail: probe.Trail{
				{Stage: probe.Resolve, Peer: name, Outcome: probe.OK, Elapsed: ms(7), Detail: "10.77.0.101"},
				{Stage: probe.Connect, Peer: mapper, Outcome: probe.OK, Elapsed: ms(4)},
				{Stage: probe.Bind, Peer: mapper, Outcome: probe.OK, Elapsed: ms(6)},
				{Stage: probe.Map, Peer: mapper, Outcome: probe.OK, Elapsed: ms(5), Detail: "49667"},
				{Stage: probe.Connect, Peer: "10.77.0.101:49667", Outcome: probe.Timeout, Elapsed: ms(20002)},
			},
		}},
		Warnings: []string{"ws-001 answers as ws-002"},
	}
}

// bare is a report without anything that may be missing.
func bare() *probe.Report {
	return &probe.Report{
		Target: probe.Target{Name: "ws-404", Source: probe.FromFile}, Vantage: "gpmc01",
		Asked: []probe.Operation{probe.RSoP}, Credential: "none", Started: time.Unix(0, 0),
		Operations: []probe.OperationStatus{{Operation: probe.RSoP, Status: probe.StatusReady, Reason: "Every rule is reachable."}},
		Findings: []probe.Finding{{
			Rule: rule("RemoteEventLogSvc-NP-In-TCP"), For: []probe.Operation{probe.RSoP},
			Verdict: probe.Reachable, Access: probe.Untested, Reason: "It answers.",
			Trail: probe.Trail{{Stage: probe.Connect, Peer: "[2001:db8::5]:445", Outcome: probe.OK}},
		}},
	}
}

func rule(id string) probe.Rule {
	rules := probe.Rules()
	return rules[slices.IndexFunc(rules, func(r probe.Rule) bool { return r.ID == id })]
}

// named returns a report of which only the name, the place and whether it is
// excluded matter.
func named(name string, index int) *probe.Report {
	r := bare()
	r.Target.Name, r.Target.Index = name, index
	return r
}

func excluded(index int) *probe.Report {
	r := named("excluded", index)
	r.Excluded = true
	return r
}

// A report looks as the contract's example does, to the letter.
func TestDocumentIsTheContractsSample(t *testing.T) {
	var want, got bytes.Buffer
	if err := json.Compact(&want, []byte(sample)); err != nil {
		t.Fatal(err)
	}
	write(t, NDJSON(&got), sampled())
	if diff := cmp.Diff(want.String()+"\n", got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What may be missing is missing where there is nothing to say, and nothing
// else ever is, not even where it is empty.
func TestDocumentFields(t *testing.T) {
	tests := []struct {
		name                                      string
		report                                    *probe.Report
		document, identity, operation, rule, rung string
	}{
		{
			"all", sampled(),
			"schema target source address vantage asked credential started elapsed_ms identity operations findings warnings",
			"computer dns domain build", "operation status reason",
			"rule name for verdict access reason fix owner cause trail", "stage peer outcome elapsed_ms detail",
		},
		{
			"none of identity, address, detail, fix and warnings", bare(),
			"schema target source vantage asked credential started elapsed_ms operations findings",
			"", "operation status reason",
			"rule name for verdict access reason trail", "stage peer outcome elapsed_ms",
		},
		{
			"nothing at all", &probe.Report{Identity: &probe.Identity{}, Operations: make([]probe.OperationStatus, 1), Findings: []probe.Finding{{Trail: make(probe.Trail, 1)}}},
			"schema target source vantage asked credential started elapsed_ms identity operations findings",
			"computer dns domain build", "operation status reason",
			"rule name for verdict access reason trail", "stage peer outcome elapsed_ms",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			write(t, NDJSON(&out), test.report)
			var d struct {
				Identity   map[string]any
				Operations []map[string]any
				Findings   []map[string]any
			}
			var all map[string]any
			if err := errors.Join(json.Unmarshal(out.Bytes(), &all), json.Unmarshal(out.Bytes(), &d)); err != nil {
				t.Fatal(err)
			}
			has(t, "the document", all, test.document)
			has(t, "the identity", d.Identity, test.identity)
			has(t, "an operation", d.Operations[0], test.operation)
			has(t, "a finding", d.Findings[0], test.rule)
			has(t, "a step", d.Findings[0]["trail"].([]any)[0].(map[string]any), test.rung)
		})
	}
}

// has checks that an object has these fields and no others, and none is null.
func has(t *testing.T, what string, object map[string]any, fields string) {
	t.Helper()
	want := strings.Fields(fields)
	for name, value := range object {
		if !slices.Contains(want, name) {
			t.Errorf("%s has %q, which it should not", what, name)
		}
		if value == nil {
			t.Errorf("%s has null for %q", what, name)
		}
	}
	for _, name := range want {
		if _, ok := object[name]; !ok {
			t.Errorf("%s lacks %q", what, name)
		}
	}
}

// A finding without a step has an empty trail: no null is met where a list is due.
func TestDocumentListsAreNeverNull(t *testing.T) {
	r := bare()
	r.Asked, r.Operations, r.Findings = nil, nil, nil
	var out bytes.Buffer
	write(t, NDJSON(&out), r)
	if strings.Contains(out.String(), "null") {
		t.Errorf("null in %s", &out)
	}
	r = bare()
	r.Findings[0].For, r.Findings[0].Trail = nil, nil
	out.Reset()
	write(t, NDJSON(&out), r)
	if strings.Contains(out.String(), "null") {
		t.Errorf("null in %s", &out)
	}
}

// Two hosts of the demo, as programs get them.
func TestJSONGolden(t *testing.T) {
	var out bytes.Buffer
	write(t, JSON(&out), ask(t, probe.Operations(), "healthy-client", "wrong-host")...)
	golden(t, "fleet.json", out.String())
	for _, b := range out.Bytes() {
		if b != '\n' && (b < ' ' || b > '~') {
			t.Fatalf("byte %#x is not printable ASCII", b)
		}
	}
}

func TestNDJSON(t *testing.T) {
	var out bytes.Buffer
	w := NDJSON(&out)
	for i, r := range []*probe.Report{named("c", 2), excluded(1), named("a", 0)} {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); i == 0 && lines != 1 {
			t.Errorf("%d lines after the first host: each is written as it comes", lines)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var d struct{ Target string }
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		got = append(got, d.Target)
	}
	if diff := cmp.Diff([]string{"c", "a"}, got); diff != "" {
		t.Errorf("as they finish, without the excluded one (-want +got):\n%s", diff)
	}
}

func TestJSONArray(t *testing.T) {
	tests := []struct {
		name  string
		added []*probe.Report
		want  []string
	}{
		{"no host", nil, []string{}},
		{"one", []*probe.Report{named("a", 0)}, []string{"a"}},
		{"in order", []*probe.Report{named("a", 0), named("b", 1)}, []string{"a", "b"}},
		{"out of order", []*probe.Report{named("c", 2), named("a", 0), named("b", 1)}, []string{"a", "b", "c"}},
		{"the first is excluded", []*probe.Report{named("b", 1), excluded(0)}, []string{"b"}},
		{"one between is excluded", []*probe.Report{named("c", 2), excluded(1), named("a", 0)}, []string{"a", "c"}},
		{"all are excluded", []*probe.Report{excluded(0), excluded(1)}, []string{}},
		{"the first was never begun", []*probe.Report{named("c", 2), named("b", 1)}, []string{"b", "c"}},
		{"some were never begun", []*probe.Report{named("g", 6), named("a", 0), excluded(4), named("c", 2)}, []string{"a", "c", "g"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			write(t, JSON(&out), test.added...)
			var documents []struct{ Target string }
			if err := json.Unmarshal(out.Bytes(), &documents); err != nil {
				t.Fatalf("%v in %q", err, &out)
			}
			got := []string{}
			for _, d := range documents {
				got = append(got, d.Target)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(test.want) == 0 && out.String() != "[]\n" {
				t.Errorf("an empty array is %q, want []", &out)
			}
		})
	}
}

// A fleet is not kept in memory: what has its turn is written.
func TestJSONArrayWritesWhatItCan(t *testing.T) {
	var out bytes.Buffer
	w := JSON(&out)
	steps := []struct {
		add  *probe.Report
		want int // objects written so far
	}{
		{named("b", 1), 0}, {named("a", 0), 2}, {named("d", 3), 2}, {excluded(2), 3}, {named("e", 4), 4},
	}
	for _, step := range steps {
		if err := w.Add(step.add); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), `"schema"`); got != step.want {
			t.Errorf("%d objects are written after %s, want %d", got, step.add.Target.Name, step.want)
		}
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrors(t *testing.T) {
	waiting := JSON(full{})
	if err := waiting.Add(named("b", 1)); err != nil {
		t.Errorf("JSON writes before the first target's turn: %v", err)
	}
	table := Table(full{}, TableOptions{})
	if err := table.Add(bare()); err != nil {
		t.Errorf("Table writes before Close: %v", err)
	}
	for name, err := range map[string]error{
		"NDJSON Add": NDJSON(full{}).Add(bare()), "JSON Add": JSON(full{}).Add(bare()),
		"JSON Close": JSON(full{}).Close(), "JSON Close with one held back": waiting.Close(), "Table Close": table.Close(),
	} {
		if !errors.Is(err, errFull) {
			t.Errorf("%s returned %v", name, err)
		}
	}
}
