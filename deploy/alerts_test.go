package deploy_test

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule is one of alerts.yml: recorded or an alert.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func (r rule) name() string { return r.Record + r.Alert }

type ruleFile struct {
	Groups []struct {
		Name, Interval string
		Rules          []rule
	}
}

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, g := range documents[ruleFile](t, "deploy/prometheus/alerts.yml")[0].Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// alerts returns the alerts by name; one of two severities is one.
func alerts(t *testing.T) map[string]rule {
	t.Helper()
	all := make(map[string]rule)
	for _, r := range rules(t) {
		if r.Alert != "" {
			all[r.Alert] = r
		}
	}
	return all
}

const runbooks = "https://github.com/gpreach/gpreach/blob/main/"

func TestAlertsAreWhole(t *testing.T) {
	known := metrics(t)
	for _, r := range rules(t) {
		if unknown := unknownMetrics(r.Expr, known); unknown != nil {
			t.Errorf("%s uses what nothing exposes: %v", r.name(), unknown)
		}
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		if got := slices.Sorted(maps.Keys(r.Annotations)); !slices.Equal(got, []string{"description", "runbook_url", "summary"}) {
			t.Errorf("%s has the annotations %v", r.Alert, got)
		}
		page, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbooks)
		if !ok || page != "docs/runbooks/"+r.Alert+".md" {
			t.Errorf("%s: runbook_url %q", r.Alert, r.Annotations["runbook_url"])
			continue
		}
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(page))); err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
	}
}

// Every recorded series that a rule or a runbook names is recorded.
func TestRecordedSeriesExist(t *testing.T) {
	recorded := make(map[string]bool)
	for _, r := range rules(t) {
		recorded[r.Record] = true
	}
	name := regexp.MustCompile(`\bjob[a-z_]*:gpreach[a-z_]*:[a-z]+\b`)
	for _, file := range slices.Concat(
		[]string{"deploy/prometheus/alerts.yml"}, glob(t, "docs/*.md"), glob(t, "docs/runbooks/*.md"), glob(t, "deploy/grafana/*.json"),
	) {
		for _, n := range name.FindAllString(string(read(t, file)), -1) {
			if !recorded[n] {
				t.Errorf("%s: no rule records %s", file, n)
			}
		}
	}
}

// Every alert has a page, every page an alert, and the list has all of them,
// under the severities they have.
func TestRunbooks(t *testing.T) {
	all := alerts(t)
	index := string(read(t, "docs/runbooks/README.md"))
	for _, file := range glob(t, "docs/runbooks/*.md") {
		name := strings.TrimSuffix(path.Base(file), ".md")
		if name == "README" {
			continue
		}
		if _, ok := all[name]; !ok {
			t.Errorf("%s is about no alert", file)
		}
		text := string(read(t, file))
		for _, part := range []string{"# " + name + "\n", "## What it means", "## How to see it", "## Likely causes", "## What to do", "## Silence rightly"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s lacks %q", file, part)
			}
		}
	}
	for name, r := range all {
		if !strings.Contains(index, "| ["+name+"]("+name+".md) | ") {
			t.Errorf("docs/runbooks/README.md does not list %s", name)
		}
		if !strings.Contains(string(read(t, "docs/runbooks/"+name+".md")), "**Severity** ") || !strings.Contains(index, r.Labels["severity"]) {
			t.Errorf("the page of %s tells no severity", name)
		}
	}
}

// Each alert fires in one unit test and does not in another.
func TestAlertsAreTested(t *testing.T) {
	type unitTests struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Name, Interval string
			InputSeries    []struct{ Series, Values string } `yaml:"input_series"`
			AlertRuleTest  []struct {
				EvalTime  string `yaml:"eval_time"`
				Alertname string
				ExpAlerts []struct {
					Labels      map[string]string `yaml:"exp_labels"`
					Annotations map[string]string `yaml:"exp_annotations"`
				} `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	known := metrics(t)
	fires, silent := make(map[string]bool), make(map[string]bool)
	for _, test := range documents[unitTests](t, "deploy/prometheus/alerts_test.yml")[0].Tests {
		for _, in := range test.InputSeries {
			if unknown := unknownMetrics(in.Series, known); unknown != nil {
				t.Errorf("%s feeds %v, which nothing exposes", test.Name, unknown)
			}
		}
		for _, check := range test.AlertRuleTest {
			if len(check.ExpAlerts) > 0 {
				fires[check.Alertname] = true
			} else {
				silent[check.Alertname] = true
			}
		}
	}
	for name := range alerts(t) {
		if !fires[name] || !silent[name] {
			t.Errorf("%s: a test in which it fires: %t; one in which it does not: %t", name, fires[name], silent[name])
		}
	}
}
