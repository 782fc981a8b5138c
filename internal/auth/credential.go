// Package auth holds the one credential of a run: where it comes from, what the
// KDC gives for it, and the stop after which it is used no more.
//
// The KDC exchange is our own, over the messages and ciphers of gokrb5: never a
// second proof of the secret in a run, no wait that a context cannot end, nothing
// in the background.
package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrStopped is what every use of a credential ends with after its Stop.
var ErrStopped = errors.New("the credential is used no more in this run")

// errUnverified is the mistake of a caller.
var errUnverified = errors.New("no ticket is asked for before the credential is verified")

// A Credential is an account and what proves it. It prints, logs and marshals as
// the user name. It may be used from many goroutines.
type Credential struct {
	account account
	secret  secret
	session *session // Windows', which then holds the secret; nil elsewhere
	profile profile  // what krb5.conf says

	now       func() time.Time
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	lookupSRV func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)

	inForce context.Context // ends by Stop, whose reason is its cause
	end     context.CancelCauseFunc

	slots chan struct{} // one for each exchange in flight
	turn  chan struct{} // held by the one Verify under way

	mu        sync.Mutex
	verified  *proof              // what came of the one AS exchange, or nil
	inquiries map[string]*inquiry // tickets, by service in lower case
	found     []string            // the realm's KDCs, the last that answered first; nil until they are known

	as, tgs, requests atomic.Int64
}

func newCredential(a account, s secret, p profile) *Credential {
	ctx, end := context.WithCancelCause(context.Background())
	return &Credential{
		account: a, secret: s, profile: p,
		now: time.Now, dial: new(net.Dialer).DialContext, lookupSRV: net.DefaultResolver.LookupSRV,
		inForce: ctx, end: end,
		slots: make(chan struct{}, maxInFlight), turn: make(chan struct{}, 1),
		inquiries: make(map[string]*inquiry),
	}
}

// User returns the account's name as it was given, or as the ccache tells it.
func (c *Credential) User() string {
	if c == nil {
		return ""
	}
	return c.account.given
}

// HasPassword reports whether there is a password, which NTLM needs.
func (c *Credential) HasPassword() bool { return c.secret.open().password != "" }

// LogOn hands the secret to the one line of a library that logs on by NTLM: the
// domain of a DOMAIN\name, and none for a NAME@REALM, which is then the user. It
// does nothing where there is no password, and after Stop.
func (c *Credential) LogOn(with func(domain, user, password string)) {
	password := c.secret.open().password
	if password == "" || c.inForce.Err() != nil {
		return
	}
	if c.account.domain != "" {
		with(c.account.domain, c.account.name, password)
		return
	}
	with("", c.account.given, password)
}

// Stop ends every use of the credential, in flight too. The first reason stands.
func (c *Credential) Stop(why string) { c.end(errors.New(why)) }

// Stopped is closed by Stop.
func (c *Credential) Stopped() <-chan struct{} { return c.inForce.Done() }

// Why returns the reason of the stop, or "".
func (c *Credential) Why() string {
	if err := context.Cause(c.inForce); err != nil {
		return err.Error()
	}
	return ""
}

// Stats are the exchanges that a credential has cost.
type Stats struct {
	AS, TGS  int64 // exchanges
	Requests int64 // messages to KDCs: an AS exchange has two or three
}

// Stats returns what the credential has cost so far.
func (c *Credential) Stats() Stats {
	return Stats{AS: c.as.Load(), TGS: c.tgs.Load(), Requests: c.requests.Load()}
}

// Format prints the user name, whatever the verb.
func (c *Credential) Format(f fmt.State, verb rune) { printName(f, verb, c.User()) }

// String returns the user name.
func (c *Credential) String() string { return c.User() }

// LogValue logs the user name.
func (c *Credential) LogValue() slog.Value { return slog.StringValue(c.User()) }

// MarshalText marshals the user name, in JSON and YAML too.
func (c *Credential) MarshalText() ([]byte, error) { return []byte(c.User()), nil }

// printName prints a name as fmt would print a string of it.
func printName(f fmt.State, verb rune, name string) {
	switch verb {
	case 'v', 's', 'q', 'x', 'X':
		fmt.Fprintf(f, fmt.FormatString(f, verb), name)
	default:
		_, _ = io.WriteString(f, name)
	}
}
