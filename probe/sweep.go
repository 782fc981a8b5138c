package probe

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

// shuffleBlock is how many targets are read ahead and put in random order, so
// that one subnet is not hit at once.
const shuffleBlock = 4096

// maxLookups is how many names of a sweep are resolved at once: a resolver that
// is flooded answers nobody.
const maxLookups = 64

// A Plan says how a fleet is asked.
type Plan struct {
	Asked       []Operation
	AskedOf     func(Target) []Operation // what a target is asked instead of Asked; nil asks all alike
	Concurrency int                      // most hosts at a time; fewer where this machine is too slow for that
	Rate        float64                  // hosts begun a second; 0 is unlimited
}

func (p *Plan) askedOf(t Target) []Operation {
	if p.AskedOf == nil {
		return p.Asked
	}
	return p.AskedOf(t)
}

// Sweep asks every target and yields the reports as they come, no faster than
// they are taken. When ctx ends,
// no further host is begun and those that were are yielded with their
// unfinished steps canceled. Leaving the loop stops everything; the iterator
// returns only when all its goroutines have.
func (p *Prober) Sweep(ctx context.Context, targets iter.Seq[Target], plan Plan) iter.Seq[*Report] {
	return func(yield func(*Report) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		done := make(chan *Report)
		go func() {
			defer close(done)
			p.begin(ctx, targets, plan, done)
		}()
		left := false
		for r := range done {
			if !left && !yield(r) {
				left = true
				stop()
			}
		}
	}
}

// begin asks the targets, as many at a time as the plan and this machine
// allow, and returns when all that were begun have been reported.
func (p *Prober) begin(ctx context.Context, targets iter.Seq[Target], plan Plan, done chan<- *Report) {
	governed, ungovern := context.WithCancel(ctx)
	var governing, running sync.WaitGroup
	g, pace, lookups := newGovernor(plan.Concurrency), newPacer(plan.Rate), make(chan struct{}, maxLookups)
	governing.Go(func() { g.govern(governed) })
	telling := *p
	telling.exhausted = g.giveWay
	for t := range shuffled(targets) {
		if !pace.wait(ctx) || !g.acquire(ctx) {
			break
		}
		running.Go(func() {
			done <- telling.probe(ctx, t, plan.askedOf(t), lookups)
			g.release()
		})
	}
	running.Wait()
	ungovern()
	governing.Wait()
}

// shuffled puts the targets in random order, a block of them at a time.
func shuffled(targets iter.Seq[Target]) iter.Seq[Target] {
	return func(yield func(Target) bool) {
		block := make([]Target, 0, 64)
		flush := func() bool {
			rand.Shuffle(len(block), func(i, j int) { block[i], block[j] = block[j], block[i] })
			for _, t := range block {
				if !yield(t) {
					return false
				}
			}
			block = block[:0]
			return true
		}
		for t := range targets {
			if block = append(block, t); len(block) == shuffleBlock && !flush() {
				return
			}
		}
		flush()
	}
}

// A pacer spaces events evenly.
type pacer struct {
	gap  time.Duration
	next time.Time
}

func newPacer(rate float64) *pacer {
	if rate <= 0 {
		return &pacer{}
	}
	return &pacer{gap: time.Duration(min(float64(time.Second)/rate, float64(24*time.Hour)))}
}

// wait returns when the next event is due, false when ctx ended before. Time
// lost is not made up for by a burst.
func (p *pacer) wait(ctx context.Context) bool {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	timer := time.NewTimer(p.next.Sub(now))
	defer timer.Stop()
	p.next = p.next.Add(p.gap)
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
