package main

import (
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	tests := []struct {
		name   string
		events string
		want   tally
		shown  string
	}{
		{
			name: "subtests count like tests, and what passes is not shown",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA/x","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}`,
			want:  tally{passed: 2},
			shown: "ok  \tp\t0.1s\n",
		},
		{
			name: "a failed test is shown whole, between its neighbours' silence",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"why\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"chatter\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}`,
			want:  tally{passed: 1, failed: 1},
			shown: "why\n--- FAIL: TestA\n",
		},
		{
			name: "a package that does not build is one failure",
			events: `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			want:  tally{failed: 1},
			shown: "p.go:1: no\n",
		},
		{
			name: "a package that ends badly after its tests have passed is one failure",
			events: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"goroutine leak\n"}
{"Action":"fail","Package":"p"}`,
			want:  tally{passed: 1, failed: 1},
			shown: "goroutine leak\n",
		},
		{
			name: "a skipped test is a failure, a package without tests is nothing",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}`,
			want:  tally{failed: 1},
			shown: "--- SKIP: TestA\n",
		},
		{
			name:   "what is no event is shown as it is",
			events: "go: downloading\n",
			shown:  "go: downloading\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var shown strings.Builder
			got, err := count(strings.NewReader(tt.events), &shown)
			if err != nil || got != tt.want {
				t.Errorf("count = %+v, %v; want %+v", got, err, tt.want)
			}
			if shown.String() != tt.shown {
				t.Errorf("shown %q, want %q", shown.String(), tt.shown)
			}
		})
	}
}

// A command that fails without a failed test must not look like a success.
func TestRunReportsTheCommandsOwnFailure(t *testing.T) {
	var shown strings.Builder
	if total, err := run([]string{"go", "no-such-command"}, &shown); err == nil {
		t.Errorf("run = %+v and no error", total)
	}
}
