package sspi

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	maxHostToken = 16 << 10 // an AP-REP or a challenge has some hundred bytes
	minKey       = 16       // bytes of a session key; SMB takes as many
	maxTrailer   = 1 << 10  // a signature has less than a hundred bytes
)

// Errors of a Context that Windows does not know of.
var (
	// ErrUnproved is a host that did not prove itself, or not in the one round that is
	// given to it.
	ErrUnproved = errors.New("no proof")
	// ErrHostToken is a host's token that is not handed to Windows.
	ErrHostToken = errors.New("the host's token is none")
	errClosed    = errors.New("the security context is closed")
	errUnready   = errors.New("the security context is not complete")
)

// A Context is the proof of the current user to one host, and of the host to us. It
// is good for one host's answer. After Close it is of no use, whoever still has it.
type Context struct {
	calls  *Calls
	pkg    Package
	target string
	flags  uint32

	closed atomic.Bool

	mu                 sync.Mutex // held by the call of Windows that is under way
	credential, handle Handle
	begun, complete    bool
	deleted            bool
	sizes              Sizes
}

// Begin begins a context for a service, and returns the token to send. Kerberos asks
// a KDC for a ticket where Windows has none in its cache; nothing is sent to the
// service. A Status tells what Windows said. Who is given a Context closes it.
func (c *Calls) Begin(p Package, service string, u Use) (*Context, []byte, error) {
	credential, status := c.Acquire(p)
	if status != OK {
		return nil, nil, status
	}
	x := &Context{calls: c, pkg: p, target: service, flags: flags(p, u), credential: credential}
	token, err := x.step(nil)
	switch {
	case err == nil && x.complete:
		err = ErrUnproved // without having heard of it
	case err == nil && len(token) == 0:
		err = InternalError
	}
	if err != nil {
		x.Close()
		return nil, nil, err
	}
	return x, token, nil
}

// Continue takes the host's one token, and returns what is to be sent next, which may
// be nothing. Then the context is complete, or an error says why not.
func (x *Context) Continue(token []byte) ([]byte, error) {
	x.mu.Lock()
	defer x.leave()
	switch {
	case x.closed.Load():
		return nil, errClosed
	case x.complete:
		return nil, fmt.Errorf("%w: another token after the last", ErrHostToken)
	case len(token) == 0 || len(token) > maxHostToken:
		return nil, fmt.Errorf("%w: %d bytes", ErrHostToken, len(token))
	}
	out, err := x.step(token)
	if err == nil && !x.complete {
		err = fmt.Errorf("%w: it wants another round", ErrUnproved)
	}
	return out, err
}

// step is one call of InitializeSecurityContext.
func (x *Context) step(token []byte) ([]byte, error) {
	s := Step{Credential: x.credential, Target: x.target, Flags: x.flags, Token: token}
	if x.begun {
		s.Context = &x.handle
	}
	p, status := x.calls.Initialize(s)
	if status != OK && status != ContinueNeeded {
		return nil, status
	}
	x.handle, x.begun = p.Context, true
	if status == ContinueNeeded {
		return p.Token, nil
	}
	if missing := x.flags &^ Connection &^ p.Granted; missing != 0 {
		return nil, fmt.Errorf("%w: the context has not what was asked for (0x%X)", ErrUnproved, missing)
	}
	var err Status
	if x.sizes, err = x.calls.Sizes(x.handle); err != OK {
		return nil, err
	}
	least := x.sizes.Signature
	if x.flags&Confidentiality != 0 {
		least = min(least, x.sizes.Sealing)
	}
	if least <= 0 || max(x.sizes.Signature, x.sizes.Sealing) > maxTrailer {
		return nil, InternalError
	}
	x.complete = true
	return p.Token, nil
}

// leave ends a call of Windows, and closes what was to be closed meanwhile.
func (x *Context) leave() {
	x.mu.Unlock()
	if x.closed.Load() {
		x.Close()
	}
}

// Size returns how many bytes a signature, or the token of a sealed message, has: 0
// before the context is complete.
func (x *Context) Size(sealed bool) int {
	x.mu.Lock()
	defer x.leave()
	if sealed {
		return x.sizes.Sealing
	}
	return x.sizes.Signature
}

// SessionKey returns the key that SMB's own are derived from.
func (x *Context) SessionKey() ([]byte, error) {
	x.mu.Lock()
	defer x.leave()
	if err := x.ready(); err != nil {
		return nil, err
	}
	key, status := x.calls.SessionKey(x.handle)
	switch {
	case status != OK:
		return nil, status
	case len(key) < minKey:
		return nil, fmt.Errorf("%w: there is no key of %d bytes", ErrUnproved, minKey)
	}
	return key[:minKey], nil
}

// Sign signs the parts of a message and returns the signature.
func (x *Context) Sign(parts ...Buffer) ([]byte, error) { return x.make(Sign, parts) }

// Seal encrypts the Data among the parts in place, and returns the token that belongs
// to it, which signs them all.
func (x *Context) Seal(parts ...Buffer) ([]byte, error) { return x.make(Seal, parts) }

// make makes a token of the size that was told before: in RPC its length stands in
// what is signed, so another cannot be sent.
func (x *Context) make(p Protection, parts []Buffer) ([]byte, error) {
	x.mu.Lock()
	defer x.leave()
	if err := x.ready(); err != nil {
		return nil, err
	}
	size := x.sizes.Signature
	if p == Seal {
		size = x.sizes.Sealing
	}
	buffers := append(slices.Clip(parts), Buffer{Token, make([]byte, size)})
	if status := x.calls.Protect(x.handle, p, buffers); status != OK {
		return nil, status
	}
	token := buffers[len(buffers)-1].Data
	if len(token) == 0 || len(token) > size || p == Seal && len(token) != size {
		return nil, fmt.Errorf("a token of %d bytes where %d were told: %w", len(token), size, InternalError)
	}
	return token, nil
}

// Verify verifies the signature of a message's parts.
func (x *Context) Verify(signature []byte, parts ...Buffer) error {
	return x.open(Verify, signature, parts)
}

// Unseal decrypts the Data among the parts in place, and verifies the token over them
// all. After an error nothing in them can be believed.
func (x *Context) Unseal(token []byte, parts ...Buffer) error { return x.open(Unseal, token, parts) }

func (x *Context) open(p Protection, token []byte, parts []Buffer) error {
	x.mu.Lock()
	defer x.leave()
	if err := x.ready(); err != nil {
		return err
	}
	if len(token) == 0 || len(token) > maxTrailer {
		return fmt.Errorf("%w: %d bytes", ErrHostToken, len(token))
	}
	buffers := append(slices.Clip(parts), Buffer{Token, token})
	if status := x.calls.Protect(x.handle, p, buffers); status != OK {
		return status
	}
	return nil
}

func (x *Context) ready() error {
	switch {
	case x.closed.Load():
		return errClosed
	case !x.complete:
		return errUnready
	}
	return nil
}

// Close lets go of what Windows holds. It may be called again, and waits for no call:
// one that is under way lets go at its end.
func (x *Context) Close() {
	x.closed.Store(true)
	if !x.mu.TryLock() {
		return
	}
	defer x.mu.Unlock()
	if x.deleted {
		return
	}
	x.deleted = true
	var context *Handle
	if x.begun {
		context = &x.handle
	}
	x.calls.Delete(x.credential, context)
}
