package exporter

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// A route is what callers of /probe share a flight to.
type route struct {
	key        string // Target.Key
	operations string
	retired    <-chan struct{} // of the generation whose rules hold for it
}

// A flight is one probe for all callers who want it at the time.
type flight struct {
	ends    time.Time // its answer is there by then
	budget  time.Duration
	cancel  context.CancelFunc
	waiting int           // callers
	done    chan struct{} // closed when report is set
	report  *probe.Report // nil when the probe panicked
}

// Flights are the probes in the air. Each has a context of its own: that of the
// caller who began it is nobody else's.
type flights struct {
	ctx    context.Context //nolint:containedctx // what ends all flights
	cancel context.CancelFunc
	log    *slog.Logger

	mu      sync.Mutex
	inAir   int
	byRoute map[route][]*flight
	running sync.WaitGroup
}

func newFlights(log *slog.Logger) *flights {
	f := &flights{log: log, byRoute: map[route][]*flight{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// close ends all flights and returns when they have landed. None begins any more.
func (f *flights) close() {
	f.mu.Lock()
	f.cancel() // under the lock, so that no flight begins beside the wait
	f.mu.Unlock()
	f.running.Wait()
}

// maxPerRoute is how many flights to one host may be in the air: callers who wait
// as long as each other need one.
const maxPerRoute = 4

// join returns a flight whose answer is there within whole, and which gives the
// host no less time than budget: one in the air, else a new one that calls fly
// with that as its deadline. So nobody is told nothing because another caller is
// more patient, nor too little because one is less so. It returns nil when most
// flights are in the air already, or maxPerRoute to that host, or none may begin
// any more.
func (f *flights) join(to route, whole, budget time.Duration, most int, fly func(context.Context) *probe.Report) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	ends := time.Now().Add(whole) // under the lock: who comes later ends later
	for _, other := range f.byRoute[to] {
		if !other.ends.After(ends) && other.budget >= budget {
			other.waiting++
			return other
		}
	}
	if f.inAir >= most || len(f.byRoute[to]) >= maxPerRoute || f.ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithDeadline(f.ctx, ends)
	begun := &flight{ends: ends, budget: budget, cancel: cancel, waiting: 1, done: make(chan struct{})}
	f.byRoute[to] = append(f.byRoute[to], begun)
	f.inAir++
	f.running.Go(func() {
		defer f.land(to, begun)
		defer func() {
			if r := recover(); r != nil {
				f.log.Error("internal error in a probe", "target", to.key, "panic", r, "stack", string(debug.Stack()))
			}
		}()
		begun.report = fly(ctx)
	})
	return begun
}

// land ends a flight.
func (f *flights) land(to route, ended *flight) {
	ended.cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inAir--
	f.forget(to, ended)
	close(ended.done)
}

// forget keeps further callers from joining. f.mu is held.
func (f *flights) forget(to route, ended *flight) {
	f.byRoute[to] = slices.DeleteFunc(f.byRoute[to], func(x *flight) bool { return x == ended })
	if len(f.byRoute[to]) == 0 {
		delete(f.byRoute, to)
	}
}

// wait returns the flight's report, and false when the caller left before. A
// flight that nobody waits for any longer is canceled.
func (f *flights) wait(ctx context.Context, to route, joined *flight) (*probe.Report, bool) {
	select {
	case <-joined.done:
		return joined.report, true
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if joined.waiting--; joined.waiting == 0 {
		f.forget(to, joined)
		joined.cancel()
	}
	return nil, false
}

// count returns how many flights are in the air.
func (f *flights) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inAir
}
