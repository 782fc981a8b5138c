package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gpreach/gpreach/internal/sspi"
)

// windowsTime bounds what Windows may take for one answer. It looks for domain
// controllers by itself, for longer than a ticket takes.
const windowsTime = 10 * time.Second

// A session is the logon session that Windows holds.
type session struct {
	calls *sspi.Calls

	answered sync.Once // by a KDC, for a host, and the account was not refused

	local chan struct{} // one for each call under way that asks no KDC

	mu         sync.Mutex
	controller string           // the domain controller that it was verified by
	refused    map[string]error // what Windows said for good, by service in lower case
}

// newSession returns the session of a credential, one call of which is under way at a
// time: Verify may be answered from Windows' cache, so that the first host's ticket can
// be what a password that is out of date is tried for. The other slots are taken until
// Windows has answered for that host, and then openSlots opens them.
func (c *Credential) newSession(windows *sspi.Calls) *session {
	for range maxInFlight - 1 {
		c.slots <- struct{}{}
	}
	return &session{calls: windows, refused: make(map[string]error), local: make(chan struct{}, maxInFlight)}
}

func (c *Credential) openSlots() {
	for range maxInFlight - 1 {
		<-c.slots
	}
}

// A SessionError is what Windows answered instead of a token.
type SessionError struct {
	Status sspi.Status // 0 when Err tells
	Text   string      // a sentence for the administrator
	Err    error

	stops bool // it is about the account
}

