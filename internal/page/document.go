package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/gpreach/gpreach/probe"
)

// A document is what the ladder shows of a report's JSON.
type document struct {
	Target     string
	Source     string
	Address    string
	Vantage    string
	Credential string
	Started    time.Time
	ElapsedMS  float64 `json:"elapsed_ms"`
	Identity   *struct{ Computer, DNS, Domain, Build string }
	Operations []struct {
		Operation probe.Operation
		Status    probe.Status
		Reason    string
		Above     probe.Operation `json:"-"` // an earlier operation with the same reason
	}
	Findings []finding
	Warnings []string
}

type finding struct {
	Rule, Name  string
	For         []probe.Operation
	Verdict     probe.Verdict
	Access      probe.Access
	Reason, Fix string
	Owner       string
	Cause       string
	Trail       []step
	Above       string `json:"-"` // the name of an earlier rule with the same fix
}

type step struct {
	Stage     probe.Stage
	Peer      string
	Outcome   probe.Outcome
	ElapsedMS float64 `json:"elapsed_ms"`
	Detail    string
	Logon     bool `json:"-"` // the first that was tried with the credential
}

func parseDocument(b []byte) (document, error) {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return document{}, fmt.Errorf("the report's document: %w", err)
	}
	given := map[string]probe.Operation{} // which operation had the reason first
	for i := range d.Operations {
		o := &d.Operations[i]
		if first, before := given[o.Reason]; before {
			o.Above = first
		} else {
			given[o.Reason] = o.Operation
		}
	}
	told := map[string]string{} // which rule had the fix first
	for i := range d.Findings {
		f := &d.Findings[i]
		if at := logonAt(f.Trail); at >= 0 && d.Credential != "none" {
			f.Trail[at].Logon = true
		}
		if first, before := told[f.Fix]; before && f.Fix != "" {
			f.Above = first
		} else {
			told[f.Fix] = f.Name
		}
	}
	return d, nil
}

// logonAt returns the first step that was tried with the credential, -1 where none
// was. JSON does not mark it: it is the first that authenticates, or that connects
// again to where the trail has been, but for a port that the mapper has just named.
func logonAt(trail []step) int {
	been := map[string]bool{}
	for i, s := range trail {
		if s.Stage == probe.Authenticate {
			return i
		}
		if s.Stage != probe.Connect {
			continue
		}
		if been[s.Peer] && trail[i-1].Stage != probe.Map {
			return i
		}
		been[s.Peer] = true
	}
	return -1
}

// Advice is the part of a fix that is read.
func (f finding) Advice() string { return adviceOf(f.Fix) }

// Line is the part of a fix that is pasted into PowerShell, if it has one.
func (f finding) Line() string { return lineOf(f.Fix) }

func adviceOf(fix string) string {
	advice, _, _ := strings.Cut(fix, probe.RunOnHost)
	if len(advice) < len(fix) {
		advice += strings.TrimSpace(probe.RunOnHost)
	}
	return advice
}

func lineOf(fix string) string {
	_, line, _ := strings.Cut(fix, probe.RunOnHost)
	return line
}

// Bar is how long the step's bar is, from 0 to 15: a third of a decade each,
// from 0.1 ms to 10 s.
func (s step) Bar() int {
	if s.ElapsedMS <= 0.1 {
		return 0
	}
	return min(15, int(math.Round(3*(math.Log10(s.ElapsedMS)+1))))
}

// A sign is how a word from a closed list is shown: a mark before it, so that
// no colour is needed, and a class for those who see colours.
type sign struct{ Mark, Class string }

func signOf(word any) sign {
	switch word {
	case probe.StatusReady, probe.Reachable, probe.Granted, probe.OK:
		return sign{"+", "good"}
	case probe.StatusUnproven, probe.Unknown, probe.Canceled, probe.NoResources:
		return sign{"?", "open"}
	case probe.StatusSilent:
		return sign{".", "quiet"}
	case probe.StatusDenied, probe.Denied, probe.AccessDenied, probe.LogonFailed, probe.LockedOut:
		return sign{"!", "denied"}
	case probe.StatusUnreachable, probe.Unreachable:
		return sign{"x", "bad"}
	}
	if _, step := word.(probe.Outcome); step {
		return sign{"x", "bad"}
	}
	return sign{"", "none"}
}

// titleOf tells what Windows calls an operation.
func titleOf(op probe.Operation) string {
	switch op {
	case probe.RSoP:
		return "Group Policy Results"
	case probe.Refresh:
		return "Remote gpupdate"
	}
	return visible(string(op))
}

// visible shows a string on one line as it is, and what would not be seen, or
// would turn other text around, as \u{hex}. The page's script has the same.
func visible(s string) string {
	if !strings.ContainsFunc(s, unseen) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unseen(r) {
			fmt.Fprintf(&b, `\u{%x}`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unseen(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }

// functions are what the templates use.
func functions() template.FuncMap {
	return template.FuncMap{
		"sign": signOf, "title": titleOf, "visible": func(text any) string { return visible(fmt.Sprint(text)) }, "advice": adviceOf, "line": lineOf, "path": pathOf,
		"utc":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"ms":    milliseconds,
	}
}

// milliseconds keeps to four figures, as nobody reads more.
func milliseconds(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	return fmt.Sprintf("%.1f ms", ms)
}
