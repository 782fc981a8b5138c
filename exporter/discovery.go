package exporter

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gpreach/gpreach/probe"
)

// maxDiscovered is how many targets /targets tells. Prometheus reads all of them
// at every refresh.
const maxDiscovered = 1 << 18

// A group is an entry of Prometheus' HTTP service discovery: one target, and
// what relabelling may choose by.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// serveTargets tells all swept targets, each once, in Prometheus' HTTP service
// discovery format.
func (e *Exporter) serveTargets(w http.ResponseWriter, _ *http.Request) {
	g := e.generation()
	n := 0
	for _, s := range g.settings.Sweeps {
		n += s.Targets.Len()
	}
	if n > maxDiscovered {
		http.Error(w, fmt.Sprintf("The sweeps hold %d targets, and /targets tells at most %d: give several exporters a part each.", n, maxDiscovered), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriter(w)
	defer out.Flush()
	fmt.Fprint(out, "[")
	before, end := "\n", "]\n"
	for i := range g.settings.Sweeps {
		for o := range g.owned(i) {
			entry, err := json.Marshal(e.group(g, o))
			if err != nil {
				continue // maps of strings can be told
			}
			fmt.Fprint(out, before)
			if _, err := out.Write(entry); err != nil {
				return // the caller left
			}
			before, end = ",\n", "\n]\n"
		}
	}
	fmt.Fprint(out, end)
}

// group returns the entry of a target. Its statuses are there once it has been
// asked.
func (e *Exporter) group(g *generation, o ownership) group {
	out := group{[]string{o.target.Name}, map[string]string{
		"__meta_gpreach_target": o.target.Name,
		"__meta_gpreach_sweep":  g.settings.Sweeps[o.sweep].Name,
		"__meta_gpreach_source": string(o.target.Source),
		"__meta_gpreach_for":    "all",
	}}
	if len(o.asked) == 1 {
		out.Labels["__meta_gpreach_for"] = string(o.asked[0])
	}
	if r, ok := e.board.find(o.target.Name); ok {
		for _, op := range probe.Operations() {
			if s := status(r.statuses, op); s != "" {
				out.Labels["__meta_gpreach_status_"+string(op)] = string(s)
			}
		}
	}
	return out
}
