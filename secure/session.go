package secure

import (
	"bytes"
	"context"
	"encoding/asn1"
	"errors"
	"sync"

	"github.com/jcmturner/gokrb5/v8/gssapi"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/sspi"
	"github.com/gpreach/gpreach/probe"
)

const (
	apRep = 15 // application tag, RFC 4120 section 5.5.2
	// bySession is the peer of a step that is asked of Windows, which asks a KDC or
	// its cache and does not tell which.
	bySession = "SSPI"
)

// A session is the use of Windows' logon session at one service: what a proof is where
// the ticket is ours. A security context is good for one association; it is begun when
// it is wanted, but for those by which is learned whether there is a ticket.
type session struct {
	credential *auth.Credential
	pkg        sspi.Package
	service    string
	use        sspi.Use

	mu     sync.Mutex
	ready  []*begun // that were not taken yet
	opened []*sspi.Context
	over   bool
	err    error // why nothing came of it
}

type begun struct {
	context *sspi.Context
	token   []byte
}

// session decides how the session is used for a service of this class at a host:
// "cifs" is SMB's.
func (v *visit) session(p sspi.Package, class, service string) *session {
	s := &session{credential: v.credential, pkg: p, service: service, use: sspi.RPC}
	if class == "cifs" {
		s.use = sspi.SMB
	}
	v.sessions = append(v.sessions, s)
	return s
}

// askSession asks Windows for the security contexts that a route to a service takes, so
// that no wait for a KDC is in a stage of the host. unknown reports that the domain does
// not know the service.
func (v *visit) askSession(a *probe.Ascent, class, service string) (by *logon, unknown bool) {
	s := v.session(sspi.Kerberos, class, service)
	a.AskKDC(func(ctx context.Context, step *probe.Step) (err error) {
		step.Peer = bySession
		for range associations(a.Rule.Route) {
			b, err := s.begin(ctx)
			if err != nil {
				unknown, err = fromSession(err)
				return err
			}
			s.ready = append(s.ready, b)
		}
		step.Detail, by = service, &logon{service: service, session: s}
		return nil
	})
	return by, unknown
}

// associations returns how many a route takes: with the activator, and then with what
// was activated.
func associations(r probe.Route) int {
	if r == probe.ByDCOM {
		return 2
	}
	return 1
}

// endSessions lets go of what Windows holds for this host.
func (v *visit) endSessions() {
	for _, s := range v.sessions {
		s.end()
	}
	v.sessions = nil
}

// take returns a security context that was not used yet, and its first token.
func (s *session) take(ctx context.Context) (*sspi.Context, []byte, error) {
	s.mu.Lock()
	if len(s.ready) > 0 {
		b := s.ready[0]
		s.ready = s.ready[1:]
		s.mu.Unlock()
		return b.context, b.token, nil
	}
	s.mu.Unlock()
	b, err := s.begin(ctx)
	if err != nil {
		_, err = fromSession(err)
		return nil, nil, s.fail(err)
	}
	return b.context, b.token, nil
}

func (s *session) begin(ctx context.Context) (*begun, error) {
	x, token, err := s.credential.Context(ctx, s.pkg, s.service, s.use)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		x.Close()
		return nil, auth.ErrStopped
	}
	s.opened = append(s.opened, x)
	return &begun{x, token}, nil
}

func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.ready = true, nil
	for _, x := range s.opened {
		x.Close()
	}
}

// answer gives Windows the host's token, once it was looked at: an AP-REP or a strong
// challenge, and nothing else. What Windows says of it is the host's affair and never
// stops the credential, or any host could.
func (s *session) answer(ctx context.Context, x *sspi.Context, token []byte) ([]byte, error) {
	out, err := s.accept(ctx, x, token)
	return out, s.fail(err)
}

// fail notes why there is no context, or why the host's token was not accepted.
func (s *session) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	return err
}