func (e *SessionError) Error() string {
	text := strings.TrimSuffix(e.Text, ".")
	switch {
	case e.Status != 0:
		return fmt.Sprintf("%s (%s)", text, e.Status.Error())
	case e.Err == nil || errors.Is(e.Err, ErrNoKDC):
		return text
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the error behind it, or nil.
func (e *SessionError) Unwrap() error { return e.Err }

// verifySession proves the logon session as one AS exchange proves a password: a
// Kerberos context is begun for a domain controller and thrown away, so Windows has
// to have a valid ticket-granting ticket, or to get one with what it holds, before any
// host is asked. That is one attempt at most with a password that is out of date. The
// token goes nowhere: not even to the controller. Windows may answer from its cache, so
// an account that was locked or disabled a short time ago can pass; what the KDC says
// for a host then stops the run.
func (c *Credential) verifySession(ctx context.Context) error {
	controller, err := c.domainController(ctx)
	if err != nil {
		return err
	}
	x, _, err := c.begin(ctx, sspi.Kerberos, "host/"+controller, sspi.SMB, func(s sspi.Status) bool {
		return s.AboutAccount() || s.IsRestriction() // asked for no host, it is the account's
	})
	if err == nil {
		x.Close()
	}
	failed, ok := errors.AsType[*SessionError](err)
	if err == nil || ok && failed.Status != 0 {
		c.mu.Lock()
		c.verified = &proof{err: err}
		c.mu.Unlock()
	}
	return err
}

// domainController returns the name of a domain controller. That there is none is an
// error that wraps ErrNoKDC.
func (c *Credential) domainController(ctx context.Context) (string, error) {
	s := c.session
	s.mu.Lock()
	known := s.controller
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	name, err := await(ctx, c, c.slots, s.calls.DomainController, func(string) {})
	if err != nil {
		if isOurs(err) {
			return "", err
		}
		return "", &SessionError{Err: ErrNoKDC, Text: fmt.Sprintf("Windows finds no domain controller (%v); this machine must be a member of a domain, and on its network.", err)}
	}
	if _, err := serviceName("host/" + name); err != nil {
		return "", &SessionError{Err: ErrNoKDC, Text: "Windows finds no domain controller that has a name."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.controller = name
	return name, nil
}

// Context begins a security context for a service, such as "cifs/ws-001.corp.example",
// by one of Windows' packages, and returns it with the first token. Windows keeps the
// tickets; what it refuses for good is told again to who asks again. A *SessionError
// tells what it said. What stops the credential has stopped it when Context returns.
func (c *Credential) Context(ctx context.Context, p sspi.Package, service string, u sspi.Use) (*sspi.Context, []byte, error) {
	s, key := c.session, strings.ToLower(service)
	if p == sspi.Kerberos {
		verified := c.known()
		s.mu.Lock()
		controller, refused := s.controller, s.refused[key]
		s.mu.Unlock()
		switch {
		case c.inForce.Err() != nil:
			return nil, nil, ErrStopped
		case verified == nil && controller == "": // it is used by NTLM alone
			return nil, nil, &SessionError{Err: ErrNoKDC, Text: "Windows finds no domain controller."}
		case verified == nil:
			return nil, nil, errUnverified
		case verified.err != nil:
			return nil, nil, verified.err
		case refused != nil:
			return nil, nil, refused
		}
	}
	x, token, err := c.begin(ctx, p, service, u, sspi.Status.AboutAccount)
	failed, ok := errors.AsType[*SessionError](err)
	if ok && failed.Status != 0 && failed.Status != sspi.NoAuthority && p == sspi.Kerberos {
		s.mu.Lock()
		s.refused[key] = err
		s.mu.Unlock()
	}
	return x, token, err
}

// begin begins a security context. stops tells what of Windows' answers is about the
// account, which stops the credential.
func (c *Credential) begin(ctx context.Context, p sspi.Package, service string, u sspi.Use, stops func(sspi.Status) bool) (*sspi.Context, []byte, error) {
	if _, err := serviceName(service); err != nil {
		return nil, nil, err
	}
	type begun struct {
		context *sspi.Context
		token   []byte
	}
	slots := c.slots
	if p == sspi.NTLM {
		slots = c.session.local
	}
	b, err := await(ctx, c, slots, func() (begun, error) {
		x, token, err := c.session.calls.Begin(p, service, u)
		status, told := errors.AsType[sspi.Status](err)
		about := told && stops(status)
		if p == sspi.Kerberos && c.known() != nil && (err == nil || status.IsOfKDC()) {
			c.session.answered.Do(c.openSlots)
		}
		switch {
		case err == nil:
			return begun{x, token}, nil
		case !told:
			return begun{}, &SessionError{Text: "Windows made no token for " + service + ".", Err: err}
		}
		return begun{}, &SessionError{Status: status, Text: saySession(status, service), Err: err, stops: about}
	}, func(b begun) {
		if b.context != nil {
			b.context.Close()
		}
	})
	return b.context, b.token, err
}

// Continue has a context that Context began take the host's token. What Windows says of
// it is an error of package sspi, and never stops the credential: any host could. The
// wait ends with ctx, at the latest after a time that Windows has for every answer.
func (c *Credential) Continue(ctx context.Context, x *sspi.Context, token []byte) ([]byte, error) {
	return await(ctx, c, c.session.local, func() ([]byte, error) { return x.Continue(token) }, func([]byte) {})
}

// await waits for a call of Windows, which no context ends: where the wait is over
// before, the call is left behind, and what comes of it is discarded. It has one of
// the slots until then, which bounds how many there are. What it says of
// the account stops the credential, even if nobody waits for it any longer, before the
// slot is another's and before await returns: so no call begins after the stop.
func await[T any](caller context.Context, c *Credential, slots chan struct{}, call func() (T, error), discard func(T)) (T, error) {
	var none T
	select {
	case slots <- struct{}{}:
	case <-caller.Done():
		return none, caller.Err()
	case <-c.inForce.Done():
		return none, ErrStopped
	}
	if c.inForce.Err() != nil { // both were ready
		<-slots
		return none, ErrStopped
	}
	ctx, cancel := context.WithTimeout(caller, windowsTime)
	defer cancel()
	defer context.AfterFunc(c.inForce, cancel)()
	type result struct {
		value T
		err   error
	}
	answer := make(chan result)
	go func() {
		defer func() { <-slots }()
		value, err := call()
		defer c.heedSession(err)
		select {
		case answer <- result{value, err}:
		case <-ctx.Done():
			discard(value)
		}
	}()
	select {
	case r := <-answer:
		c.heedSession(r.err)
		if r.err != nil || c.inForce.Err() == nil {
			return r.value, r.err
		}
		discard(r.value) // it came just after the stop
	case <-ctx.Done():
	}
	switch {
	case c.inForce.Err() != nil:
		return none, ErrStopped
	case ended(caller) != nil:
		return none, ended(caller)
	}
	return none, &SessionError{Err: context.DeadlineExceeded, Text: "Windows did not answer: does a domain controller?"}
}

// heedSession stops the credential for an error that is about the account.
func (c *Credential) heedSession(err error) {
	if failed, ok := errors.AsType[*SessionError](err); ok && failed.stops {
		c.Stop(failed.Error())
	}
}

// isOurs reports whether an error is none of Windows'.
func isOurs(err error) bool {
	_, told := errors.AsType[*SessionError](err)
	return told || errors.Is(err, ErrStopped) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// saySession is the sentence for what Windows said.
func saySession(status sspi.Status, service string) string {
	switch nt := status.NTStatus(); nt {
	case 0:
	case statusWrongPassword, statusLogonFailure:
		return saySession(sspi.LogonDenied, service)
	case statusNoSuchUser:
		return "The domain has no account of this name any longer."
	case statusRestricted:
		return "A policy of the directory forbids the account what was asked: " + service + "."
	default:
		return sayStatus(nt)
	}
	switch status {
	case sspi.LogonDenied:
		return "The domain refuses the account of this logon session: its password may have changed since (then log on again), or it is locked, disabled or expired."
	case sspi.TargetUnknown:
		return fmt.Sprintf("The domain knows no service %s: is this the host's name in the directory?", service)
	case sspi.NoCredentials:
		return "This logon session has no ticket of a domain and nothing to get one by: is it a local account's?"
	case sspi.NoAuthority:
		return "No domain controller answers Windows."
	case sspi.TimeSkew:
		return "This machine's clock and the domain controller's differ too much; Kerberos allows 5 minutes."
	case sspi.WrongPrincipal:
		return fmt.Sprintf("The domain's key for %s is another than expected: is the name in the directory twice?", service)
	case sspi.SmartcardRequired:
		return "The account may log on by smart card alone."
	case sspi.UnknownEncryption, sspi.NoKerberosKey:
		return fmt.Sprintf("The domain has no key for %s of a kind that this machine allows.", service)
	case sspi.DowngradeDetected:
		return "Windows cannot reach a domain controller as it should, and takes that for an attack."
	case sspi.PackageNotFound:
		return "Windows has no Kerberos here."
	}
	return fmt.Sprintf("Windows made no token for %s.", service)
}

// What Windows says of a logon beside what a KDC's error holds.
const (
	statusNoSuchUser   = 0xC0000064
	statusLogonFailure = 0xC000006D
	statusRestricted   = 0xC000006E
)
