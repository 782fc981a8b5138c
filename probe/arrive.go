package probe

import (
	"context"
	"net/netip"
	"time"
)

// A door is a port of the host being dialled.
type door struct {
	approach *approach
	open     chan struct{} // closed when step and link are set
	step     Step
	link     *link // nil unless the step is ok
}

// mayBeUp reports whether a door ended in a way that does not fit a silent
// host: an answer, or no proper try.
func (d *door) mayBeUp() bool {
	return d.step.Outcome != Timeout && d.step.Outcome != Unroutable
}

// An approach is the first dials to one address, all begun at once: to 445, and
// for each mapped interface that is asked for one to 135, so that no lookup
// waits for another.
type approach struct {
	addr   netip.Addr
	cancel context.CancelFunc
	smb    *door
	mapper []*door
	ended  int // doors that race has seen end
}

func (a *approach) doors() []*door { return append([]*door{a.smb}, a.mapper...) }

func (v *visit) approach(addr netip.Addr) *approach {
	ctx, cancel := context.WithCancel(v.ctx)
	a := &approach{addr: addr, cancel: cancel}
	a.smb = v.door(ctx, a, v.p.SMBPort)
	for range v.services {
		a.mapper = append(a.mapper, v.door(ctx, a, v.p.MapperPort))
	}
	v.routes.Go(func() { v.liveness(a) })
	return a
}

// door begins to dial a port. Its step tells what came of it.
func (v *visit) door(ctx context.Context, a *approach, port uint16) *door {
	d := &door{approach: a, open: make(chan struct{})}
	v.doors.Go(func() {
		d.link, d.step = v.dial(ctx, netip.AddrPortFrom(a.addr, port))
		if d.step.Outcome == OK || d.step.Outcome == Refused {
			v.once.answered.Do(func() { close(v.answered) })
		}
		close(d.open)
		v.ended <- d
	})
	return d
}

// dial connects to a port and returns the link, nil unless the step is ok.
func (v *visit) dial(ctx context.Context, to netip.AddrPort) (*link, Step) {
	s := Step{Stage: Connect, Peer: to.String()}
	start := time.Now()
	conn, err := v.p.connect(ctx, to)
	s.Elapsed = time.Since(start)
	if s.Outcome = classify(ctx, err); err != nil {
		s.Detail = say(s.Outcome, err)
		return nil, s
	}
	return newLink(ctx, conn, s.Peer, v.p.Timeout), s
}

// arrive dials the addresses and chooses the one that the report is about: the
// first where 445 or 135 connects, else the first that resets, else the first.
// The trails are the failed connects to 445 and 135 at the others. A sole
// address is chosen before its dials have ended.
func (v *visit) arrive(addrs []netip.Addr) (a *approach, smb, mapper Trail) {
	a = v.approach(addrs[0])
	begun := []*approach{a}
	if len(addrs) > 1 {
		begun, a = v.race(begun, addrs[1:])
	}
	for _, other := range begun {
		if other == a {
			continue
		}
		smb = smb.plus(other.smb.failure()...)
		mapper = mapper.plus(other.mapper[0].failure()...)
		other.cancel()
		for _, d := range other.doors() {
			v.doors.Go(d.shut)
		}
	}
	return a, smb, mapper
}

// race begins the next address after a while, or at once when one failed, until
// one connects or all have ended.
func (v *visit) race(begun []*approach, waiting []netip.Addr) ([]*approach, *approach) {
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	for left := len(begun); left > 0; {
		next := false
		select {
		case d := <-v.ended:
			if d.step.Outcome == OK {
				return begun, d.approach
			}
			d.approach.ended++
			if next = d.approach.ended == len(d.approach.doors()); next {
				left--
			}
		case <-timer.C:
			next = true
		}
		if next && len(waiting) > 0 && v.ctx.Err() == nil {
			begun, waiting = append(begun, v.approach(waiting[0])), waiting[1:]
			left++
			timer.Reset(stagger)
		}
	}
	for _, a := range begun {
		for _, d := range a.doors() {
			if d.step.Outcome == Refused {
				return begun, a
			}
		}
	}
	return begun, begun[0]
}

// failure returns the step of a door that ended without connecting.
func (d *door) failure() []Step {
	select {
	case <-d.open:
		if d.step.Outcome != OK {
			return []Step{d.step}
		}
	default:
	}
	return nil
}

// shut waits for the dial to end and closes what it opened.
func (d *door) shut() {
	<-d.open
	if d.link != nil {
		d.link.Close()
	}
}

// liveness asks the liveness ports of an address that has answered on neither
// 445 nor 135 when their second dials start, or when all dials have ended, and
// notes one that connected or was refused. Nothing is said on them.
func (v *visit) liveness(a *approach) {
	half := time.NewTimer(v.p.Timeout / 2)
	defer half.Stop()
	for waiting := a.doors(); len(waiting) > 0; {
		select {
		case <-v.answered:
			return
		case <-waiting[0].open:
			waiting = waiting[1:]
		case <-half.C:
			waiting = nil
		}
	}
	if v.ctx.Err() != nil {
		v.unsure.Store(true) // there is no time left to ask
		return
	}
	ctx, cancel := context.WithTimeout(v.ctx, v.p.Timeout-v.p.Timeout/2)
	defer cancel()
	tried := make(chan Outcome, len(v.p.LivenessPorts))
	for _, port := range v.p.LivenessPorts {
		v.doors.Go(func() {
			conn, err := v.p.Dial(ctx, "tcp", netip.AddrPortFrom(a.addr, port).String())
			if conn != nil {
				conn.Close()
			}
			if answered(ctx, err) {
				v.alive.CompareAndSwap(0, uint32(port))
				cancel() // the others need not be waited for
			}
			tried <- classify(v.ctx, err)
		})
	}
	for range v.p.LivenessPorts {
		select {
		case <-v.answered:
			return
		case o := <-tried:
			if o == Canceled || o == NoResources {
				v.unsure.Store(true)
			}
		}
	}
}
