package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// A Failure is an error whose outcome is known already: so the packages that
// log on say what came of a stage.
type Failure struct {
	Outcome Outcome
	Code    uint32 // the status or fault that the peer answered, or 0
	Text    string // what the peer said, such as a status; no secret, no address
	Err     error  // may be nil
}

func (f *Failure) Error() string { return f.Text }

// Unwrap returns the error behind the failure.
func (f *Failure) Unwrap() error { return f.Err }

// An Ascent is a route that was climbed without a logon, about to be climbed on
// with a credential. It is used by one goroutine.
type Ascent struct {
	Target  Target
	Address netip.Addr
	Rule    Rule
	Port    uint16 // where the service was reached: SMB's, or the one that the mapper named
	Asked   []Operation

	leg      leg
	visit    *visit
	approach *approach
	trail    *Trail
	link     *link
}

// Peer returns the address and port of the service, as a Step's Peer.
func (a *Ascent) Peer() string { return netip.AddrPortFrom(a.Address, a.Port).String() }

// Connect dials the service, until ctx ends: a step, whose connection is nil unless
// it is ok. Each later step gives the connection its deadline, and it is closed at
// the end of the ascent. At most one is open at a time.
func (a *Ascent) Connect(ctx context.Context) net.Conn {
	start := time.Now()
	conn, s := a.dial(ctx)
	s.by, s.leg = byCredential, a.leg
	a.excuse(&s, start)
	s.short = a.visit.cutShort(s)
	*a.trail = a.trail.plus(s)
	return conn
}

// Afterwards has something done that decides nothing, such as giving back what the host
// gave, where the ascent stands then: when all routes have been climbed, so that none
// lacks the time. It is no step.
func (a *Ascent) Afterwards(do func(ctx context.Context)) {
	a.visit.later = append(a.visit.later, func() {
		defer a.close()
		do(a.visit.ctx)
	})
}

// Reconnect is Connect for what is done Afterwards: it is no step, and its connection has
// no deadline but the host's.
func (a *Ascent) Reconnect(ctx context.Context) net.Conn {
	conn, _ := a.dial(ctx)
	return conn
}

func (a *Ascent) dial(ctx context.Context) (net.Conn, Step) {
	l, s := a.visit.dial(ctx, a.approach.reins, nil, nil, netip.AddrPortFrom(a.Address, a.Port))
	if l == nil {
		return nil, s
	}
	a.link = l
	return l, s
}

// AskKDC tries the stage authenticate at a KDC. ask sets the step's Peer, where it knows
// the KDC's address, and may set its Detail; it bounds the KDC's time by itself, since how long it waits for its
// turn among many hosts says nothing of the KDC.
func (a *Ascent) AskKDC(ask func(ctx context.Context, s *Step) error) bool {
	start := time.Now()
	defer func() { a.visit.atKDC += time.Since(start) }()
	return a.step(a.visit.ctx, Step{Stage: Authenticate, Peer: "KDC", by: byKDC}, ask)
}

// excuse makes a timeout, of a step that began at start, one that says nothing of the
// host, where its deadline left it less than a stage's time because of the KDCs.
func (a *Ascent) excuse(s *Step, start time.Time) {
	deadline, ok := a.visit.ctx.Deadline()
	missing := start.Add(a.visit.p.Timeout).Sub(deadline)
	if s.by == byCredential && s.Outcome == Timeout && ok && missing > 0 && missing <= a.visit.atKDC {
		s.Outcome = Canceled
		a.Warn("the credential was not used everywhere: the KDC answered so late that the host's --deadline left no time for it")
	}
}

// Step tries a stage at the service, within the timeout of a stage. try may set
// the step's Detail.
func (a *Ascent) Step(stage Stage, try func(ctx context.Context, s *Step) error) bool {
	return a.stage(Step{Stage: stage, Peer: a.Peer(), by: byCredential}, try)
}

// Bind is Step for the bind to an interface.
func (a *Ascent) Bind(object rpc.Syntax, try func(ctx context.Context, s *Step) error) bool {
	return a.stage(Step{Stage: Bind, Peer: a.Peer(), by: byCredential, object: object}, try)
}

func (a *Ascent) stage(s Step, try func(context.Context, *Step) error) bool {
	ctx, cancel := context.WithTimeout(a.visit.ctx, a.visit.p.Timeout)
	defer cancel()
	return a.step(ctx, s, try)
}

func (a *Ascent) step(ctx context.Context, s Step, try func(context.Context, *Step) error) bool {
	start := time.Now()
	s.leg = a.leg
	var err error
	if a.link != nil {
		if err = a.link.begin(); errors.Is(err, net.ErrClosed) {
			err = nil // who closed it knows why, and says so when it is used
		}
	}
	if err == nil {
		err = try(ctx, &s)
	}
	s.Elapsed = time.Since(start)
	s.Outcome = classify(a.visit.ctx, err)
	a.excuse(&s, start)
	s.short = s.by == byCredential && a.visit.cutShort(s)
	if text := say(s.Outcome, err); text != "" { // else what was asked for stands
		s.Detail = text
	}
	s.Detail = clean(s.Detail)
	if f, ok := errors.AsType[*Failure](err); ok {
		s.code, s.Detail = f.Code, clean(f.Text)
	}
	s.Peer = clean(s.Peer)
	*a.trail = a.trail.plus(s)
	return err == nil
}

// Use notes which mechanism the credential is used by at this host: "kerberos"
// or "ntlm".
func (a *Ascent) Use(mechanism string) { a.visit.seen.credential = mechanism }

// Warn adds a warning to the report, once.
func (a *Ascent) Warn(text string) {
	if w := &a.visit.seen.warnings; !slices.Contains(*w, text) {
		*w = append(*w, text)
	}
}

// authenticate climbs on with the credential from where the routes led without,
// unless another host than the directory's answered.
func (v *visit) authenticate(a *approach) {
	if v.climb.logon == nil || isAnother(v.climb.target, v.identity) {
		return
	}
	mapper := v.seen.mapper().last().Outcome
	for rule, trail := range v.seen.routes(v.rules) {
		last, port := trail.last(), v.p.MapperPort
		goesOn := last.Outcome == OK || last.Outcome == AccessDenied
		switch rule.Route {
		case ByMapper: // always asked without a logon
			continue
		case ByPipe:
			port = v.p.SMBPort
			goesOn = goesOn && last.Stage == Negotiate
		case ByDynamic:
			port = portOf(last)
			goesOn = goesOn && last.Stage == Bind && last.object == rule.Object
		case ByDCOM:
			goesOn = mapper == OK
		}
		if !goesOn || v.ctx.Err() != nil { // what is not begun says nothing
			continue
		}
		ascent := &Ascent{Target: v.climb.target, Address: a.addr, Rule: rule, Port: port, Asked: v.climb.asked, visit: v, approach: a, trail: trail}
		v.climb.logon(v.ctx, ascent)
		ascent.close()
	}
	for _, do := range v.later {
		do()
	}
}

// close closes what the ascent has connected to.
func (a *Ascent) close() {
	if a.link != nil {
		a.link.Close()
		a.link = nil
	}
}
