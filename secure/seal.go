package secure

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	"github.com/oiweiwei/go-msrpc/ssp/credential"
	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
	"github.com/oiweiwei/go-msrpc/ssp/krb5"
	"github.com/oiweiwei/go-msrpc/ssp/spnego"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// sealed returns a security context of its own for one association, and the
// options with which go-msrpc binds at packet privacy: NTLM bare, Kerberos in
// SPNEGO, as Windows does. The library's global stores are not looked at.
func (v *visit) sealed(ctx context.Context, by *logon) (context.Context, []dcerpc.Option) {
	options := []dcerpc.Option{dcerpc.WithSeal(), dcerpc.WithTargetName(by.service)}
	if by.session != nil {
		ctx, provider := by.session.inContext(ctx)
		return ctx, append(options, provider)
	}
	if by.proof != nil {
		options = append(options, dcerpc.WithSecurtyProvider(dcerpc.AuthTypeGSSNegotiate))
		return gssapi.NewSecurityContext(ctx,
			gssapi.WithMechanismFactory(spnego.Mechanism{}), gssapi.WithMechanismFactory(&kerberosFactory{proof: by.proof})), options
	}
	options = append(options, dcerpc.WithSecurtyProvider(dcerpc.AuthTypeWinNT))
	v.logOn(func(domain, user, password string) {
		ctx = gssapi.NewSecurityContext(ctx, gssapi.WithMechanismFactory(ntlmFactory{}),
			gssapi.WithCredential(credential.NewFromPassword(user, password, credential.Domain(domain))))
	})
	return ctx, options
}

// errAgain is a host that answers by a token that begins a negotiation.
var errAgain = errors.New("the host begins the logon again")

// A oneMechanism is what lets a factory give out one mechanism, for one association.
// The library makes another whenever the host's token begins a negotiation, and each
// would begin a logon of its own.
type oneMechanism struct{ given atomic.Bool }

func (o *oneMechanism) giveOut() error {
	if o.given.Swap(true) {
		return errAgain
	}
	return nil
}

// A kerberosFactory makes go-msrpc use a ticket that it did not ask for in one
// association, and believe no host that did not prove itself.
type kerberosFactory struct {
	krb5.Mechanism
	oneMechanism
	proof *proof
}

// DefaultConfig returns a configuration that leads to no KDC and no file.
func (f *kerberosFactory) DefaultConfig(context.Context) (gssapi.MechanismConfig, error) {
	return &krb5.Config{DCEStyle: true, SName: f.proof.ticket.Service}, nil
}

// New returns the mechanism of a security context.
func (f *kerberosFactory) New(ctx context.Context) (gssapi.Mechanism, error) {
	if err := f.giveOut(); err != nil {
		return nil, err
	}
	m, err := f.Mechanism.New(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := m.(*krb5.Mechanism)
	if !ok {
		return nil, errors.New("not the Kerberos mechanism")
	}
	return &kerberosMechanism{inner, f.proof}, nil
}

type kerberosMechanism struct {
	*krb5.Mechanism
	proof *proof
}

// Init makes the AP-REQ, and then looks at the host's answer before the library
// does. The context is of DCE style, [MS-KILE] section 3.4.5.1: three bare messages.
func (m *kerberosMechanism) Init(ctx context.Context, t *gssapi.Token) (*gssapi.Token, error) {
	if m.APReq == nil {
		req, err := m.proof.request(gssMutual | gssReplay | gssSequence | gssConf | gssInteg | gssDCEStyle)
		if err != nil {
			return nil, gssapi.ContextError(ctx, gssapi.Failure, err)
		}
		m.APReq = &messages.APReq{Authenticator: types.Authenticator{SeqNumber: m.proof.sent.SeqNumber}}
		m.SessionKey = types.EncryptionKey(m.proof.ticket.Key)
		return &gssapi.Token{Payload: req}, gssapi.ContextContinueNeeded(ctx)
	}
	if err := m.proof.verify(t.Payload); err != nil {
		return nil, gssapi.ContextError(ctx, gssapi.Failure, err)
	}
	return m.Mechanism.Init(ctx, t)
}
