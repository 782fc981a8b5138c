package deploy_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// read returns a file of the repository, named from its root.
func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// glob returns the files of the repository that match, named from its root.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pattern)))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s matches nothing (%v)", pattern, err)
	}
	for i, path := range found {
		found[i] = strings.TrimPrefix(filepath.ToSlash(path), "../")
	}
	return found
}

// documents decodes each document of a YAML file into a T. Unknown fields and
// keys that stand twice are errors.
func documents[T any](t *testing.T, path string) []T {
	t.Helper()
	decoder, err := yaml.NewLoader(bytes.NewReader(read(t, path)), yaml.WithKnownFields())
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for {
		var one T
		err := decoder.Load(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}

var (
	metricType = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	metricName = regexp.MustCompile(`\b(?:gpreach|probe|process|go|scrape)_[a-z0-9_]*[a-z0-9]\b|\bup\b`)
)

// metrics returns the names of all series that a query may use: what the
// exporter's golden files show, what its libraries add, and Prometheus' own.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{
		"gpreach_build_info":         true, // left out of the golden files, as it changes with Go
		"process_start_time_seconds": true, "process_cpu_seconds_total": true, "process_resident_memory_bytes": true,
		"process_open_fds": true, "process_max_fds": true, "go_goroutines": true,
		"up": true, "scrape_duration_seconds": true, "scrape_samples_scraped": true,
	}
	for _, path := range glob(t, "exporter/testdata/*.prom") {
		for _, m := range metricType.FindAllStringSubmatch(string(read(t, path)), -1) {
			names[m[1]] = true
			if m[2] == "histogram" {
				names[m[1]+"_bucket"], names[m[1]+"_sum"], names[m[1]+"_count"] = true, true, true
			}
		}
	}
	return names
}

// unknownMetrics returns the metrics in a query that nothing exposes. The names
// of recorded series, which have colons, are not looked at.
func unknownMetrics(query string, known map[string]bool) []string {
	query = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(query, "")
	query = regexp.MustCompile(`[a-z_]+:[a-z_:]+`).ReplaceAllString(query, "")
	var unknown []string
	for _, name := range metricName.FindAllString(query, -1) {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
