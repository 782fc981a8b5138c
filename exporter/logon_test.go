package exporter

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
)

// An account is a credential that a test holds.
type account struct {
	mu     sync.Mutex
	logons []*Logon
	broken error // what LogOn returns
	why    string
}

// logOn is Config.LogOn.
func (a *account) logOn(context.Context, Credential) (*Logon, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken != nil {
		return nil, a.broken
	}
	stopped, once := make(chan struct{}), sync.Once{}
	l := &Logon{
		Stopped: stopped, Why: func() string { a.mu.Lock(); defer a.mu.Unlock(); return a.why },
		Stop: func(string) { once.Do(func() { close(stopped) }) },
		Authenticate: func(probe.Target) func(context.Context, *probe.Ascent) {
			return func(context.Context, *probe.Ascent) {}
		},
	}
	if a.why != "" {
		once.Do(func() { close(stopped) })
	}
	a.logons = append(a.logons, l)
	return l, nil
}

// fail ends the use of the last logon as a failed one does.
func (a *account) fail(why string) {
	a.mu.Lock()
	a.why = why
	l := a.logons[len(a.logons)-1]
	a.mu.Unlock()
	l.Stop(why)
}

// credentialed returns an Exporter with a sweep that logs on, one that does not,
// and a host that both name; and which hosts its rounds log on to.
func credentialed(t *testing.T, a *account) (e *Exporter, rec *recorder, loggedOn func(sweep int) string) {
	t.Helper()
	s := settingsFor("ws-001", "both")
	s.Credential = &Credential{User: "svc@CORP.EXAMPLE", Keytab: "k"}
	s.Sweeps[0].Credential = true
	plain := DefaultSweep()
	plain.Name, plain.Targets, plain.Interval = "plain", listOf("ws-002", "both"), plain.Interval/2
	s.Sweeps = append(s.Sweeps, plain)
	e, rec = newExporterOf(t, s, readyReport)
	e.config.LogOn = a.logOn
	return e, rec, func(sweep int) string {
		var names []string
		e.sweep = func(p *probe.Prober, _ context.Context, targets iter.Seq[probe.Target], _ probe.Plan) iter.Seq[*probe.Report] {
			return func(yield func(*probe.Report) bool) {
				for target := range targets {
					if p.Authenticate != nil && p.Authenticate(target) != nil {
						names = append(names, target.Name)
					}
					if !yield(readyReport(target.Name)) {
						return
					}
				}
			}
		}
		e.sweepOnce(t.Context(), e.generation(), sweep, 0)
		return strings.Join(names, " ")
	}
}

// A host is logged on to where any sweep says so; the credential is verified in
// each round that has such a host, and in no other.
func TestWhoIsLoggedOnTo(t *testing.T) {
	a := &account{}
	e, _, loggedOn := credentialed(t, a)
	if got := []string{loggedOn(0), loggedOn(1), loggedOn(0)}; cmp.Diff([]string{"ws-001", "both", "ws-001"}, got) != "" || len(a.logons) != 3 {
		t.Errorf("%q, %d logons", got, len(a.logons))
	}
	e.generation().settings.Sweeps[0].Credential = false
	if got := loggedOn(0) + loggedOn(1); got != "" || len(a.logons) != 3 {
		t.Errorf("%q, %d logons", got, len(a.logons))
	}
}

// A failed logon stops the credential in every round, under way too, until a reload;
// hosts stay such that are logged on to, so that nothing unproved looks proved.
func TestStopIsForAll(t *testing.T) {
	a := &account{}
	e, rec, loggedOn := credentialed(t, a)
	first, endFirst := e.logOn(t.Context(), e.generation(), 0)
	_, endSecond := e.logOn(t.Context(), e.generation(), 1)
	if first(probe.Target{Name: "ws-001"}) == nil || metric(t, e, "gpreach_credential_stop") != "0" {
		t.Fatal("it is stopped already")
	}
	a.fail("the password is wrong")
	for _, l := range a.logons { // the other is cut in flight
		<-l.Stopped
	}
	endFirst()
	endSecond()
	if got := loggedOn(0); got != "ws-001" || len(a.logons) != 2 || metric(t, e, "gpreach_credential_stop") != "1" {
		t.Errorf("%q, %d logons, stop %s", got, len(a.logons), metric(t, e, "gpreach_credential_stop"))
	}
	if log := rec.log(); strings.Count(log, "the credential is stopped until a reload") != 1 || !strings.Contains(log, "the password is wrong") {
		t.Errorf("logged %s", log)
	}
	a.why = ""
	e.reloading.Lock()
	e.take(e.generation().settings)
	e.reloading.Unlock()
	if got := loggedOn(0); got != "ws-001" || len(a.logons) != 3 || metric(t, e, "gpreach_credential_stop") != "0" {
		t.Errorf("after a reload: %q, %d logons", got, len(a.logons))
	}
}

// However many sweeps begin at once, a wrong password is tried by one of them.
func TestOneRoundVerifies(t *testing.T) {
	a := &account{why: "the password is wrong"}
	e, _, _ := credentialed(t, a)
	e.generation().settings.Sweeps[1].Credential = true
	var rounds sync.WaitGroup
	for i := range 10 {
		rounds.Go(func() {
			authenticate, end := e.logOn(t.Context(), e.generation(), i%2)
			defer end()
			if authenticate == nil || authenticate(probe.Target{Name: "both"}) == nil && i%2 == 1 {
				t.Error("a host seems to have no credential")
			}
		})
	}
	rounds.Wait()
	if len(a.logons) != 1 || metric(t, e, "gpreach_credential_stop") != "1" {
		t.Errorf("%d logons", len(a.logons))
	}
}

// A credential that fails when it is verified is stopped before any host is asked
// with it; one that could not be verified is left for the next round.
func TestUnverified(t *testing.T) {
	a := &account{broken: errors.New("no KDC answers")}
	e, rec, loggedOn := credentialed(t, a)
	if got := loggedOn(0); got != "ws-001" || metric(t, e, "gpreach_credential_stop") != "0" {
		t.Errorf("%q", got)
	}
	if log := rec.log(); !strings.Contains(log, "the credential is not used in this round") || !strings.Contains(log, "no KDC answers") {
		t.Errorf("logged %s", log)
	}
	a.broken, a.why = nil, "the account is locked"
	if loggedOn(0); metric(t, e, "gpreach_credential_stop") != "1" {
		t.Error("not stopped")
	}
}

// A user of the page cannot have the credential used, nor what it proved hidden.
func TestProbeNowUsesNoCredential(t *testing.T) {
	e, _, loggedOn := credentialed(t, &account{})
	loggedOn(0)
	for host, want := range map[string]string{"ws-001": "is swept with a credential", "both": "is swept with a credential", "ws-002": ""} {
		err := e.probeNow(t.Context(), host)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// metric returns the value of a series without labels.
func metric(t *testing.T, e *Exporter, name string) string {
	t.Helper()
	for line := range strings.Lines(get(t, e, "/metrics")) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
