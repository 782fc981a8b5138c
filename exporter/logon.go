package exporter

import (
	"context"
	"sync"

	"github.com/gpreach/gpreach/probe"
)

// A Credential says where the account comes from that sweeps log on with: paths,
// and no secret. With a CCache the User may be empty.
type Credential struct {
	User, PasswordFile, Keytab, CCache string
}

// A Logon is the use of a credential in one round of a sweep.
type Logon struct {
	Authenticate func(probe.Target) func(context.Context, *probe.Ascent) // as Prober has it
	Stop         func(why string)                                        // ends the use, in flight too
	Stopped      <-chan struct{}                                         // closed by Stop, and by a failed logon
	Why          func() string                                           // of the stop
}

// A brake stops every use of a generation's credential, once and for all.
type brake struct {
	mu     sync.Mutex
	why    string
	pulled chan struct{}
}

func newBrake() *brake { return &brake{pulled: make(chan struct{})} }

// pull stops, and reports whether nobody had before.
func (b *brake) pull(why string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isPulled() {
		return false
	}
	b.why = why
	close(b.pulled)
	return true
}

func (b *brake) isPulled() bool {
	select {
	case <-b.pulled:
		return true
	default:
		return false
	}
}

func (b *brake) reason() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}

// untried is a credential that is not tried: what it would prove stays untested.
func untried(probe.Target) func(context.Context, *probe.Ascent) {
	return func(context.Context, *probe.Ascent) {}
}

// logOn returns what a round of a sweep authenticates by, nil where none of its
// hosts is asked with the credential, and what ends that. Each round verifies the
// credential anew, so that a ticket never outlives it; a stop in any round stops
// them all, until a reload.
func (e *Exporter) logOn(ctx context.Context, g *generation, sweep int) (authenticate func(probe.Target) func(context.Context, *probe.Ascent), end func()) {
	end = func() {}
	if !g.logsOn(sweep) {
		return nil, end
	}
	authenticate = untried
	if !g.brake.isPulled() {
		logon, err := e.config.LogOn(ctx, *g.settings.Credential)
		switch {
		case err != nil && ctx.Err() == nil:
			e.config.Log.Error("the credential is not used in this round", "sweep", g.settings.Sweeps[sweep].Name, "err", err)
		case err == nil:
			authenticate, end = logon.Authenticate, e.watch(g, logon)
		}
	}
	use := authenticate
	return func(t probe.Target) func(context.Context, *probe.Ascent) {
		if o, ok := g.find(t.Name); !ok || !o.credential {
			return nil
		}
		return use(t)
	}, end
}

// watch carries a stop from a round to the others and back, until what it returns
// is called.
func (e *Exporter) watch(g *generation, l *Logon) (end func()) {
	over := make(chan struct{})
	var watching sync.WaitGroup
	stop := func() {
		if why := l.Why(); g.brake.pull(why) {
			e.config.Log.Error("the credential is stopped until a reload", "why", why)
		}
	}
	watching.Go(func() {
		select {
		case <-l.Stopped:
			stop()
		case <-g.brake.pulled:
			l.Stop(g.brake.reason())
		case <-over:
		}
	})
	return func() {
		close(over)
		watching.Wait()
		select {
		case <-l.Stopped: // just now
			stop()
		default:
		}
	}
}
