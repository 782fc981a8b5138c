package deploy_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages returns the documents that the tests of this package look at.
func pages(t *testing.T) []string {
	t.Helper()
	return slices.Concat(glob(t, "docs/*.md"), glob(t, "docs/runbooks/*.md"), []string{"deploy/README.md", "README.md", "ARCHITECTURE.md"})
}

// Links between the documents lead somewhere, to a heading too.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, file := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(string(read(t, file)), -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			if to == "" {
				to = path.Base(file)
			}
			to = path.Join(path.Dir(file), to)
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(to))); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(string(read(t, to))), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", file, m[1])
			}
		}
	}
}

// anchors returns what a page's headings are linked by.
func anchors(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

// Every metric of ours that a document names exists, and docs/metrics.md has all.
func TestDocumentedMetricsExist(t *testing.T) {
	known := metrics(t)
	name := regexp.MustCompile("`((?:gpreach|probe)_[a-z0-9_]+)(?:`|\\{)")
	documented := make(map[string]bool)
	for _, file := range pages(t) {
		for _, m := range name.FindAllStringSubmatch(string(read(t, file)), -1) {
			if !known[m[1]] {
				t.Errorf("%s names %s, which nothing exposes", file, m[1])
			}
			if file == "docs/metrics.md" {
				documented[m[1]] = true
			}
		}
	}
	for metric := range known {
		derived := regexp.MustCompile(`_(bucket|sum|count)$`).MatchString(metric)
		if regexp.MustCompile(`^(gpreach|probe)_`).MatchString(metric) && !derived && !documented[metric] {
			t.Errorf("docs/metrics.md does not have %s", metric)
		}
	}
}

// Alerts that a document or Alertmanager's configuration names exist.
func TestNamedAlertsExist(t *testing.T) {
	all := alerts(t)
	name := regexp.MustCompile(`\bGpreach[A-Z][A-Za-z]+`)
	for _, file := range append(pages(t), "deploy/prometheus/alertmanager.yml", "deploy/grafana/gpreach-fleet.json") {
		for _, n := range name.FindAllString(string(read(t, file)), -1) {
			if _, ok := all[n]; !ok {
				t.Errorf("%s names the alert %s, which there is not", file, n)
			}
		}
	}
}