func (s *session) accept(ctx context.Context, x *sspi.Context, token []byte) ([]byte, error) {
	if s.pkg == sspi.NTLM {
		flags := uint32(ntlmAlways)
		if s.use == sspi.RPC {
			flags |= ntlmSign | ntlmSeal
		}
		if err := checkChallenge(token, flags); err != nil {
			return nil, err
		}
	} else if err := checkAPRep(unwrapToken(token)); err != nil {
		return nil, err
	}
	out, err := s.credential.Continue(ctx, x, token)
	if err != nil {
		return nil, refusedByWindows(err)
	}
	if s.pkg == sspi.NTLM {
		if err := checkResponse(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkResponse looks whether Windows answers a challenge by NTLMv2: what it does is
// this machine's policy, and nothing else is sent.
func checkResponse(token []byte) error {
	text := "this machine's policy (LmCompatibilityLevel) would answer by NTLM of version 1, which is not sent"
	switch n, err := ntResponse(token); {
	case err != nil:
		text = "Windows' answer is not one of NTLM"
	case n > ntlmVersion1:
		return nil
	case n == 0:
		text = "this machine does not log on to itself by NTLM"
	}
	return &probe.Failure{Outcome: probe.LogonFailed, Text: text}
}

// failed returns why nothing came of the session, or nil.
func (s *session) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// checkAPRep looks whether a host's token is an AP-REP by its frame; what is in it
// only Windows can read.
func checkAPRep(token []byte) error {
	if f := ticketError(token); f != nil {
		return f
	}
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(token, &raw)
	if err != nil || len(rest) > 0 || raw.Class != asn1.ClassApplication || raw.Tag != apRep || !raw.IsCompound {
		return unproved("there is no AP-REP")
	}
	return nil
}

// refusedByWindows makes a Failure of a host's token that Windows does not take: it is
// no proof of the host, but for what is wrong with clocks, or with Windows. What is no
// answer of Windows is an outcome as in fromSession.
func refusedByWindows(err error) error {
	status, told := errors.AsType[sspi.Status](err)
	if !told && !errors.Is(err, sspi.ErrUnproved) && !errors.Is(err, sspi.ErrHostToken) {
		_, err = fromSession(err)
		return err
	}
	f := unproved("%s", err)
	f.Code, f.Err = uint32(status), err
	switch status {
	case sspi.TimeSkew:
		f.Outcome, f.Text = probe.LogonFailed, status.Error()+": the host's clock and ours differ too much"
	case sspi.InternalError, sspi.Unsupported:
		f.Outcome, f.Text = probe.LogonFailed, status.Error()+": Windows cannot do here what is asked of it"
	}
	return f
}

// fromSession makes an outcome of what Windows said instead of a token. The
// credential has been stopped already, where that is due.
func fromSession(err error) (unknown bool, out error) {
	e, ok := errors.AsType[*auth.SessionError](err)
	switch {
	case errors.Is(err, auth.ErrStopped):
		return false, &probe.Failure{Outcome: probe.Canceled, Err: err}
	case !ok:
		return false, err
	}
	f := &probe.Failure{Outcome: probe.Unsupported, Code: uint32(e.Status), Text: e.Error(), Err: err}
	switch {
	case e.Status.NTStatus() == statusAccountLocked:
		f.Outcome, f.Code = probe.LockedOut, statusAccountLocked
	case e.Status.IsRestriction():
		f.Outcome, f.Code = probe.AccessDenied, krbPolicy
	case e.Status.AboutAccount():
		f.Outcome = probe.LogonFailed
	case e.Status == sspi.TimeSkew:
		f.Outcome, f.Code = probe.LogonFailed, krbSkew
	case errors.Is(err, auth.ErrNoKDC): // nobody was asked
		f.Outcome = probe.Unsupported
	case e.Status == sspi.TargetUnknown:
		f.Code, unknown = krbServiceUnknown, true
	case e.Status == sspi.NoAuthority, errors.Is(err, context.DeadlineExceeded):
		f.Outcome = probe.Timeout
	}
	return unknown, f
}

// A sessionInitiator logs on to SMB by Windows' logon session: go-smb2's Initiator.
type sessionInitiator struct {
	ctx     context.Context //nolint:containedctx // of the conversation: go-smb2 hands none on
	session *session
	context *sspi.Context
	key     []byte
}

// OID returns the mechanism's.
func (i *sessionInitiator) OID() asn1.ObjectIdentifier {
	if i.session.pkg == sspi.NTLM {
		return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10} // [MS-NLMP] section 1.9
	}
	return asn1.ObjectIdentifier(gssapi.OIDKRB5.OID())
}

// InitSecContext returns the first token.
func (i *sessionInitiator) InitSecContext() (token []byte, err error) {
	i.context, token, err = i.session.take(i.ctx)
	return token, err
}

// AcceptSecContext answers the host's token, which is its only one.
func (i *sessionInitiator) AcceptSecContext(token []byte) ([]byte, error) {
	out, err := i.session.answer(i.ctx, i.context, token)
	if err != nil {
		return nil, err
	}
	// Here, because what the library asks for later has no error: without a key it
	// would believe whoever guesses that there is none.
	if i.key, err = i.context.SessionKey(); err != nil {
		return nil, i.session.fail(refusedByWindows(err))
	}
	return append([]byte{}, out...), nil
}

// Sum signs by the context.
func (i *sessionInitiator) Sum(b []byte) []byte {
	sum, err := i.context.Sign(sspi.Buffer{Type: sspi.Data, Data: bytes.Clone(b)})
	if err != nil {
		return nil
	}
	return sum
}

// SessionKey returns what SMB's own keys are derived from. It is asked for only once
// the host's token was accepted.
func (i *sessionInitiator) SessionKey() []byte { return i.key }
