package secure

import (
	"context"
	"errors"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
	"github.com/oiweiwei/go-msrpc/ssp/krb5"
	"github.com/oiweiwei/go-msrpc/ssp/ntlm"
	"github.com/oiweiwei/go-msrpc/ssp/spnego"

	"github.com/gpreach/gpreach/internal/sspi"
)

// errHeaders is a host that lets PDU headers go unsigned.
var errHeaders = errors.New("the host does not sign the headers of its messages, which Windows always does")

// errUnused are calls of the library that no association of ours leads to.
var errUnused = errors.New("not used")

// inContext returns a security context of the library's for one association, that
// Windows' session is behind, and the provider: Kerberos in SPNEGO, NTLM bare.
func (s *session) inContext(ctx context.Context) (context.Context, dcerpc.Option) {
	if s.pkg == sspi.NTLM {
		return gssapi.NewSecurityContext(ctx, gssapi.WithMechanismFactory(&sessionFactory{session: s})),
			dcerpc.WithSecurtyProvider(dcerpc.AuthTypeWinNT)
	}
	return gssapi.NewSecurityContext(ctx, gssapi.WithMechanismFactory(spnego.Mechanism{}), gssapi.WithMechanismFactory(&sessionFactory{session: s})),
		dcerpc.WithSecurtyProvider(dcerpc.AuthTypeGSSNegotiate)
}

// A sessionFactory makes go-msrpc use Windows' session in one association:
// gssapi.MechanismFactory.
type sessionFactory struct {
	oneMechanism
	session *session
}

// Type returns the mechanism's identifier.
func (f *sessionFactory) Type() gssapi.OID {
	if f.session.pkg == sspi.NTLM {
		return ntlm.MechanismType
	}
	return krb5.MechanismType
}

// DefaultConfig returns a configuration that nothing stands in.
func (f *sessionFactory) DefaultConfig(context.Context) (gssapi.MechanismConfig, error) {
	return sessionConfig{f.Type()}, nil
}

// New returns the mechanism of a security context.
func (f *sessionFactory) New(context.Context) (gssapi.Mechanism, error) {
	if err := f.giveOut(); err != nil {
		return nil, err
	}
	return &sessionMechanism{session: f.session, oid: f.Type()}, nil
}

type sessionConfig struct{ oid gssapi.OID }

func (c sessionConfig) Type() gssapi.OID             { return c.oid }
func (c sessionConfig) Copy() gssapi.MechanismConfig { return c }

// A sessionMechanism is one security context in the library's terms. Init is called
// once before the host's token and once with it.
type sessionMechanism struct {
	session *session
	oid     gssapi.OID
	context *sspi.Context // nil before the first Init
}

// Type returns the mechanism's identifier.
func (m *sessionMechanism) Type() gssapi.OID { return m.oid }

// Init makes the first token, and then has Windows answer the host's. The context is
// of DCE style, [MS-KILE] section 3.4.5.1: three bare messages.
func (m *sessionMechanism) Init(ctx context.Context, t *gssapi.Token) (*gssapi.Token, error) {
	if m.context == nil {
		x, token, err := m.session.take(ctx)
		if err != nil {
			return nil, gssapi.ContextError(ctx, gssapi.Failure, err)
		}
		m.context = x
		return &gssapi.Token{Payload: token}, gssapi.ContextContinueNeeded(ctx)
	}
	out, err := m.session.answer(ctx, m.context, t.Payload)
	if err != nil {
		return nil, gssapi.ContextError(ctx, gssapi.Failure, err)
	}
	return &gssapi.Token{Payload: out}, gssapi.ContextComplete(ctx)
}

// Capabilities returns what the context can do.
func (m *sessionMechanism) Capabilities(context.Context) gssapi.Cap {
	c := gssapi.ReplayDetection | gssapi.Sequencing | gssapi.Integrity | gssapi.Confidentiality
	if m.session.pkg == sspi.Kerberos {
		c |= gssapi.MutualAuthn | gssapi.DCEStyle
	}
	return c
}

// WrapSizeLimit returns what is left of sz beside a message's token.
func (m *sessionMechanism) WrapSizeLimit(_ context.Context, sz int, sealed bool) int {
	return sz - m.context.Size(sealed)
}

