package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A tally is how many tests passed and failed, subtests counted like the others. A package that failed although
// none of its tests did (it did not build, or ended badly) counts as one failure. A skipped test counts as a failure
// too: this project's tests run, or are left out by name in scripts/test.sh.
type tally struct{ passed, failed int }

// An event is one line of go test -json; see "go doc test2json". Lines about a build have ImportPath and no Package.
type event struct {
	Action, Package, Test, Output string
}

// count reads the events and writes to show what deserves to be seen. Lines that are no events are shown as they are.
func count(events io.Reader, show io.Writer) (tally, error) {
	var total tally
	pending := map[[2]string]*strings.Builder{} // output of the tests that still run, by package and test
	failures := map[string]int{}                // failed tests, by package
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(show, "%s", line)
			} else {
				total.add(e, pending, failures, show)
			}
		}
		if err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
	}
}

func (total *tally) add(e event, pending map[[2]string]*strings.Builder, failures map[string]int, show io.Writer) {
	key := [2]string{e.Package, e.Test}
	switch {
	case e.Action == "build-output", e.Action == "output" && e.Test == "":
		if e.Output != "PASS\n" && !strings.Contains(e.Output, "[no test files]") {
			fmt.Fprint(show, e.Output)
		}
	case e.Action == "output":
		if pending[key] == nil {
			pending[key] = new(strings.Builder)
		}
		pending[key].WriteString(e.Output)
	case e.Action == "pass" && e.Test != "":
		total.passed++
		delete(pending, key)
	case e.Action == "fail" && e.Test == "":
		if failures[e.Package] == 0 {
			total.failed++
		}
	case e.Action == "fail", e.Action == "skip" && e.Test != "":
		total.failed++
		failures[e.Package]++
		if out := pending[key]; out != nil {
			fmt.Fprint(show, out)
			delete(pending, key)
		}
	}
}
