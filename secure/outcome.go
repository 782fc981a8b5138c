package secure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	smb2 "github.com/cloudsoda/go-smb2"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// Errors of RFC 4120 section 7.5.9.
const (
	krbPolicy         = 12 // KDC_ERR_POLICY
	krbServiceUnknown = 7  // KDC_ERR_S_PRINCIPAL_UNKNOWN
	krbNotUs          = 35 // KRB_AP_ERR_NOT_US
	krbSkew           = 37 // KRB_AP_ERR_SKEW
	krbModified       = 41 // KRB_AP_ERR_MODIFIED
	krbTicketNotYet   = 33 // KRB_AP_ERR_TKT_NYV
	krbTicketExpired  = 32 // KRB_AP_ERR_TKT_EXPIRED
	krbNoKey          = 45 // KRB_AP_ERR_NOKEY
	krbBadKeyVersion  = 44 // KRB_AP_ERR_BADKEYVER
)

// A source is the guarded connection that a library's error came by.
type source interface {
	// Err returns what ended the connection, or nil.
	Err() error
}

// fromKDC makes an outcome of a ticket that was not given. The credential has
// been stopped already, where that is due.
func (l *Logons) fromKDC(err error) (peer string, unknown bool, out error) {
	k, ok := errors.AsType[*auth.KDCError](err)
	if !ok {
		if l.stopped() {
			return "", false, &probe.Failure{Outcome: probe.Canceled, Err: err}
		}
		return "", false, err
	}
	text := k.Error()
	f := &probe.Failure{Outcome: probe.Unsupported, Code: uint32(k.Code), Text: text, Err: err} //nolint:gosec // a KDC's error is a small number
	switch {
	case errors.Is(err, auth.ErrGarbled):
		f.Outcome = probe.Garbled
	case k.IsOwn(): // nobody was asked
	case k.Err != nil:
		f.Outcome = probe.Timeout
	case k.NTStatus == statusAccountLocked:
		f.Outcome, f.Code = probe.LockedOut, k.NTStatus
	case k.Code == krbServiceUnknown:
		unknown = true
	case k.Code == krbPolicy:
		f.Outcome = probe.AccessDenied
	case k.Stops(), k.Code == krbSkew:
		f.Outcome = probe.LogonFailed
	}
	return k.KDC, unknown, f
}

// unlessStopped is a library's call, which is not begun once the credential is stopped.
func (l *Logons) unlessStopped(call func() error) func() error {
	return func() error {
		if l.stopped() {
			return &probe.Failure{Outcome: probe.Canceled, Err: auth.ErrStopped}
		}
		return call()
	}
}

// fromHost makes an outcome of an error at a host, by what is known best: what
// the host answered, then the stop and the deadline, then what ended the
// connection. What is left over was not the protocol.
func (l *Logons) fromHost(ctx context.Context, from source, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*probe.Failure](err); ok {
		return err
	}
	if f := answered(err); f != nil {
		return f
	}
	ended := from.Err()
	switch {
	case l.stopped():
		return &probe.Failure{Outcome: probe.Canceled, Err: err}
	case rpc.IsGarbled(err):
		return err
	case errors.Is(ended, guard.ErrGuest):
		return &probe.Failure{Outcome: probe.AccessDenied, Text: ended.Error(), Err: ended}
	case ctx.Err() != nil:
		return ctx.Err()
	case ended != nil && !errors.Is(ended, net.ErrClosed): // the library closes what it makes nothing of
		return ended
	}
	if t, ok := errors.AsType[*smb2.TransportError](err); ok && !errors.Is(t.Err, net.ErrClosed) {
		return t.Err
	}
	return wire.Garbled("%s", err)
}

// answered makes a Failure of an error that a host answered by SMB or RPC, or
// returns nil.
func answered(err error) *probe.Failure {
	if status, ok := smbStatus(err); ok {
		f := &probe.Failure{Outcome: probe.Unsupported, Code: status, Text: statusText(status), Err: err}
		switch status {
		case statusAccessDenied:
			f.Outcome = probe.AccessDenied
		case statusNameNotFound:
			f.Outcome = probe.NotRegistered
		}
		return f
	}
	f := &probe.Failure{Outcome: probe.Unsupported, Text: err.Error(), Err: err}
	if rpc.IsDenied(err) {
		f.Outcome = probe.AccessDenied
	} else if !rpc.IsUnsupported(err) {
		return nil
	}
	if status, ok := errors.AsType[*rpc.Status](err); ok {
		f.Code = status.Code
		f.Text = fmt.Sprintf("%s: %s", status.Call, statusText(status.Code))
	}
	if fault, ok := errors.AsType[*rpc.Fault](err); ok {
		f.Code = fault.Status
		if name := resultName(fault.Status); name != "" {
			f.Text += " (" + name + ")"
		}
	}
	if nak, ok := errors.AsType[*rpc.BindNak](err); ok {
		f.Code = uint32(nak.Reason)
	}
	return f
}

// smbStatus returns the status that a host answered by SMB, which the library
// hides behind the errors of package os for some.
func smbStatus(err error) (uint32, bool) {
	if r, ok := errors.AsType[*smb2.ResponseError](err); ok {
		return r.Code, true
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	for status, hidden := range map[uint32]error{
		statusAccessDenied: fs.ErrPermission, statusNameNotFound: fs.ErrNotExist, statusNameCollision: fs.ErrExist,
		statusNotAccepted: smb2.ErrRequestNotAccepted,
	} {
		if err == hidden { //nolint:errorlint // an errno is fs.ErrPermission too, by Is
			return status, true
		}
	}
	return 0, false
}

// refusedLogon makes a Failure of the status by which a host refused a logon.
func refusedLogon(status uint32, err error) *probe.Failure {
	f := &probe.Failure{Outcome: probe.LogonFailed, Code: status, Text: statusText(status), Err: err}
	switch status {
	case statusAccessDenied:
		f.Outcome = probe.AccessDenied
	case statusAccountLocked:
		f.Outcome = probe.LockedOut
	}
	return f
}

// refusedTicket makes a Failure of the KRB-ERROR by which a host refused a ticket.
func refusedTicket(code int32) *probe.Failure {
	f := &probe.Failure{Outcome: probe.LogonFailed, Code: uint32(code), Text: fmt.Sprintf("Kerberos error %d", code)} //nolint:gosec // shown, and compared
	switch code {
	case krbNotUs, krbModified:
		f.Outcome = probe.WrongHost
		f.Text += ": the host does not know the key that the ticket is for"
	case krbSkew:
		f.Text += ": the host's clock and ours differ too much"
	case krbTicketNotYet, krbTicketExpired:
		f.Text += ": the host's clock says that the ticket is not valid now"
	case krbNoKey, krbBadKeyVersion:
		f.Text += ": the host does not have the key that the ticket is for"
	}
	return f
}

// unproved is a host that did not prove to be the one that the ticket is for.
func unproved(format string, args ...any) *probe.Failure {
	return &probe.Failure{Outcome: probe.WrongHost, Text: "the host did not prove that it is the one asked for: " + fmt.Sprintf(format, args...)}
}
