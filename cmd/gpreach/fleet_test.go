package main

import (
	"fmt"
	"testing"

	"github.com/gpreach/gpreach/targets"
)

// The parts of a fleet are disjoint and together the whole, and the targets of
// each are counted from 0.
func TestFleetShards(t *testing.T) {
	for size := range 6 {
		var names []string
		for i := range size {
			names = append(names, fmt.Sprintf("ws-%d", i))
		}
		list, err := targets.Parse(names, targets.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 4; n++ {
			seen := map[string]int{}
			for i := range n {
				f := &fleet{list, shard{i, n}}
				next := 0
				for target := range f.all() {
					if seen[target.Name]++; target.Index != next {
						t.Errorf("%s is target %d of shard %d/%d, want %d", target.Name, target.Index, i, n, next)
					}
					next++
				}
				if f.len() != next {
					t.Errorf("shard %d/%d of %d says that it has %d targets, and has %d", i, n, size, f.len(), next)
				}
			}
			for _, name := range names {
				if seen[name] != 1 {
					t.Errorf("%s is in %d shards of %d", name, seen[name], n)
				}
			}
		}
	}
}
