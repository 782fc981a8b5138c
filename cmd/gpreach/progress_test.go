package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/probe"
)

func hostWith(s probe.Status) *probe.Report {
	return &probe.Report{Operations: []probe.OperationStatus{{Status: probe.StatusReady}, {Status: s}}}
}

func TestProgressLine(t *testing.T) {
	p := &progress{total: 40, counts: map[probe.Status]int{}}
	if got, want := p.line(time.Second), "[....................] 0/40 hosts  0/s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for range 9 {
		p.add(hostWith(probe.StatusUnproven))
	}
	p.add(hostWith(probe.StatusUnreachable))
	p.add(&probe.Report{Excluded: true})
	p.total = 44
	want := "[#####...............] 11/44 hosts  2/s  unproven 9  unreachable 1  17s left"
	if got := p.line(5500 * time.Millisecond); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p.done = p.total
	if got := p.line(22 * time.Second); got != "[####################] 44/44 hosts  2/s  unproven 9  unreachable 1" {
		t.Errorf("%q", got)
	}
}

// A line that does not fit is cut, since only one row is taken away.
func TestFit(t *testing.T) {
	for _, tt := range []struct {
		width int
		want  string
	}{{0, "[##] 1/2"}, {1, ""}, {8, "[##] 1/"}, {9, "[##] 1/2"}} {
		if got := fit("[##] 1/2", tt.width); got != tt.want {
			t.Errorf("%d: %q, want %q", tt.width, got, tt.want)
		}
	}
}

// The line is drawn again and again, and nothing of it stays.
func TestProgressGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := startProgress(&out, 1)
		time.Sleep(2*progressEvery + time.Millisecond)
		p.add(hostWith(probe.StatusSilent))
		p.finish()
		if got := bytes.Count(out.Bytes(), []byte("0/1 hosts")); got != 2 {
			t.Errorf("drawn %d times: %q", got, out.String())
		}
		if !bytes.HasSuffix(out.Bytes(), []byte(eraseLine)) {
			t.Errorf("left behind: %q", out.String())
		}
	})
}

// Into a pipe or a file, nothing is drawn.
func TestNoProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, 1)
	p.add(hostWith(probe.StatusReady))
	p.erase()
	p.finish()
	if p != nil || out.Len() != 0 {
		t.Errorf("%q", out.String())
	}
}
