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

// README's samples are what the demo prints, to the letter; with a credential, up to
// the tickets.
func TestDemoIsInREADME(t *testing.T) {
	sampleInREADME(t, "demo", []string{"demo", "--limit", "20"}, func(out string) string { return out })
	sampleInREADME(t, "demo --credential", []string{"demo", "--credential"}, func(out string) string {
		table, _, _ := strings.Cut(out, "\nWhose ticket is it?")
		return table
	})
}

func sampleInREADME(t *testing.T, name string, args []string, shown func(string) string) {
	t.Helper()
	const path = "../../README.md"
	begin, end := "<!-- "+name+" -->\n```text\n", "```\n<!-- /"+name+" -->\n"
	var out, errs bytes.Buffer
	if code := run(args, nil, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Fatalf("exit code %d, standard error %q", code, &errs)
	}
	want := shown(out.String())
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
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(sample, "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("README.md is not what the demo prints (-README +demo); go test ./cmd/gpreach -update rewrites it:\n%s", diff)
	}
}
