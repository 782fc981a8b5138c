package probe

import (
	"context"
	"net/netip"
	"time"
)

// listen begins to listen for an answer from an address, unless somebody has
// answered already: its liveness ports are asked where neither 445 nor 135 has
// answered when their second dials start, or when all dials have ended.
func (v *visit) listen(a *approach) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.spoken {
		return
	}
	v.running.Add(1)
	a.quiet = time.AfterFunc(redials(v.p.Timeout)[0], func() {
		defer v.running.Done()
		v.liveness(a)
	})
	v.listening = append(v.listening, a)
}

// heard takes in how a door ended.
func (v *visit) heard(d *door) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := d.approach
	a.open--
	switch answer := d.step.Outcome == OK || d.step.Outcome == Refused; {
	case answer && !v.spoken:
		v.spoken = true
		close(v.answered)
		for _, a := range v.listening {
			v.hush(a)
		}
	case a.open == 0 && v.hush(a):
		v.running.Go(func() { v.liveness(a) })
	}
}

// hush stops listening, and reports whether liveness had not begun.
func (v *visit) hush(a *approach) bool {
	stopped := a.quiet != nil && a.quiet.Stop()
	if stopped {
		v.running.Done()
	}
	return stopped
}

// liveness asks the liveness ports of an address, until somebody answers on 445
// or 135, and notes one that connected or was refused. Nothing is said on them. A host
// whose time is over before has not answered on them either.
func (v *visit) liveness(a *approach) {
	ctx, cancel := context.WithTimeout(v.ctx, v.p.Timeout-redials(v.p.Timeout)[0])
	defer cancel()
	tried := make(chan Outcome, len(v.p.LivenessPorts))
	for _, port := range v.p.LivenessPorts {
		v.running.Go(func() {
			conn, err := v.p.dialPatiently(ctx, netip.AddrPortFrom(a.addr, port).String())
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
