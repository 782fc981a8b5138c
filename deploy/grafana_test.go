package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type datasource struct{ Type, UID string }

type target struct {
	RefID, Expr string
	Datasource  datasource
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *datasource
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
}

type variable struct {
	Name, Type string
	Query      any
	Datasource *datasource
}

// text returns the query of a variable: some are strings, some have it inside.
func (v variable) text() string {
	if m, ok := v.Query.(map[string]any); ok {
		return fmt.Sprint(m["query"])
	}
	return fmt.Sprint(v.Query)
}

type dashboard struct {
	UID, Title, Description string
	SchemaVersion           int
	Links                   []struct{ URL string }
	Templating              struct{ List []variable }
	Panels                  []panel
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	all := make(map[string]dashboard)
	for _, file := range glob(t, "deploy/grafana/*.json") {
		var d dashboard
		if err := json.Unmarshal(read(t, file), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(path.Base(file), ".json")] = d
	}
	return all
}

// The UIDs are an interface: links lead to them, and an import replaces the
// dashboard of before.
func TestDashboardIdentity(t *testing.T) {
	all := dashboards(t)
	for _, uid := range []string{"gpreach-fleet", "gpreach-host", "gpreach-exporter"} {
		d, ok := all[uid]
		if !ok || d.UID != uid || d.Title == "" || d.Description == "" || d.SchemaVersion < 39 {
			t.Errorf("%s is missing or not whole: uid %q, title %q, schema %d", uid, d.UID, d.Title, d.SchemaVersion)
		}
		if len(d.Links) != len(all)-1 {
			t.Errorf("%s has %d links, want one to each other", uid, len(d.Links))
		}
	}
	linked := regexp.MustCompile(`/d/([a-z-]+)`)
	for _, file := range glob(t, "deploy/grafana/*.json") {
		for _, m := range linked.FindAllStringSubmatch(string(read(t, file)), -1) {
			if _, ok := all[m[1]]; !ok {
				t.Errorf("%s links to %s, which there is not", file, m[1])
			}
		}
	}
}

func TestDashboardPanels(t *testing.T) {
	chosen := datasource{"prometheus", "${datasource}"}
	for uid, d := range dashboards(t) {
		var ids []int
		taken := make(map[[2]int]string)
		for _, p := range d.Panels {
			if p.ID < 1 || slices.Contains(ids, p.ID) {
				t.Errorf("%s: %q has the id %d of another", uid, p.Title, p.ID)
			}
			ids = append(ids, p.ID)
			g := p.GridPos
			if g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
				t.Errorf("%s: %q lies outside: %+v", uid, p.Title, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %q lies on %q", uid, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Datasource == nil || *p.Datasource != chosen {
				t.Errorf("%s: panel %d lacks a title, a description, a query or the chosen data source", uid, p.ID)
			}
			for _, q := range p.Targets {
				if q.Datasource != chosen || q.RefID == "" || q.Expr == "" {
					t.Errorf("%s: a query of %q: %+v", uid, p.Title, q)
				}
			}
		}
	}
}

var dollar = regexp.MustCompile(`\$\{?([A-Za-z_]+)`)

// Every variable that is used is defined, and every one that is defined used.
func TestDashboardVariables(t *testing.T) {
	for uid, d := range dashboards(t) {
		file := read(t, "deploy/grafana/"+uid+".json")
		used := make(map[string]bool)
		for _, m := range dollar.FindAllSubmatch(file, -1) {
			used[string(m[1])] = true
		}
		var defined []string
		for _, v := range d.Templating.List {
			defined = append(defined, v.Name)
			if !used[v.Name] {
				t.Errorf("%s: nothing uses $%s", uid, v.Name)
			}
			if v.Type == "query" && (v.Datasource == nil || v.Datasource.UID != "${datasource}") {
				t.Errorf("%s: $%s has a data source of its own", uid, v.Name)
			}
		}
		for name := range used {
			if !strings.HasPrefix(name, "__") && !slices.Contains(defined, name) {
				t.Errorf("%s uses $%s, which is not defined", uid, name)
			}
		}
		if bytes.Contains(file, []byte(`"__inputs"`)) {
			t.Errorf("%s was exported for sharing: that asks for a data source at each import", uid)
		}
	}
}

// A query is what a dashboard asks, and where, with its variables filled in.
type query struct{ where, expr string }

func queries(t *testing.T) []query {
	t.Helper()
	fill := strings.NewReplacer("$__rate_interval", "5m", "$__all", ".+")
	filled := func(s string) string { return dollar.ReplaceAllString(fill.Replace(s), "x") }
	labelValues := regexp.MustCompile(`^label_values\((.+), [a-z]+\)$`)
	var all []query
	for uid, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				// "$1" of label_replace is no variable, and has no letter.
				all = append(all, query{uid + ": " + p.Title, filled(q.Expr)})
			}
		}
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			expr := v.text()
			if m := labelValues.FindStringSubmatch(expr); m != nil {
				expr = m[1]
			} else {
				expr = strings.TrimSuffix(strings.TrimPrefix(expr, "query_result("), ")")
			}
			all = append(all, query{uid + ": $" + v.Name, filled(expr)})
		}
	}
	return all
}

func TestDashboardMetricsExist(t *testing.T) {
	known := metrics(t)
	for _, q := range queries(t) {
		if unknown := unknownMetrics(q.expr, known); unknown != nil {
			t.Errorf("%s asks for %v, which nothing exposes", q.where, unknown)
		}
	}
}
