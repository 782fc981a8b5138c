package main

import (
	"slices"
	"testing"
)

func TestGateMet(t *testing.T) {
	tests := []struct {
		minReady    string
		accepted, n int
		want        bool
	}{
		{"100%", 3, 3, true},
		{"100%", 2, 3, false},
		{"50%", 1, 2, true},
		{"50%", 1, 3, false}, // half of three is more than one
		{"50%", 2, 3, true},
		{"0%", 0, 3, true},
		{"0", 0, 3, true},
		{"1", 0, 3, false},
		{"1", 1, 3, true},
		{"4", 3, 3, false},     // a count that the fleet cannot reach
		{"29%", 29, 100, true}, // 0.29*100 is not 29 to a computer
		{"99.9%", 999, 1000, true},
		{"99.9%", 998, 1000, false},
		{"98%", 16441656, 16777200, true},
		{"98%", 16441655, 16777200, false},
	}
	for _, test := range tests {
		g, err := (&gateFlags{minReady: test.minReady}).gate()
		if err != nil {
			t.Fatal(err)
		}
		if got := g.met(test.accepted, test.n); got != test.want {
			t.Errorf("--min-ready %s with %d of %d: %v, want %v", test.minReady, test.accepted, test.n, got, test.want)
		}
	}
	for _, wrong := range []string{"", "%", "101%", "-1%", "-1", "NaN%", "Inf%", "0.5", "50 %", "all"} {
		if _, err := (&gateFlags{minReady: wrong}).gate(); err == nil {
			t.Errorf("--min-ready %q is taken", wrong)
		}
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]shard{
		"": {0, 1}, "1/1": {0, 1}, "0/1": {0, 1}, "1/2": {1, 2}, "2/2": {0, 2}, "0/2": {0, 2}, "3/4": {3, 4},
	} {
		if got, err := parseShard(text); err != nil || got != want {
			t.Errorf("--shard %q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, wrong := range []string{"1", "/", "1/", "/2", "0/0", "3/2", "-1/2", "1/-2", "a/b", "1/2/3", " 1/2"} {
		if got, err := parseShard(wrong); err == nil {
			t.Errorf("--shard %q is taken for %v", wrong, got)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for text, want := range map[string][]uint16{
		"none": nil, "3389": {3389}, "7680, 5040": {7680, 5040}, "1,65535,1": {1, 65535},
	} {
		if got, err := parsePorts(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("--liveness-ports %q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, wrong := range []string{"", "0", "65536", "80,", "http", "-1", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"} {
		if got, err := parsePorts(wrong); err == nil {
			t.Errorf("--liveness-ports %q is taken for %v", wrong, got)
		}
	}
}
