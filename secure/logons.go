package secure

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/sspi"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// Options say how a credential may be used.
type Options struct {
	// AllowNTLM allows NTLM, with a password, for targets that are addresses and
	// for names that the KDC does not know.
	AllowNTLM bool
	// Rehearse lets the Task Scheduler validate the task that a remote refresh would
	// register. That is not verified with Windows.
	Rehearse bool
}

// Logons use a credential at many hosts, at once.
type Logons struct {
	credential *auth.Credential
	options    Options
	unproved   atomic.Bool // the secret could not be verified by NTLM, which is off
}

// New returns Logons with a credential, which Verify must prove before Begin is used.
func New(c *auth.Credential, o Options) *Logons { return &Logons{credential: c, options: o} }

// Begin begins to use the credential at a host. What it returns is a
// probe.Prober's Authenticate.
func (l *Logons) Begin(t probe.Target) func(context.Context, *probe.Ascent) {
	return (&visit{Logons: l, target: t}).climb
}

// stopped reports whether the credential must not be used any longer.
func (l *Logons) stopped() bool {
	select {
	case <-l.credential.Stopped():
		return true
	default:
		return false
	}
}

// A mechanism is how a host is logged on to.
type mechanism string

const (
	undecided  mechanism = ""
	byKerberos mechanism = "kerberos"
	byNTLM     mechanism = "ntlm"
	byNone     mechanism = "none"
)

// A visit is the use of the credential at one host.
type visit struct {
	*Logons
	target    probe.Target
	mechanism mechanism
	askedSMB  bool       // was logged on to by SMB, or refused it
	loggedOn  bool       // by SMB
	triedSMB  bool       // for the sake of other services
	sessions  []*session // of the climb under way
}

// climb climbs one route.
func (v *visit) climb(ctx context.Context, a *probe.Ascent) {
	defer v.endSessions()
	class := "host"
	var way func(context.Context, *probe.Ascent, *logon)
	switch {
	case a.Rule.Route == probe.ByPipe:
		class, way = "cifs", v.pipe
	case a.Rule.Object == rpc.EventLog:
		way = v.eventLog
	case a.Rule.Object == rpc.TaskScheduler:
		way = v.schedule
	case a.Rule.Route == probe.ByDCOM:
		way = v.wmi
	}
	if way == nil || v.stopped() {
		return
	}
	if by := v.choose(ctx, a, class); by != nil {
		way(ctx, a, by)
	}
}

// A logon is what a route is climbed with: a ticket, or NTLM where there is none, or
// either of them by Windows' session.
type logon struct {
	service string   // the service principal name
	proof   *proof   // nil for NTLM
	session *session // Windows', nil where the secret is ours
}

// byKerberos reports whether the logon is by Kerberos.
func (l *logon) byKerberos() bool {
	return l.proof != nil || l.session != nil && l.session.pkg == sspi.Kerberos
}

// refused returns why what the host said was not accepted, or why Windows could not
// go on, or nil.
func (l *logon) refused() error {
	switch {
	case l.session != nil:
		return l.session.failed()
	case l.proof != nil:
		return l.proof.err
	}
	return nil
}

// choose returns how to log on to a service of this class, or nil where that must
// not be tried. The first call decides upon the mechanism.
func (v *visit) choose(ctx context.Context, a *probe.Ascent, class string) *logon {
	name := v.name()
	if v.mechanism == undecided && name == "" {
		v.useNTLM(a)
		if v.mechanism == byNone && !v.options.AllowNTLM {
			needs := "NTLM needs --allow-ntlm"
			if !v.credential.HasNTLM() {
				needs = "NTLM a password, with --allow-ntlm"
			}
			a.Warn("the credential was not used at an address: Kerberos needs a name, and " + needs)
		}
	}
	service := class + "/" + cmp.Or(name, a.Address.String())
	if v.mechanism == undecided || v.mechanism == byKerberos {
		by, unknown := v.askKerberos(a, class, service)
		switch {
		case by != nil:
			v.mechanism = byKerberos
			a.Use(string(byKerberos))
			return by
		case v.mechanism == byKerberos || !unknown || !v.options.AllowNTLM:
			v.mechanism = byKerberos
			return nil
		}
		v.useNTLM(a)
	}
	switch {
	case v.mechanism != byNTLM || v.stopped():
		return nil
	case a.Rule.Route != probe.ByPipe && !v.logOnFirst(ctx, a):
		// NTLM by RPC cannot tell a wrong password from missing rights.
		if v.askedSMB {
			a.Warn("the credential was used on no port but SMB's: NTLM is tried elsewhere only after a logon there")
		} else {
			a.Warn("the credential was not used: NTLM is tried only after a logon over SMB, which could not be asked for")
		}
		return nil
	}
	a.Use(string(byNTLM))
	return v.ntlmTo(class, service)
}

// ntlmTo returns how to log on to a service by NTLM: by Windows' session, or else by
// the password.
func (v *visit) ntlmTo(class, service string) *logon {
	by := &logon{service: service}
	if v.credential.OfSession() {
		by.session = v.session(sspi.NTLM, class, service)
	}
	return by
}

// useNTLM decides for NTLM where it is possible, and says why not where not.
func (v *visit) useNTLM(a *probe.Ascent) {
	v.mechanism = byNone
	switch {
	case !v.options.AllowNTLM:
	case !v.credential.HasNTLM():
		a.Warn("the credential was not used: NTLM needs a password")
	case v.unproved.Load():
		a.Warn("the credential was not used: no host verified it by NTLM, as the first address that negotiates SMB should")
	default:
		v.mechanism = byNTLM
	}
}

// name returns the target's name in a service principal name, "" for an address:
// what the directory says, or else as it was given. Nothing that a host says is
// looked at.
func (v *visit) name() string {
	if _, ok := v.target.Addr(); ok {
		return ""
	}
	name := v.target.Name
	if v.target.DNSHostName != "" {
		name = v.target.DNSHostName
	}
	return strings.TrimSuffix(name, ".")
}

// askKerberos asks for what a service is logged on to by Kerberos with. unknown
// reports that the KDC does not know the service.
func (v *visit) askKerberos(a *probe.Ascent, class, service string) (by *logon, unknown bool) {
	if v.credential.OfSession() {
		return v.askSession(a, class, service)
	}
	ticket, unknown := v.ticket(a, service)
	if ticket == nil {
		return nil, unknown
	}
	return &logon{service: service, proof: &proof{ticket: ticket}}, false
}

// ticket asks for a ticket. unknown reports that the KDC does not know the service.
func (v *visit) ticket(a *probe.Ascent, service string) (ticket *auth.Ticket, unknown bool) {
	a.AskKDC(func(ctx context.Context, s *probe.Step) error {
		t, err := v.credential.Ticket(ctx, service)
		if err != nil {
			var kdc string
			kdc, unknown, err = v.fromKDC(err)
			s.Peer = cmp.Or(kdc, s.Peer)
			return err
		}
		s.Peer, s.Detail, ticket = cmp.Or(t.KDC, s.Peer), service, t
		return nil
	})
	return ticket, unknown
}

// stopFor stops the credential for what a host said of the account.
func (l *Logons) stopFor(peer string, status uint32) {
	l.credential.Stop(fmt.Sprintf("%s refused the logon of %s: %s", peer, l.credential.User(), statusText(status)))
}
