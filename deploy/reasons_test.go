package deploy_test

import (
	"regexp"
	"strings"
	"testing"
)

// reasonTexts returns every text of probe/reason.go, with an ellipsis for what
// is filled in.
func reasonTexts(t *testing.T) map[string]bool {
	t.Helper()
	literal := regexp.MustCompile("`([^`\\n]*)`|\"([^\"\\n]*)\"")
	filled := regexp.MustCompile(`(\{[A-Za-z]+\})+`)
	texts := make(map[string]bool)
	for _, m := range literal.FindAllStringSubmatch(string(read(t, "probe/reason.go")), -1) {
		texts[filled.ReplaceAllString(m[1]+m[2], "…")] = true
	}
	return texts
}

// The runbooks tell what stages and outcomes mean in the words of the reports.
func TestReasonsAreTheReports(t *testing.T) {
	texts := reasonTexts(t)
	row := regexp.MustCompile(`(?m)^\| (?:resolve|identify|connect|negotiate|bind|map)[^|]*\| [^|]+ \| ([^|]+) \| ([^|]+) \|$`)
	rows := row.FindAllStringSubmatch(string(read(t, "docs/runbooks/README.md")), -1)
	if len(rows) < 20 {
		t.Fatalf("docs/runbooks/README.md has %d rows of reasons", len(rows))
	}
	for _, m := range rows {
		if !texts[m[1]] {
			t.Errorf("probe/reason.go does not say: %s", m[1])
		}
		if owner := strings.TrimSpace(m[2]); !texts[owner] {
			t.Errorf("probe/reason.go has no owner %q", owner)
		}
	}
}
