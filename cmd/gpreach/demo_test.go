package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the demo's output in README.md")

// README's sample is what the demo prints, to the letter.
func TestDemoIsInREADME(t *testing.T) {
	t.Parallel() // the demo waits for hosts that do not answer
	const path, begin, end = "../../README.md", "<!-- demo -->\n```text\n", "```\n<!-- /demo -->\n"
	var out, errs bytes.Buffer
	if code := run([]string{"demo", "--limit", "20"}, nil, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Fatalf("exit code %d, standard error %q", code, &errs)
	}
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(readme), begin)
	sample, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("README.md has no sample between %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+out.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(sample, "\n"), strings.Split(out.String(), "\n")); diff != "" {
		t.Errorf("README.md is not what the demo prints (-README +demo); go test ./cmd/gpreach -update rewrites it:\n%s", diff)
	}
}
