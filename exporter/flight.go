package exporter

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// A route is what callers of /probe share a flight to.
type route struct {
	key        string // Target.Key
	operations string
	retired    <-chan struct{} // of the generation whose rules hold for it
}

// A flight is one probe for all callers who want it at the time. Each is answered
// when it has landed, or with what is known when their patience ends.
type flight struct {
	cancel  context.CancelFunc
	waiting int           // callers
	done    chan struct{} // closed when report is set
	report  *probe.Report // nil when the probe panicked
	soFar   atomic.Pointer[func() *probe.Report]
}

// Flights are the probes in the air, one for each route. Each has a context of
// its own: that of the caller who began it is nobody else's.
type flights struct {
	ctx    context.Context //nolint:containedctx // what ends all flights
	cancel context.CancelFunc
	log    *slog.Logger

	mu      sync.Mutex
	inAir   int
	byRoute map[route]*flight
	running sync.WaitGroup
}

func newFlights(log *slog.Logger) *flights {
	f := &flights{log: log, byRoute: map[route]*flight{}}
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

// join returns the flight to a route: the one in the air, else a new one that
// calls fly, which is to hand its Prober's Begun to the flight. It returns nil
// when most flights are in the air already, or none may begin any more.
func (f *flights) join(to route, most int, fly func(ctx context.Context, begun func(soFar func() *probe.Report)) *probe.Report) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.byRoute[to]; other != nil {
		other.waiting++
		return other
	}
	if f.inAir >= most || f.ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(f.ctx)
	begun := &flight{cancel: cancel, waiting: 1, done: make(chan struct{})}
	f.byRoute[to] = begun
	f.inAir++
	f.running.Go(func() {
		defer f.land(to, begun)
		defer func() {
			if r := recover(); r != nil {
				f.log.Error("internal error in a probe", "target", to.key, "panic", r, "stack", string(debug.Stack()))
			}
		}()
		begun.report = fly(ctx, func(soFar func() *probe.Report) { begun.soFar.Store(&soFar) })
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
	if f.byRoute[to] == ended {
		delete(f.byRoute, to)
	}
}

// wait returns the flight's report: when it has landed, or as it stands when the
// patience ends, 0 being any. last tells that nobody else waits for the flight,
// which is then canceled. ok is false when the caller left before.
func (f *flights) wait(ctx context.Context, to route, joined *flight, patience time.Duration) (r *probe.Report, last, ok bool) {
	var over <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-joined.done:
		return joined.report, false, true
	case <-over:
		if soFar := joined.soFar.Load(); soFar != nil {
			r = (*soFar)()
		}
		ok = true
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if joined.waiting--; joined.waiting == 0 {
		f.forget(to, joined)
		joined.cancel()
		last = true
	}
	return r, last, ok
}

// count returns how many flights are in the air.
func (f *flights) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inAir
}
