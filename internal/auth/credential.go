// Package auth holds the one credential of a run: where it comes from, what the
// KDC gives for it, and the stop after which it is used no more.
package auth

import (
	"context"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A Source says where a credential comes from: of PasswordFile, Keytab and CCache
// at most one, and Prompt where there is none.
type Source struct {
	User         string // NAME@REALM or DOMAIN\name; with a CCache it may be empty
	PasswordFile string
	Keytab       string
	CCache       string
	// Prompt reads a password without showing it; nil where nobody can be asked.
	Prompt func(prompt string) ([]byte, error)
}

// A Credential is an account and what proves it. It prints, logs and marshals as
// the user name. It may be used from many goroutines.
type Credential struct {
	// ...
}

// Read reads a credential. It sends nothing.
func Read(s Source) (*Credential, error) { panic("helper A") }

// User returns the account's name as it was given, or as the ccache tells it.
func (c *Credential) User() string { panic("helper A") }

// HasPassword reports whether there is a password, which NTLM needs.
func (c *Credential) HasPassword() bool { panic("helper A") }

// HasKDC reports whether a realm and its KDCs are known, so that Kerberos can be asked for.
func (c *Credential) HasKDC(ctx context.Context) bool { panic("helper A") }

// Verify proves the credential by one AS exchange, the only one of a run. A
// ccache is proved by the first ticket instead; Verify looks whether its ticket-
// granting ticket is valid still. A *KDCError tells what a KDC said.
func (c *Credential) Verify(ctx context.Context) error { panic("helper A") }

// Ticket returns the ticket for a service, such as "cifs/ws-001.corp.example".
// It is asked for once a run, however many callers want it, and so is a refusal.
func (c *Credential) Ticket(ctx context.Context, service string) (*Ticket, error) { panic("helper A") }

// LogOn hands the secret to the one line of a library that logs on by NTLM.
func (c *Credential) LogOn(with func(domain, user, password string)) { panic("helper A") }

// Stop ends every use of the credential, in flight too. The first reason stands.
func (c *Credential) Stop(why string) { panic("helper A") }

// Stopped is closed by Stop.
func (c *Credential) Stopped() <-chan struct{} { panic("helper A") }

// Why returns the reason of the stop, or "".
func (c *Credential) Why() string { panic("helper A") }

// A Ticket is a service ticket and its session key.
type Ticket struct {
	Service string               // the name that was asked for
	Realm   string               // of the client
	Client  types.PrincipalName
	Ticket  messages.Ticket
	Key     types.EncryptionKey
	Start, End time.Time
	KDC     string // address and port of the KDC that gave it
}

// A KDCError is what a KDC answered instead of a ticket, or that none answered.
type KDCError struct {
	KDC  string // address and port
	Code int32  // RFC 4120 section 7.5.9; 0 when Err tells
	Text string // a sentence for the administrator
	// NTStatus is what Windows and Samba say more exactly inside the error, or 0.
	NTStatus uint32
	Err  error
}

func (e *KDCError) Error() string { panic("helper A") }

// Stops reports whether the error is about the account, so that the credential
// must not be used again.
func (e *KDCError) Stops() bool { panic("helper A") }
