package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/gpreach/gpreach/rpc"
	"github.com/gpreach/gpreach/smb"
)

// classify is the only place where an error becomes an Outcome. A context that
// was canceled, not timed out, makes Canceled of what the cancellation cut.
func classify(ctx context.Context, err error) Outcome {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Outcome
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok { // first, since EAGAIN calls itself a timeout
		if o, ok := outcomeOf(errno); ok {
			return o
		}
	}
	switch {
	case err == nil:
		return OK
	case errors.Is(err, context.Canceled), cut(err) && errors.Is(ctx.Err(), context.Canceled):
		return Canceled
	case cut(err):
		return Timeout
	case errors.Is(err, rpc.ErrNotRegistered):
		return NotRegistered
	case rpc.IsDenied(err), smb.IsDenied(err):
		return AccessDenied
	case rpc.IsUnsupported(err), smb.IsUnsupported(err):
		return Unsupported
	case rpc.IsGarbled(err), smb.IsGarbled(err):
		return Garbled
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Hangup
	}
	return Unroutable
}

// cut reports whether err is a wait that was ended by a deadline.
func cut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &n) && n.Timeout()
}

// classifyLookup makes an Outcome of a resolver's error: the name has no
// record, or the resolver itself failed.
func classifyLookup(ctx context.Context, err error) Outcome {
	var dns *net.DNSError
	switch o := classify(ctx, err); {
	case o == OK, o == NoResources:
		return o
	case errors.Is(ctx.Err(), context.Canceled):
		return Canceled
	case errors.As(err, &dns) && (dns.IsNotFound || hasNoAddress(dns)):
		return NoSuchName
	}
	return Timeout
}

// say returns what an error tells a reader, clean and without the address that
// the step names anyway. Outcomes that say it all need no words.
func say(o Outcome, err error) string {
	switch o {
	case OK, Timeout, Refused, Canceled, Hangup, Reset, NotRegistered:
		return ""
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return clean(err.Error())
}

// sayLookup returns what a resolver's error tells a reader.
func sayLookup(o Outcome, err error) string {
	var dns *net.DNSError
	switch {
	case o == NoSuchName || o == Canceled:
		return ""
	case errors.As(err, &dns):
		return clean(dns.Err)
	}
	return clean(err.Error())
}
