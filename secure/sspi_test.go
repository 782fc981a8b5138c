package secure

import (
	"context"
	"strings"
	"sync"
	"testing"

	smb2 "github.com/cloudsoda/go-smb2"
	"github.com/oiweiwei/go-msrpc/ssp/credential"
	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
	"github.com/oiweiwei/go-msrpc/ssp/krb5"
	"github.com/oiweiwei/go-msrpc/ssp/ntlm"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/sspi"
)

// A windows is a Windows that has tickets and does with them what SSPI is documented
// to do: what goes over the wire is Kerberos, whole and true.
type windows struct {
	ticket func(service string) (*auth.Ticket, error)
	ntlm   *auth.Credential                 // whose password NTLM is by; may be nil
	status func(service string) sspi.Status // instead of a token; may be nil

	answers  func() []byte // what NTLM is answered by instead; may be nil
	handed   int           // tokens of hosts
	noDomain error         // why there is no domain controller

	mu       sync.Mutex
	contexts map[uintptr]*windowsContext
	opened   uintptr
	open     int // of credentials and contexts that were not let go yet
}

type windowsContext struct {
	smb smb2.Initiator  // of SMB
	rpc context.Context //nolint:containedctx // the library's context is what a context of SSPI is here
}

func (w *windows) calls() *sspi.Calls {
	return &sspi.Calls{
		User:             func() (string, error) { return `CORP\admin`, nil },
		Saved:            func() ([]string, error) { return nil, nil },
		DomainController: func() (string, error) { return "dc1.corp.example", w.noDomain },
		Acquire: func(p sspi.Package) (h sspi.Handle, _ sspi.Status) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.open++; p == sspi.NTLM {
				h.Lower = 1
			}
			return h, sspi.OK
		},
		Initialize: w.initialize,
		Sizes: func(h sspi.Handle) (sspi.Sizes, sspi.Status) {
			if c := w.at(h); c.rpc != nil {
				return sspi.Sizes{
					Signature: -gssapi.WrapSizeLimit(c.rpc, 0), Sealing: -gssapi.WrapSizeLimit(c.rpc, 0, gssapi.WithRequest(gssapi.Confidentiality)),
				}, sspi.OK
			}
			return sspi.Sizes{Signature: 28, Sealing: 76}, sspi.OK
		},
		SessionKey: func(h sspi.Handle) ([]byte, sspi.Status) { return w.at(h).smb.SessionKey(), sspi.OK },
		Protect:    w.protect,
		Delete: func(_ sspi.Handle, context *sspi.Handle) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.open--; context != nil {
				delete(w.contexts, context.Lower)
			}
		},
	}
}

func (w *windows) at(h sspi.Handle) *windowsContext {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.contexts[h.Lower]
}

func (w *windows) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open + len(w.contexts)
}

func (w *windows) initialize(s sspi.Step) (p sspi.Progress, status sspi.Status) {
	if s.Context == nil {
		return w.begin(s)
	}
	defer func() {
		if recover() != nil { // the libraries do not read everything that Windows does
			status = sspi.InvalidToken
		}
	}()
	c := w.at(*s.Context)
	p.Context, p.Granted = *s.Context, s.Flags
	w.mu.Lock()
	w.handed++
	w.mu.Unlock()
	if w.answers != nil && s.Credential.Lower == 1 {
		defer func() { p.Token = w.answers() }()
	}
	if c.smb != nil {
		var err error
		if p.Token, err = c.smb.AcceptSecContext(s.Token); err != nil {
			return p, sspi.WrongPrincipal
		}
		return p, sspi.OK
	}
	t, err := gssapi.InitSecurityContext(c.rpc, &gssapi.Token{Payload: s.Token})
	if err != nil || !gssapi.IsComplete(c.rpc) {
		return p, sspi.WrongPrincipal
	}
	p.Token = t.Payload
	return p, sspi.OK
}

