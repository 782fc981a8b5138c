package secure

import (
	"context"
	"fmt"

	"github.com/oiweiwei/go-msrpc/dcerpc"

	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// again returns a logon that is used for another association: a proof is used once,
// its ticket more than once.
func (l *logon) again() *logon {
	if l.proof == nil {
		return l
	}
	return &logon{service: l.service, proof: &proof{ticket: l.proof.ticket}}
}

// reach connects to where the ascent stands, for one association. It is nil where it
// cannot; otherwise its conversation is the caller's to end.
func (v *visit) reach(ctx context.Context, a *probe.Ascent, by *logon) *rpcClimb {
	conn := a.Connect()
	if conn == nil {
		return nil
	}
	r := &rpcClimb{visit: v, ascent: a, by: by, talk: guard.Begin(ctx, v.credential.Stopped()), conn: guard.NewRPC(conn)}
	r.talk.Hold(r.conn)
	return r
}

// step tries a stage, unless the credential is stopped.
func (r *rpcClimb) step(stage probe.Stage, do func(context.Context, *probe.Step) error) bool {
	return !r.stopped() && r.ascent.Step(stage, r.try(do))
}

// bindTo binds to an interface over the one connection, and with the same bind to
// others, which the host may reject: see on.
func (r *rpcClimb) bindTo(object rpc.Syntax, others ...rpc.Syntax) error {
	ctx, options := r.sealed(r.talk.Context(), r.by)
	syntax := syntaxOf(object)
	options = append(options, dcerpc.WithAbstractSyntax(syntax))
	for _, other := range others {
		options = append(options, dcerpc.WithAbstractSyntax(syntaxOf(other)))
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
	// A context that was rejected is an error of its own.
	_, err = r.on(object)
	return err
}

// on returns what calls an interface that was bound to.
func (r *rpcClimb) on(object rpc.Syntax) (dcerpc.Conn, error) {
	sub, ok := r.client.(dcerpc.SubConn)
	if !ok {
		return r.client, nil
	}
	return sub.SubConn(r.talk.Context(), syntaxOf(object))
}
