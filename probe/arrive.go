package probe

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"
)

// A door is a port of the host being dialled, for one route.
type door struct {
	approach *approach
	service  int         // of visit.services, whose port is asked for behind it; toSMB for 445
	ended    atomic.Bool // step and link are set
	step     Step
	link     *link // nil unless the step is ok
}

// toSMB is the service of the door to 445.
const toSMB = -1

// lane shows the door's trail as far as the door leads.
func (d *door) lane() *lane {
	if d.service == toSMB {
		return &d.approach.lanes.smb
	}
	return &d.approach.lanes.mappers[d.service]
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
	*reins
	addr   netip.Addr
	cancel context.CancelFunc
	lanes  lanes
	smb    *door
	mapper []*door
	ended  int         // doors that race has seen end
	open   int         // doors that have not ended; visit.mu guards it
	quiet  *time.Timer // begins liveness; nil where somebody has answered already

	// decided is closed when it is known whether the report is about this
	// address, nil where it was from the start. Then chosen tells.
	decided chan struct{}
	chosen  bool
	// before is what failed at the name's other addresses: on 445, and on 135.
	before struct{ smb, mapper Trail }
}

func (a *approach) doors() []*door { return append([]*door{a.smb}, a.mapper...) }

// approach begins to dial an address, which is the only one or not.
func (v *visit) approach(addr netip.Addr, sole bool) *approach {
	ctx, cancel := context.WithCancel(v.ctx)
	a := &approach{reins: &reins{ctx: ctx}, addr: addr, cancel: cancel, chosen: sole, lanes: newLanes(len(v.services))}
	if !sole {
		a.decided = make(chan struct{})
	}
	a.smb = &door{approach: a, service: toSMB}
	a.mapper = make([]*door, len(v.services))
	for i := range a.mapper {
		a.mapper[i] = &door{approach: a, service: i}
	}
	a.open = len(a.doors())
	v.listen(a)
	for _, d := range a.doors() {
		v.running.Go(func() { v.enter(d) })
	}
	return a
}

// enter dials a door's port, and climbs on from there if the report turns out
// to be about its address.
func (v *visit) enter(d *door) {
	port := v.p.MapperPort
	if d.service == toSMB {
		port = v.p.SMBPort
	}
	a := d.approach
	d.link, d.step = v.dial(a.ctx, a.reins, d.lane(), nil, netip.AddrPortFrom(a.addr, port))
	d.ended.Store(true)
	v.heard(d)
	if v.arrivals != nil {
		v.arrivals <- d
	}
	if a.decided != nil {
		<-a.decided
	}
	switch {
	case !a.chosen && d.link != nil:
		d.link.Close()
	case !a.chosen:
	case d.service == toSMB:
		v.seen.smb = v.pipe(d)
	default:
		v.throughMapper(d)
	}
}

// dial connects to a port, on top of a trail, and returns the link, nil unless
// the step is ok. ctx is that of the reins, or ends before it.
func (v *visit) dial(ctx context.Context, r *reins, at *lane, t Trail, to netip.AddrPort) (*link, Step) {
	s := Step{Stage: Connect, Peer: to.String()}
	at.begin(t, s)
	start := time.Now()
	conn, err := v.p.connect(ctx, s.Peer)
	s.Elapsed = time.Since(start)
	s.Outcome = classify(ctx, err)
	if s.short = v.cutShort(s); err != nil {
		s.Detail = say(s.Outcome, err)
	}
	if at.end(s); err != nil {
		return nil, s
	}
	return newLink(r, conn, s.Peer, v.p.Timeout), s
}

// arrive dials the addresses and chooses the one that the report is about: the
// first where 445 or 135 connects, else the first that resets, else the first.
// A sole address is chosen before its dials have ended.
func (v *visit) arrive(addrs []netip.Addr) *approach {
	if len(addrs) == 1 {
		a := v.approach(addrs[0], true)
		v.choose(a)
		return a
	}
	v.arrivals = make(chan *door, len(addrs)*(1+len(v.services)))
	first := v.approach(addrs[0], false)
	v.choose(first)
	begun, a := v.race([]*approach{first}, addrs[1:])
	v.choose(a)
	for _, other := range begun {
		if other != a {
			a.before.smb = a.before.smb.plus(other.smb.failure()...)
			a.before.mapper = a.before.mapper.plus(other.mapper[0].failure()...)
			other.cancel()
			close(other.decided)
		}
	}
	a.chosen = true
	close(a.decided)
	return a
}

// race begins the next address after a while, or at once when one failed, until
// one connects or all have ended.
func (v *visit) race(begun []*approach, waiting []netip.Addr) ([]*approach, *approach) {
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	for left := len(begun); left > 0; {
		next := false
		select {
		case d := <-v.arrivals:
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
			begun, waiting = append(begun, v.approach(waiting[0], false)), waiting[1:]
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
	if d.ended.Load() && d.step.Outcome != OK {
		return []Step{d.step}
	}
	return nil
}

// end lets go of what the approach holds.
func (a *approach) end() {
	a.drop()
	a.cancel()
}
