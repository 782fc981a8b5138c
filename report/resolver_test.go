package report

import (
	"testing"

	"github.com/gpreach/gpreach/probe"
)

func TestResolverSick(t *testing.T) {
	const sick = "this machine's resolver is sick: it failed for 3 of 30 names, and those hosts were not asked"
	tests := []struct {
		name                           string
		failed, found, unknown, direct int
		want                           string
	}{
		{"no names", 0, 0, 0, 9, ""},
		{"two of two", 2, 0, 0, 0, ""},
		{"three of thirty", 3, 20, 7, 0, sick},
		{"three of thirty-one", 3, 20, 8, 0, ""},
		{"names that do not exist are no fault of it", 0, 1, 50, 0, ""},
		{"addresses do not count", 3, 27, 0, 500, sick},
	}
	for _, tt := range tests {
		var s Summary
		add := func(n int, trail probe.Trail) {
			for range n {
				s.Add(&probe.Report{Findings: []probe.Finding{{Trail: trail}}})
			}
		}
		add(tt.failed, probe.Trail{{Stage: probe.Resolve, Outcome: probe.Timeout}})
		add(tt.found, probe.Trail{{Stage: probe.Resolve, Outcome: probe.OK}, {Stage: probe.Connect, Outcome: probe.Timeout}})
		add(tt.unknown, probe.Trail{{Stage: probe.Resolve, Outcome: probe.NoSuchName}})
		add(tt.direct, probe.Trail{{Stage: probe.Connect, Outcome: probe.Timeout}})
		if got := s.ResolverSick(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