func (w *windows) begin(s sspi.Step) (sspi.Progress, sspi.Status) {
	if w.status != nil {
		if status := w.status(s.Target); status != sspi.OK {
			return sspi.Progress{}, status
		}
	}
	c, first, err := &windowsContext{}, []byte(nil), error(nil)
	if s.Credential.Lower == 1 {
		first, err = w.beginNTLM(c, s)
	} else {
		var ticket *auth.Ticket
		if ticket, err = w.ticket(s.Target); err != nil {
			return sspi.Progress{}, sspi.TargetUnknown
		}
		first, err = c.beginKerberos(ticket, s)
	}
	if err != nil {
		return sspi.Progress{}, sspi.InternalError
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opened++; w.contexts == nil {
		w.contexts = make(map[uintptr]*windowsContext)
	}
	w.contexts[w.opened] = c
	return sspi.Progress{Context: sspi.Handle{Lower: w.opened}, Token: first}, sspi.ContinueNeeded
}

func (c *windowsContext) beginKerberos(ticket *auth.Ticket, s sspi.Step) ([]byte, error) {
	if s.Flags&sspi.DCEStyle == 0 {
		c.smb = &kerberosInitiator{&proof{ticket: ticket}}
		return c.smb.InitSecContext()
	}
	c.rpc = gssapi.NewSecurityContext(context.Background(), gssapi.WithMechanismFactory(&kerberosFactory{proof: &proof{ticket: ticket}}))
	return c.beginRPC(krb5.MechanismType, s)
}

// beginNTLM begins SMB and RPC alike: NTLM is not told which it is for, so the service
// tells here.
func (w *windows) beginNTLM(c *windowsContext, s sspi.Step) ([]byte, error) {
	l := New(w.ntlm, Options{AllowNTLM: true})
	if strings.HasPrefix(s.Target, "cifs/") {
		c.smb = l.byNTLM(s.Target)
		return c.smb.InitSecContext()
	}
	l.logOn(func(domain, user, password string) {
		c.rpc = gssapi.NewSecurityContext(context.Background(), gssapi.WithMechanismFactory(ntlmFactory{}),
			gssapi.WithCredential(credential.NewFromPassword(user, password, credential.Domain(domain))))
	})
	return c.beginRPC(ntlm.MechanismType, s)
}

func (c *windowsContext) beginRPC(mechanism gssapi.OID, s sspi.Step) ([]byte, error) {
	t, err := gssapi.InitSecurityContext(c.rpc, &gssapi.Token{}, gssapi.WithMechanismType(mechanism), gssapi.WithTargetName(s.Target),
		gssapi.WithRequest(gssapi.Confidentiality|gssapi.Integrity|gssapi.ReplayDetection|gssapi.Sequencing))
	if err != nil {
		return nil, err
	}
	return t.Payload, nil
}

// protect is what RPC expects of the buffers: the Data is sealed, what is SignedOnly
// is signed with it, in their order.
func (w *windows) protect(h sspi.Handle, p sspi.Protection, buffers []sspi.Buffer) sspi.Status {
	c, last := w.at(h), &buffers[len(buffers)-1]
	if c.smb != nil {
		if p != sspi.Sign {
			return sspi.InternalError
		}
		last.Data = append(last.Data[:0], c.smb.Sum(buffers[0].Data)...)
		return sspi.OK
	}
	m := &gssapi.MessageTokenEx{}
	for _, b := range buffers[:len(buffers)-1] {
		part := &gssapi.PayloadEx{Capabilities: gssapi.Integrity, Payload: b.Data}
		if b.Type == sspi.Data && (p == sspi.Seal || p == sspi.Unseal) {
			part.Capabilities |= gssapi.Confidentiality
		}
		m.Payloads = append(m.Payloads, part)
	}
	var err error
	switch p {
	case sspi.Sign:
		m, err = gssapi.MakeSignatureEx(c.rpc, m)
	case sspi.Seal:
		m, err = gssapi.WrapEx(c.rpc, m)
	case sspi.Verify:
		m.Signature = last.Data
		err = gssapi.VerifySignatureEx(c.rpc, m)
	case sspi.Unseal:
		m.Signature = last.Data
		_, err = gssapi.UnwrapEx(c.rpc, m)
	}
	if err != nil {
		return sspi.MessageAltered
	}
	if p == sspi.Sign || p == sspi.Seal {
		last.Data = append(last.Data[:0], m.Signature...)
	}
	return sspi.OK
}

// sessionOf is the verified credential of a logon session.
func sessionOf(t testing.TB, w *windows) *auth.Credential {
	t.Helper()
	c, err := auth.ReadSession(w.calls())
	if err == nil {
		err = c.Verify(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
