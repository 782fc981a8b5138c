package probe

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxAddresses is how many of a name's addresses are tried.
	maxAddresses = 8
	// maxResolved is how many of them are looked at, for those not excluded.
	maxResolved = 64
	// minResolve bounds the resolver, which has its own retries; a longer stage
	// timeout is a longer bound here too.
	minResolve = 5 * time.Second
)

// A Prober climbs the routes into hosts. Its fields are set once, before the
// first use; after that it may be used from many goroutines.
type Prober struct {
	// Dial opens the connections to targets: always "tcp", always to an
	// address and port. It must end when its context does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup resolves a name to its addresses. It must end when its context does.
	// Where this machine had no resources to ask, its error wraps the errno.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	// Excluded reports addresses that must never be dialled. Nil excludes none.
	Excluded func(netip.Addr) bool

	Timeout  time.Duration // each stage
	Deadline time.Duration // each host, from its first dial

	SMBPort       uint16   // 445
	MapperPort    uint16   // 135
	LivenessPorts []uint16 // asked of hosts that answer on neither; may be empty

	NoIdentify bool // do not ask who the host is
	NoWMIPort  bool // do not try WMI's documented fixed port, TCP 24158

	Vantage string // the name of this machine, for the reports

	// Begun, unless it is nil, is told when a Probe begins how to look at it: so
	// far returns, at any time, the report as it stands, in which steps under way
	// have been waited for in vain.
	Begun func(soFar func() *Report)

	// Authenticate, unless it is nil, begins to use a credential at a host; it returns
	// nil where there is none for that host. What it returns is called for each route
	// in turn that was climbed without a logon to its end, or to where a logon was
	// wanted; in the order of the rules, and never at once. Begun shows nothing of
	// those steps.
	Authenticate func(Target) func(context.Context, *Ascent)

	exhausted func() // told that this machine has no resources for a dial; may be nil
}

// Probe asks one host for the asked operations, all when none is named, and reports what it saw. It
// returns no error: all that can go wrong is an Outcome. It returns soon after
// ctx ends, with the unfinished steps canceled, and leaves nothing running.
func (p *Prober) Probe(ctx context.Context, t Target, asked []Operation) *Report {
	return p.probe(ctx, t, asked, make(chan struct{}, 1))
}

// probe is Probe, with a place in lookups taken while the resolver is asked.
func (p *Prober) probe(ctx context.Context, t Target, asked []Operation, lookups chan struct{}) *Report {
	if len(asked) == 0 {
		asked = Operations()
	}
	c := &climb{p: p, target: t, asked: asked, started: time.Now(), rules: rulesFor(asked)}
	if p.Authenticate != nil {
		c.logon = p.Authenticate(t)
	}
	if p.Begun != nil {
		p.Begun(c.soFar)
	}
	addrs, resolved := p.resolve(ctx, &c.name, t, lookups)
	excluded := false
	if len(addrs) > 0 && p.Excluded != nil {
		addrs = slices.DeleteFunc(addrs, p.Excluded)
		excluded = len(addrs) == 0
	}
	addrs = addrs[:min(len(addrs), maxAddresses)]
	seen := &sighting{}
	if len(addrs) > 0 && ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(ctx, p.Deadline)
		seen = c.begin(ctx, addrs)
		cancel()
	}
	return c.report(resolved, seen, excluded)
}

// A climb is a Probe under way.
type climb struct {
	p       *Prober
	target  Target
	asked   []Operation
	rules   []Rule
	started time.Time
	logon   func(context.Context, *Ascent) // nil without a credential
	name    lane                           // of the resolve step
	visit   atomic.Pointer[visit]
}

// report returns what follows from what was seen.
func (c *climb) report(resolved Trail, seen *sighting, excluded bool) *Report {
	r := &Report{
		Target: c.target, Vantage: clean(c.p.Vantage), Asked: c.asked, Credential: cmp.Or(seen.credential, "none"),
		Started: c.started, Address: seen.address, Excluded: excluded, LoggingOn: c.logon != nil,
	}
	c.conclude(r, resolved, seen)
	r.Elapsed = time.Since(r.Started)
	return r
}

// soFar returns the report as it stands.
func (c *climb) soFar() *Report {
	seen := &sighting{}
	if v := c.visit.Load(); v != nil {
		seen = v.glimpse()
	}
	return c.report(c.name.now(), seen, false)
}

// resolve turns a target into its addresses. The trail holds the step for a
// name and is empty for a literal address. The time spent waiting for a place
// in lookups is our own and does not count. at shows the step.
func (p *Prober) resolve(ctx context.Context, at *lane, t Target, lookups chan struct{}) ([]netip.Addr, Trail) {
	if a, ok := t.Addr(); ok {
		return []netip.Addr{a}, nil
	}
	select {
	case lookups <- struct{}{}:
		defer func() { <-lookups }()
	case <-ctx.Done():
		return nil, Trail{{Stage: Resolve, Peer: t.Name, Outcome: classify(ctx, ctx.Err())}}
	}
	ctx, cancel := context.WithTimeout(ctx, max(p.Timeout, minResolve))
	defer cancel()
	at.begin(nil, Step{Stage: Resolve, Peer: t.Name})
	start := time.Now()
	var found []netip.Addr
	var err error
	p.patiently(ctx, func() error {
		found, err = p.Lookup(ctx, t.Name)
		return err
	})
	step := Step{Stage: Resolve, Peer: t.Name, Outcome: classifyLookup(ctx, err), Elapsed: time.Since(start)}
	defer func() { at.end(step) }()
	if err != nil {
		step.Detail = sayLookup(step.Outcome, err)
		return nil, Trail{step}
	}
	var addrs []netip.Addr
	var texts []string
	for _, a := range found {
		if a = a.Unmap(); !slices.Contains(addrs, a) && len(addrs) < maxResolved {
			addrs = append(addrs, a)
			texts = append(texts, a.String())
		}
	}
	if step.Detail = clean(strings.Join(texts, ", ")); len(addrs) == 0 {
		step.Outcome = NoSuchName
	}
	return addrs, Trail{step}
}
