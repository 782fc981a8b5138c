package secure

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/oiweiwei/go-msrpc/dcerpc"

	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// again returns a logon that is used for another association: a proof is used once,
// its ticket more than once. Windows' session begins a context for each by itself.
func (l *logon) again() *logon {
	if l.proof == nil {
		return l
	}
	return &logon{service: l.service, proof: &proof{ticket: l.proof.ticket}}
}

// anew returns such a logon when the climb is over, and with it what Windows held.
func (v *visit) anew(l *logon) *logon {
	if l.session == nil {
		return l.again()
	}
	return &logon{service: l.service, session: v.session(l.session.pkg, "host", l.service)}
}

// reach connects to where the ascent stands, for one association. It is nil where it
// cannot; otherwise its conversation is the caller's to end.
func (v *visit) reach(ctx context.Context, a *probe.Ascent, by *logon) *rpcClimb {
	return v.associate(ctx, a, by, a.Connect)
}

func (v *visit) associate(ctx context.Context, a *probe.Ascent, by *logon, connect func(context.Context) net.Conn) *rpcClimb {
	talk := guard.Begin(ctx, v.credential.Stopped())
	conn := connect(talk.Context())
	if conn == nil {
		talk.End()
		return nil
	}
	r := &rpcClimb{visit: v, ascent: a, by: by, talk: talk, conn: guard.NewRPC(conn)}
	r.talk.Hold(r.conn)
	return r
}

func (r *rpcClimb) step(stage probe.Stage, do func(context.Context, *probe.Step) error) bool {
	return r.ascent.Step(stage, r.try(do))
}

// bindTo binds to an interface over the one connection, and with the same bind to
// another, which the host may reject. There are two at most.
func (r *rpcClimb) bindTo(object rpc.Syntax, other ...rpc.Syntax) error {
	ctx, options := r.sealed(r.talk.Context(), r.by)
	var syntaxes []*dcerpc.SyntaxID // which the library tells apart by where they are
	for _, s := range append([]rpc.Syntax{object}, other...) {
		syntaxes = append(syntaxes, syntaxOf(s))
		options = append(options, dcerpc.WithAbstractSyntax(syntaxes[len(syntaxes)-1]))
	}
	group, err := dcerpc.Dial(ctx, r.ascent.Address.String(),
		dcerpc.WithDialer(&onlyOnce{conn: r.conn}), dcerpc.WithTimeout(ample), dcerpc.WithDNSResolver(nil),
		dcerpc.WithEndpoint(fmt.Sprintf("ncacn_ip_tcp:[%d]", r.ascent.Port)))
	if err != nil {
		return err
	}
	if r.client, err = group.Bind(ctx, options...); err != nil {
		return err
	}
	sub, ok := r.client.(dcerpc.SubConn)
	if !ok {
		return errors.New("no interface was bound to")
	}
	if len(other) > 0 {
		if r.other, err = sub.SubConn(ctx, syntaxes[1]); err != nil {
			r.other = nil
		}
	}
	// A context that was rejected is an error of its own.
	r.client, err = sub.SubConn(ctx, syntaxes[0])
	return err
}
