package probe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestNextLimit(t *testing.T) {
	tests := []struct {
		name                string
		limit, active, most int
		lag                 time.Duration
		want                int
	}{
		{"used to the full, no lag", 128, 128, 10000, 0, 144},
		{"used to the full, at the most", 500, 500, 512, 0, 512},
		{"room left", 128, 100, 10000, time.Millisecond, 128},
		{"lagging", 1000, 1000, 10000, 30 * time.Millisecond, 500},
		{"lagging with room left", 1000, 400, 10000, 30 * time.Millisecond, 200},
		{"lagging at the bottom", 16, 16, 10000, time.Second, 16},
		{"lagging, and the user allows fewer", 4, 4, 4, time.Second, 4},
		{"one at a time", 1, 1, 1, 0, 1},
	}
	for _, tt := range tests {
		if got := nextLimit(tt.limit, tt.active, tt.most, tt.lag); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A machine that keeps up reaches what the user allows within three seconds.
func TestGovernor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		g := newGovernor(10000)
		go g.govern(ctx)
		start := time.Now()
		for range 10000 {
			if !g.acquire(ctx) {
				t.Fatal("no room")
			}
		}
		if took := time.Since(start); took > 3*time.Second || g.limit != 10000 {
			t.Errorf("%d at a time after %v", g.limit, took)
		}
		g.giveWay()
		time.Sleep(governEvery + time.Millisecond)
		if g.mu.Lock(); g.limit != 5000 {
			t.Errorf("after giving way %d at a time", g.limit)
		}
		g.limit = 10000
		g.mu.Unlock()
		time.AfterFunc(time.Second, g.release)
		if !g.acquire(ctx) {
			t.Error("no room after a release")
		}
		time.AfterFunc(time.Second, stop)
		if g.acquire(ctx) {
			t.Error("room for more than the user allows")
		}
	})
}