// MakeSignature signs the list of mechanisms in SPNEGO.
func (m *sessionMechanism) MakeSignature(ctx context.Context, t *gssapi.MessageToken) (*gssapi.MessageToken, error) {
	signature, err := m.context.Sign(sspi.Buffer{Type: sspi.Data, Data: t.Payload})
	if err != nil {
		return nil, gssapi.ContextError(ctx, gssapi.Failure, err)
	}
	return &gssapi.MessageToken{QoP: t.QoP, Capabilities: t.Capabilities, Payload: t.Payload, Signature: signature}, nil
}

// VerifySignature verifies the host's signature of that list.
func (m *sessionMechanism) VerifySignature(ctx context.Context, t *gssapi.MessageToken) error {
	return m.done(ctx, m.context.Verify(t.Signature, sspi.Buffer{Type: sspi.Data, Data: t.Payload}))
}

// MakeSignatureEx signs a PDU.
func (m *sessionMechanism) MakeSignatureEx(ctx context.Context, t *gssapi.MessageTokenEx) (*gssapi.MessageTokenEx, error) {
	return m.protect(ctx, t, m.context.Sign)
}

// WrapEx seals the stub of a PDU, and signs all of it.
func (m *sessionMechanism) WrapEx(ctx context.Context, t *gssapi.MessageTokenEx) (*gssapi.MessageTokenEx, error) {
	return m.protect(ctx, t, m.context.Seal)
}

func (m *sessionMechanism) protect(ctx context.Context, t *gssapi.MessageTokenEx, by func(...sspi.Buffer) ([]byte, error)) (*gssapi.MessageTokenEx, error) {
	parts, err := partsOf(t)
	if err == nil {
		t.Signature, err = by(parts...)
	}
	if err != nil {
		return nil, gssapi.ContextError(ctx, gssapi.Failure, err)
	}
	return t, nil
}

// VerifySignatureEx verifies the signature of a PDU.
func (m *sessionMechanism) VerifySignatureEx(ctx context.Context, t *gssapi.MessageTokenEx) error {
	parts, err := partsOf(t)
	if err == nil {
		err = m.context.Verify(t.Signature, parts...)
	}
	return m.done(ctx, err)
}

// UnwrapEx opens the stub of a PDU, and verifies the signature of all of it.
func (m *sessionMechanism) UnwrapEx(ctx context.Context, t *gssapi.MessageTokenEx) (*gssapi.MessageTokenEx, error) {
	parts, err := partsOf(t)
	if err == nil {
		err = m.context.Unseal(t.Signature, parts...)
	}
	if err != nil {
		return nil, m.done(ctx, err)
	}
	return t, nil
}

func (m *sessionMechanism) done(ctx context.Context, err error) error {
	if err != nil {
		return gssapi.ContextError(ctx, gssapi.BadMIC, err)
	}
	return nil
}

// partsOf returns the parts of a PDU as RPC gives them to Windows: header, stub and
// security trailer, of which the stub is sealed and the others are signed as they are.
// What is not signed is not sent, and not believed.
func partsOf(t *gssapi.MessageTokenEx) ([]sspi.Buffer, error) {
	const stub = 1
	if len(t.Payloads) != 3 {
		return nil, errUnused
	}
	parts := make([]sspi.Buffer, len(t.Payloads))
	for i, p := range t.Payloads {
		if !p.Capabilities.IsSet(gssapi.Integrity) {
			return nil, errHeaders
		}
		parts[i] = sspi.Buffer{Type: sspi.SignedOnly, Data: p.Payload}
		if i == stub {
			parts[i].Type = sspi.Data
		}
	}
	return parts, nil
}

// Accept is a server's.
func (m *sessionMechanism) Accept(ctx context.Context, _ *gssapi.Token) (*gssapi.Token, error) {
	return nil, gssapi.ContextError(ctx, gssapi.Unavailable, errUnused)
}

// Wrap is for messages without parts.
func (m *sessionMechanism) Wrap(ctx context.Context, _ *gssapi.MessageToken) (*gssapi.MessageToken, error) {
	return nil, gssapi.ContextError(ctx, gssapi.Unavailable, errUnused)
}

// Unwrap is for messages without parts.
func (m *sessionMechanism) Unwrap(ctx context.Context, _ *gssapi.MessageToken) (*gssapi.MessageToken, error) {
	return nil, gssapi.ContextError(ctx, gssapi.Unavailable, errUnused)
}
