package exporter

import (
	"context"
	"sync"

	"github.com/gpreach/gpreach/probe"
)

// A Credential says where the account comes from that sweeps log on with: paths,
// and no secret. With a CCache the User may be empty. CurrentUser, alone, is who the
// exporter runs as.
type Credential struct {
	User, PasswordFile, Keytab, CCache string
	CurrentUser                        bool
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
	verifying sync.Mutex // held while a round verifies the credential

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
	use := untried
	if logon := e.verified(ctx, g, sweep); logon != nil {
		use, end = logon.Authenticate, e.watch(g, logon)
	}
	return func(t probe.Target) func(context.Context, *probe.Ascent) {
		if o, ok := g.find(t.Name); !ok || !o.credential {
			return nil
		}
		return use(t)
	}, end
}

// verified returns the verified credential for a round, or nil where it cannot be
// used. One round verifies after the other, so that a wrong password is tried by the
// first alone, however many begin at once.
func (e *Exporter) verified(ctx context.Context, g *generation, sweep int) *Logon {
	g.brake.verifying.Lock()
	defer g.brake.verifying.Unlock()
	if g.brake.isPulled() || ctx.Err() != nil {
		return nil
	}
	logon, err := e.config.LogOn(ctx, *g.settings.Credential)
	if err != nil {
		if ctx.Err() == nil {
			e.config.Log.Error("the credential is not used in this round", "sweep", g.settings.Sweeps[sweep].Name, "err", err)
		}
		return nil
	}
	if e.heed(g, logon) {
		return nil
	}
	return logon
}

// heed stops the credential everywhere if it is stopped in a round, and reports that.
func (e *Exporter) heed(g *generation, l *Logon) bool {
	select {
	case <-l.Stopped:
	default:
		return false
	}
	if why := l.Why(); g.brake.pull(why) {
		e.config.Log.Error("the credential is stopped until a reload", "why", why)
	}
	return true
}

// watch carries a stop from a round to the others and back, until what it returns
// is called.
func (e *Exporter) watch(g *generation, l *Logon) (end func()) {
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-l.Stopped:
			e.heed(g, l)
		case <-g.brake.pulled:
			l.Stop(g.brake.reason())
		case <-over:
		}
	})
	return func() {
		close(over)
		watching.Wait()
		e.heed(g, l) // it may have been stopped just now
	}
}
