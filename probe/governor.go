package probe

import (
	"context"
	"runtime"
	"sync"
	"time"
)

const (
	firstLimit  = 128                   // hosts at a time, to begin with
	leastLimit  = 16                    // and when this machine is very slow
	governEvery = 50 * time.Millisecond // the limit is looked at
	tolerated   = 20 * time.Millisecond // of lag, until it is lowered
)

// A governor bounds how many hosts are asked at once: by what the user allows,
// and by what this machine completes. While more hosts are in flight than it
// can serve, replies wait in our own queues and deadlines run, and a healthy
// host looks dead. So the bound begins low, grows while the machine keeps up,
// and gives way as soon as replies wait for their turn, or descriptors run out.
type governor struct {
	most  int           // what the user allows
	freed chan struct{} // holds a token when a waiting acquire should look again

	mu            sync.Mutex
	limit, active int
	overdrawn     bool // giveWay was called since the limit was last looked at
}

func newGovernor(most int) *governor {
	most = max(most, 1)
	return &governor{most: most, limit: min(most, firstLimit), freed: make(chan struct{}, 1)}
}

// acquire waits for room for one more host; false when ctx ended before. One
// goroutine at a time may wait.
func (g *governor) acquire(ctx context.Context) bool {
	for {
		if ctx.Err() != nil {
			return false
		}
		if g.enter() {
			return true
		}
		select {
		case <-g.freed:
		case <-ctx.Done():
		}
	}
}

func (g *governor) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active >= g.limit {
		return false
	}
	g.active++
	return true
}

// release makes room again.
func (g *governor) release() {
	g.mu.Lock()
	g.active--
	g.mu.Unlock()
	g.wake()
}

func (g *governor) wake() {
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

// giveWay says that this machine has run out of descriptors, ports or buffers.
func (g *governor) giveWay() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.overdrawn = true
}

// govern adjusts the limit until ctx ends.
func (g *governor) govern(ctx context.Context) {
	for {
		timer := time.NewTimer(governEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		lag := queueing()
		g.mu.Lock()
		if g.overdrawn {
			g.overdrawn, lag = false, max(lag, 2*tolerated)
		}
		g.limit = nextLimit(g.limit, g.active, g.most, lag)
		g.mu.Unlock()
		g.wake()
	}
}

// queueing returns how long a goroutine that is ready to run, such as one with
// a reply in hand, waits for its turn: as long as one that steps back. (How late
// a timer fires would not tell: what it wakes jumps the queue.)
func queueing() time.Duration {
	start := time.Now()
	runtime.Gosched()
	return time.Since(start)
}

// nextLimit grows a limit that is used to the full by an eighth, and halves what
// is active when this machine lags.
func nextLimit(limit, active, most int, lag time.Duration) int {
	switch {
	case lag > tolerated:
		return min(most, max(leastLimit, active/2))
	case active >= limit:
		return min(most, limit+max(limit/8, 1))
	}
	return limit
}
