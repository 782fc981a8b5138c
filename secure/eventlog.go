package secure

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/oiweiwei/go-msrpc/dcerpc"

	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// ample is a timeout of the library's own that is never the one that ends a wait.
const ample = time.Minute

// channels returns the channels that Group Policy Results reads.
func channels() [2]string { return [2]string{"Microsoft-Windows-GroupPolicy/Operational", "System"} }

// An rpcClimb is an association with a service's own port.
type rpcClimb struct {
	*visit
	ascent *probe.Ascent
	by     *logon
	talk   *guard.Conversation
	conn   *guard.RPC
	client dcerpc.Conn
	other  dcerpc.Conn // that the same bind gave, or nil
	opened []contextHandle
}

// eventLog binds to EventLog at packet privacy and asks for the channels. That the
// bind is ok is no proof yet that an account was let in.
func (v *visit) eventLog(ctx context.Context, a *probe.Ascent, by *logon) {
	r := v.reach(ctx, a, by)
	if r == nil {
		return
	}
	defer r.talk.End()
	if !a.Bind(a.Rule.Object, r.try(r.bind)) {
		return
	}
	for _, channel := range channels() {
		if !a.Step(probe.Call, r.try(func(ctx context.Context, s *probe.Step) error {
			s.Detail = channel
			return r.query(ctx, channel)
		})) {
			break
		}
	}
	r.close()
}

// try calls the library within the time of a stage, and says what came of it.
func (r *rpcClimb) try(do func(context.Context, *probe.Step) error) func(context.Context, *probe.Step) error {
	return func(ctx context.Context, s *probe.Step) error {
		err := r.talk.Do(ctx, r.unlessStopped(func() error { return do(ctx, s) }))
		err = r.fromHost(ctx, r.conn, r.refusal(err))
		if f, ok := errors.AsType[*probe.Failure](err); ok && r.conn.Fault() != 0 && s.Detail != "" {
			f.Text = s.Detail + ": " + f.Text // a fault does not name what was asked for
		}
		return err
	}
}

// refusal returns what the host answered instead of what was asked, in the words
// of package rpc and before the library's own.
func (r *rpcClimb) refusal(err error) error {
	if err == nil {
		return nil
	}
	nak, naked := r.conn.BindNak()
	fault := r.conn.Fault()
	if refused := r.by.refused(); refused != nil {
		return refused
	}
	if r.by.byKerberos() && (naked || fault != 0) {
		if f := ticketError(tokenOf(r.conn.Token())); f != nil {
			return f
		}
	}
	switch {
	case naked:
		return &rpc.BindNak{Reason: nak}
	case fault != 0:
		return &rpc.Fault{Status: fault}
	}
	if result, ok := errors.AsType[*dcerpc.Result](err); ok {
		return &rpc.Rejected{Result: uint16(result.DefResult), Reason: uint16(result.ProviderReason)}
	}
	return err
}

// bind binds to the rule's interface.
func (r *rpcClimb) bind(context.Context, *probe.Step) error { return r.bindTo(r.ascent.Rule.Object) }

// query asks for a channel, and looks at every status of the answer.
func (r *rpcClimb) query(ctx context.Context, channel string) error {
	q := &logQuery{channel: channel}
	if err := q.failed(r.client.Invoke(ctx, q)); err != nil {
		return err
	}
	r.opened = append(r.opened, q.handle, q.control)
	return q.failure()
}

// close closes the handles that the host gave, which decides nothing. A host that
// refuses one, as Samba does, ends the conversation.
func (r *rpcClimb) close() {
	ctx, cancel := context.WithTimeout(r.talk.Context(), closing)
	defer cancel()
	_ = r.talk.Do(ctx, r.unlessStopped(func() error {
		for _, h := range r.opened {
			if h == (contextHandle{}) {
				continue
			}
			c := &closeHandle{handle: h}
			if err := c.failed(r.client.Invoke(ctx, c)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// An onlyOnce hands out a connection once. go-msrpc must not dial: not a second
// time, and not elsewhere.
type onlyOnce struct {
	conn net.Conn
	used atomic.Bool
}

// DialContext returns the connection, whatever the address.
func (o *onlyOnce) DialContext(context.Context, string, string) (net.Conn, error) {
	if o.used.Swap(true) {
		return nil, errors.New("no second connection is made")
	}
	return o.conn, nil
}

func syntaxOf(s rpc.Syntax) *dcerpc.SyntaxID {
	return &dcerpc.SyntaxID{IfUUID: uuidOf(s.UUID), IfVersionMajor: s.Major, IfVersionMinor: s.Minor}
}
