package report

import (
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// schemaVersion grows only when a field changes its meaning.
const schemaVersion = 1

// A document is a report in JSON. Fields are only ever added.
type document struct {
	Schema     int         `json:"schema"`
	Target     string      `json:"target"`
	Source     string      `json:"source"`
	Address    string      `json:"address,omitempty"`
	Vantage    string      `json:"vantage"`
	Asked      []string    `json:"asked"`
	Credential string      `json:"credential"`
	Started    string      `json:"started"`
	ElapsedMS  float64     `json:"elapsed_ms"`
	Identity   *identity   `json:"identity,omitempty"`
	Operations []operation `json:"operations"`
	Findings   []finding   `json:"findings"`
	Warnings   []string    `json:"warnings,omitempty"`
}

type identity struct {
	Computer string `json:"computer"`
	DNS      string `json:"dns"`
	Domain   string `json:"domain"`
	Build    string `json:"build"`
}

type operation struct {
	Operation string `json:"operation"`
	Status    string `json:"status"`
	Reason    string `json:"reason"`
}

type finding struct {
	Rule    string   `json:"rule"`
	Name    string   `json:"name"`
	For     []string `json:"for"`
	Verdict string   `json:"verdict"`
	Access  string   `json:"access"`
	Reason  string   `json:"reason"`
	Fix     string   `json:"fix,omitempty"`
	Owner   string   `json:"owner,omitempty"` // owner and cause are there where the finding has a cause
	Cause   string   `json:"cause,omitempty"`
	Trail   []step   `json:"trail"`
}

type step struct {
	Stage     string  `json:"stage"`
	Peer      string  `json:"peer"`
	Outcome   string  `json:"outcome"`
	ElapsedMS float64 `json:"elapsed_ms"`
	Detail    string  `json:"detail,omitempty"`
}

func newDocument(r *probe.Report) document {
	d := document{
		Schema: schemaVersion, Target: r.Target.Name, Source: string(r.Target.Source),
		Vantage: r.Vantage, Asked: texts(r.Asked), Credential: r.Credential,
		Started: r.Started.UTC().Format("2006-01-02T15:04:05.000Z"), ElapsedMS: milliseconds(r.Elapsed),
		Identity: (*identity)(r.Identity), Operations: []operation{}, Findings: []finding{}, Warnings: r.Warnings,
	}
	if r.Address.IsValid() {
		d.Address = r.Address.String()
	}
	for _, o := range r.Operations {
		d.Operations = append(d.Operations, operation{string(o.Operation), string(o.Status), o.Reason})
	}
	for _, f := range r.Findings {
		out := finding{
			Rule: f.Rule.ID, Name: f.Rule.Name, For: texts(f.For),
			Verdict: string(f.Verdict), Access: string(f.Access), Reason: f.Reason, Fix: f.Fix,
			Trail: []step{},
		}
		if f.Cause != (probe.Cause{}) {
			out.Owner, out.Cause = string(f.Cause.Owner), f.Cause.String()
		}
		for _, s := range f.Trail {
			out.Trail = append(out.Trail, step{string(s.Stage), s.Peer, string(s.Outcome), milliseconds(s.Elapsed), s.Detail})
		}
		d.Findings = append(d.Findings, out)
	}
	return d
}

func texts[S ~string](in []S) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

// milliseconds rounds to a tenth: finer is noise on any network.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*10) / 10
}

// NDJSON writes one object a line, as the hosts finish.
func NDJSON(w io.Writer) Writer { return ndjson{w} }

type ndjson struct{ w io.Writer }

func (n ndjson) Add(r *probe.Report) error {
	if r.Excluded {
		return nil
	}
	b, err := json.Marshal(newDocument(r))
	if err != nil {
		return err
	}
	_, err = n.w.Write(append(b, '\n')) // one write, so that an interruption leaves whole lines
	return err
}

func (n ndjson) Close() error { return nil }

// JSON writes one array in target order. A report is held back only while an
// earlier target is still being asked.
func JSON(w io.Writer) Writer { return &array{w: w, held: map[int][]byte{}} }

type array struct {
	w     io.Writer
	next  int            // the target that is written next
	held  map[int][]byte // by target's place; nil for one that is left out
	wrote bool
}

func (a *array) Add(r *probe.Report) error {
	a.held[r.Target.Index] = nil
	if !r.Excluded {
		b, err := json.Marshal(newDocument(r))
		if err != nil {
			return err
		}
		a.held[r.Target.Index] = b
	}
	for {
		b, ok := a.held[a.next]
		if !ok {
			return nil
		}
		delete(a.held, a.next)
		a.next++
		if err := a.write(b); err != nil {
			return err
		}
	}
}

func (a *array) write(b []byte) error {
	if b == nil {
		return nil
	}
	before := ",\n"
	if !a.wrote {
		before, a.wrote = "[\n", true
	}
	_, err := a.w.Write(append([]byte(before), b...))
	return err
}

// Close writes what targets that were never begun held back, and ends the array.
func (a *array) Close() error {
	for _, i := range slices.Sorted(maps.Keys(a.held)) {
		if err := a.write(a.held[i]); err != nil {
			return err
		}
	}
	end := "\n]\n"
	if !a.wrote {
		end = "[]\n"
	}
	_, err := io.WriteString(a.w, end)
	return err
}
