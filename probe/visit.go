package probe

import (
	"context"
	"iter"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// stagger is how long a name's next address waits for the one before it.
const stagger = 250 * time.Millisecond

// A sighting is what a visit saw: trails without their resolve step, by route.
type sighting struct {
	address  netip.Addr
	smb      Trail   // to 445, and what was asked there
	mappers  []Trail // connect and bind, of each connection to 135
	services []Trail // on from there: one for each dynamic rule
	dcom     Trail
	silent   bool
	alive    uint32 // a liveness port that answered, or 0
	identity *rpc.Challenge
	identify Step // should the identity be that of the wrong host

	credential string   // the mechanism used, or ""
	warnings   []string // of the authenticated steps
}

// mapper returns the trail that both mapper rules carry: of the connections to
// 135 the first whose bind is ok, else the first.
func (s *sighting) mapper() Trail {
	for _, t := range s.mappers {
		if last := t.last(); last.Stage == Bind && last.Outcome == OK {
			return t
		}
	}
	if len(s.mappers) == 0 {
		return nil
	}
	return s.mappers[0]
}

// routes yields each rule with what was climbed for it, in order.
func (s *sighting) routes(rules []Rule) iter.Seq2[Rule, *Trail] {
	return func(yield func(Rule, *Trail) bool) {
		mapper, none, service := s.mapper(), Trail(nil), 0
		for _, r := range rules {
			t := &none
			switch r.Route {
			case ByPipe:
				t = &s.smb
			case ByMapper:
				t = &mapper
			case ByDCOM:
				t = &s.dcom
			case ByDynamic:
				if service < len(s.services) {
					t = &s.services[service]
				}
				service++
			}
			if !yield(r, t) {
				return
			}
		}
	}
}

// A visit is one host being asked. Its goroutines write to their own places in
// seen; nothing reads those before they have ended.
type visit struct {
	climb    *climb
	p        *Prober
	ctx      context.Context //nolint:containedctx // the visit is what the context bounds
	rules    []Rule
	services []Rule // the dynamic ones
	seen     sighting

	running  sync.WaitGroup // every goroutine but the fixed port's
	arrivals chan *door     // each door, when it has ended; nil where there is one address
	mapperUp sync.Once
	dcom     atomic.Bool // taken: which mapper connection asks ServerAlive2
	fixed    *fixedPort  // nil until 135 connects

	mu        sync.Mutex
	current   *approach // the report is about its address, unless another is chosen
	identity  *rpc.Challenge
	wrongHost Step          // should the identity be that of another host
	listening []*approach   // for an answer
	spoken    bool          // answered is closed
	answered  chan struct{} // closed when 445 or 135 connected or was refused
	alive     atomic.Uint32 // a liveness port that answered, or 0
	unsure    atomic.Bool   // some liveness port could not be asked properly
	atKDC     time.Duration // what the KDCs took
	later     []func()      // when every route has been climbed
}

// begin climbs every route that the rules take, at one of the addresses, and
// returns what was seen.
func (c *climb) begin(ctx context.Context, addrs []netip.Addr) *sighting {
	v := &visit{climb: c, p: c.p, ctx: ctx, rules: c.rules, answered: make(chan struct{})}
	for _, r := range v.rules {
		if r.Route == ByDynamic {
			v.services = append(v.services, r)
		}
	}
	v.seen.mappers = make([]Trail, len(v.services))
	v.seen.services = make([]Trail, len(v.services))
	c.visit.Store(v)
	a := v.arrive(addrs)
	v.running.Wait()
	v.fixed.finish()
	v.sum(a)
	v.authenticate(a)
	a.end()
	return &v.seen
}

// choose sets whose address the report is about.
func (v *visit) choose(a *approach) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current = a
}

// glimpse returns what has been seen so far; steps under way have been waited
// for in vain. It may be called at any time.
func (v *visit) glimpse() *sighting {
	v.mu.Lock()
	a, identity, wrongHost := v.current, v.identity, v.wrongHost
	v.mu.Unlock()
	if a == nil {
		return &sighting{}
	}
	s := a.lanes.sighting()
	s.address, s.identity, s.identify = a.addr, identity, wrongHost
	s.alive = v.alive.Load()
	s.silent = s.alive == 0 && !v.unsure.Load()
	for _, d := range a.doors() {
		s.silent = s.silent && (!d.ended.Load() || !d.mayBeUp())
	}
	return s
}

// sum fills in what is known only when every route has ended.
func (v *visit) sum(a *approach) {
	v.seen.address, v.seen.identity, v.seen.identify = a.addr, v.identity, v.wrongHost
	if !v.dcom.Load() {
		v.seen.dcom = v.seen.mapper()
	}
	v.seen.dcom = v.seen.dcom.plus(v.fixed.steps()...)
	v.seen.alive = v.alive.Load()
	v.seen.silent = v.seen.alive == 0 && !v.unsure.Load()
	for _, d := range a.doors() {
		v.seen.silent = v.seen.silent && !d.mayBeUp()
	}
}

// step runs a stage, times it and adds the step to the trail. It is the only
// maker of steps but for resolve, dials and identify.
func (v *visit) step(at *lane, t Trail, s Step, f func() (detail string, err error)) (Trail, bool) {
	at.begin(t, s)
	start := time.Now()
	detail, err := f()
	s.Elapsed = time.Since(start)
	s.Outcome = classify(v.ctx, err)
	s.short = v.cutShort(s)
	if s.Detail = clean(detail); err != nil {
		s.Detail = say(s.Outcome, err)
	}
	at.end(s)
	return t.plus(s), err == nil
}

// cutShort reports whether a step that has just ended timed out because of the host's
// deadline, which left it too little to say anything of the host: not even the time in
// which a port is dialled three times.
func (v *visit) cutShort(s Step) bool {
	return s.Outcome == Timeout && v.ctx.Err() != nil && s.Elapsed < v.p.Timeout*3/4
}

// bind is the step that binds to an interface on an open link.
func (v *visit) bind(at *lane, t Trail, l *link, c *rpc.Conn, s rpc.Syntax, detail string) (Trail, bool) {
	return v.step(at, t, Step{Stage: Bind, Peer: l.peer, object: s}, func() (string, error) {
		if err := l.begin(); err != nil {
			return "", err
		}
		return detail, c.Bind(s)
	})
}

// bindAt is the steps that connect to a port and bind to an interface there.
func (v *visit) bindAt(r *reins, at *lane, t Trail, to netip.AddrPort, s rpc.Syntax, detail string) Trail {
	l, connected := v.dial(r.ctx, r, at, t, to)
	if t = t.plus(connected); l == nil {
		return t
	}
	defer l.Close()
	t, _ = v.bind(at, t, l, rpc.NewConn(l), s, detail)
	return t
}
