package secure

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"sync"

	smb2 "github.com/cloudsoda/go-smb2"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/internal/sspi"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/smb"
)

// atOnce is how many hosts are looked at, to find one that verifies NTLM.
const atOnce = 128

// Verify proves the credential once, before any host is asked: by Kerberos where
// a realm and its KDCs are known, whatever the targets are. Otherwise, where NTLM
// is allowed, the first target that is an address and negotiates SMB is logged on
// to; does it neither accept nor refuse the account, no host at all gets NTLM, and
// that is no error. So it is after Kerberos with Windows' session, whose ticket may be
// good where what it answers NTLM by is out of date. An error says why the credential
// must not be used.
func (l *Logons) Verify(ctx context.Context, p *probe.Prober, targets iter.Seq[probe.Target]) error {
	switch err := l.credential.HasKDC(ctx); {
	case err == nil:
		if err := l.credential.Verify(ctx); err != nil || !l.options.AllowNTLM || !l.credential.OfSession() {
			return err
		}
	case !l.options.AllowNTLM, !errors.Is(err, auth.ErrNoKDC):
		return err
	case !l.credential.HasNTLM():
		return fmt.Errorf("%w, and NTLM needs a password", err)
	}
	l.unproved.Store(true) // until a host has accepted it
	at, ok := l.firstToNegotiate(ctx, p, targets)
	if !ok || ctx.Err() != nil {
		return ctx.Err()
	}
	if err := l.logOnTo(ctx, p, at); err == nil {
		l.unproved.Store(false)
	}
	if why := l.credential.Why(); why != "" {
		return errors.New(why)
	}
	return ctx.Err()
}

// firstToNegotiate returns the first address, in order, that negotiates SMB.
func (l *Logons) firstToNegotiate(ctx context.Context, p *probe.Prober, targets iter.Seq[probe.Target]) (netip.AddrPort, bool) {
	var batch []netip.AddrPort
	look := func() (netip.AddrPort, bool) {
		ok := make([]bool, len(batch))
		var all sync.WaitGroup
		for i, at := range batch {
			all.Go(func() { ok[i] = negotiates(ctx, p, at) })
		}
		all.Wait()
		for i, at := range batch {
			if ok[i] {
				return at, true
			}
		}
		batch = batch[:0]
		return netip.AddrPort{}, false
	}
	for t := range targets {
		addr, ok := t.Addr()
		if !ok || p.Excluded != nil && p.Excluded(addr) {
			continue
		}
		batch = append(batch, netip.AddrPortFrom(addr, p.SMBPort))
		if len(batch) == atOnce {
			if at, ok := look(); ok {
				return at, true
			}
		}
		if ctx.Err() != nil {
			return netip.AddrPort{}, false
		}
	}
	return look()
}

// negotiates reports whether a host speaks SMB, without a logon.
func negotiates(ctx context.Context, p *probe.Prober, at netip.AddrPort) bool {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	conn, err := p.Dial(ctx, "tcp", at.String())
	if err != nil {
		return false
	}
	talk := guard.Begin(ctx, nil)
	defer talk.End()
	talk.Hold(conn)
	_, err = smb.Negotiate(conn)
	return err == nil
}

// logOnTo logs on to a host by NTLM, and off again. Does the host refuse the
// account, the credential is stopped.
func (l *Logons) logOnTo(ctx context.Context, p *probe.Prober, at netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, 2*p.Timeout)
	defer cancel()
	conn, err := p.Dial(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	talk := guard.Begin(ctx, l.credential.Stopped())
	defer talk.End()
	guarded := guard.NewSMB(conn)
	talk.Hold(guarded)
	dialer := &smb2.Dialer{Negotiator: smb2.Negotiator{RequireMessageSigning: true}, Initiator: l.byNTLM("cifs/" + at.Addr().String())}
	if l.credential.OfSession() {
		s := &session{credential: l.credential, pkg: sspi.NTLM, service: "cifs/" + at.Addr().String(), use: sspi.SMB}
		defer s.end()
		dialer.Initiator = &sessionInitiator{ctx: talk.Context(), session: s}
	}
	err = talk.Do(ctx, func() error {
		session, err := dialer.DialConn(talk.Context(), guarded, serverName(at.Addr()))
		if err != nil {
			return err
		}
		session = session.WithContext(talk.Context())
		defer func() { _ = session.Logoff() }() // which decides nothing
		// Only a signed answer proves that the host knows the account.
		share, err := session.Mount(ipc)
		if err != nil {
			return err
		}
		return share.WithContext(talk.Context()).Umount()
	})
	if status := guarded.LogonStatus(); err != nil && aboutAccount(status) {
		l.stopFor(at.String(), status)
	}
	return err
}
