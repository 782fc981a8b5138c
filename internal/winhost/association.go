package winhost

import (
	"errors"

	"github.com/gpreach/gpreach/internal/winhost/logon"
	"github.com/gpreach/gpreach/rpc"
)

// Levels of protection, [MS-RPCE] section 2.2.1.1.8.
const (
	levelNone      = 1
	levelIntegrity = 5
	levelPrivacy   = 6
)

const (
	securityError = 0x721 // RPC_S_SEC_PKG_ERROR: a signature is wrong
	wrongChecksum = 9     // the bind_nak to a ticket that is not accepted
	notSpecified  = 0     // the bind_nak of who does not say why
	callHeaderLen = 8     // of a request or response, behind the header
	padTo         = 16
	mostLogons    = 8 // of a connection
)

// An association is a security context of a connection, [MS-RPCE] section 3.3.1.5.2.
type association struct {
	logon.Mechanism
	kind, level byte
	id          uint32
	done        bool // somebody has logged on
}

// A caller is who makes a secured call.
type caller struct {
	*session
	association *association // nil for nobody
	object      rpc.UUID     // that is called
	padding     int          // between stub and verifier
}

// level returns how the call is protected.
func (c *caller) level() byte {
	if c.association == nil {
		return levelNone
	}
	return c.association.level
}

// may reports whether the caller has a right.
func (c *caller) may(right Rights) bool { return c.Host.rightsOf(c.association.User())&right != 0 }

// logOn takes the token of a bind or an alter_context and writes the answer. Where it
// refuses it has said so, and goOn tells whether the connection lives.
func (v *session) logOn(p *pdu, answer *writer) (ok, goOn bool) {
	kind, level, id := p.auth[0], p.auth[1], p.order.Uint32(p.auth[4:])
	a := v.logons[id]
	switch {
	case p.kind == bind && v.WantHeaderSign && !v.signHeaders:
		return false, v.nak(p.call, notSpecified)
	case a == nil || p.kind == bind:
		a = &association{Mechanism: v.begin(p), kind: kind, level: level, id: id}
		if v.NakLogon != nil {
			return false, v.nak(p.call, *v.NakLogon)
		}
		if a.Mechanism == nil || len(v.logons) == mostLogons {
			return false, v.nak(p.call, unknownAuthType)
		}
		v.logons[id] = a
	case !a.isOf(p):
		return false, v.fault(p.call, 0, accessDenied)
	}
	if a.done { // a logon is over, and serves for another interface too
		return true, true
	}
	token, done, err := v.accept(a, p)
	switch {
	case errors.Is(err, logon.ErrBlocked) && p.kind == bind: // as NTLM without SPNEGO is
		return false, v.nak(p.call, unknownAuthType)
	case err != nil && p.kind == bind:
		return false, v.nak(p.call, wrongChecksum)
	case err != nil:
		a.Mechanism = &refused{}
		return false, v.fault(p.call, 0, accessDenied)
	}
	a.done = done
	answer.bytes(kind, level, 0, 0)
	answer.u32(id)
	answer.bytes(token...)
	return true, true
}

// accept takes a token of a client; the last may be one that is not to be accepted.
func (v *session) accept(a *association, p *pdu) (token []byte, done bool, err error) {
	token, done, err = a.Accept(p.auth[trailerLen:])
	if err == nil && done && v.FailLogon {
		v.Host.meet(func(m *Met) { m.Failed++ })
		err = errFailed
	}
	return token, done, err
}

// isOf reports whether a PDU's verifier is of the association's type and level, which
// nothing changes after the bind: [MS-RPCE] section 3.3.1.5.2.
func (a *association) isOf(p *pdu) bool { return p.auth[0] == a.kind && p.auth[1] == a.level }

// begin returns the mechanism that a bind asks for, nil where it is not spoken. A host
// that admits nobody only says who it is.
func (v *session) begin(p *pdu) logon.Mechanism {
	if !v.Host.admits() && !wantsNTLM(p.auth) {
		return nil
	}
	door := v.Host.door()
	door.NoNTLM = door.NoNTLM || v.NoNTLM
	return door.Begin(p.auth[0])
}

// errFailed is a logon that fails, whatever the client says.
var errFailed = errors.New("no logon is accepted here")

// finish takes an AUTH3. The client learns from its first call what came of it, and a
// logon that has failed is not tried again.
func (v *session) finish(p *pdu) {
	if len(p.auth) < trailerLen {
		return
	}
	a := v.logons[p.order.Uint32(p.auth[4:])]
	if a == nil || a.done {
		return
	}
	if a.isOf(p) {
		_, done, err := v.accept(a, p)
		a.done = done && err == nil
	}
	if !a.done {
		a.Mechanism = &refused{}
	}
}

// verify verifies a request, whose stub begins so far into its body, and unseals it. A
// call without a verifier is nobody's.
func (v *session) verify(by *caller, p *pdu, stub int) (fault uint32) {
	if len(p.auth) == 0 {
		return 0
	}
	a := v.logons[p.order.Uint32(p.auth[4:])]
	if a == nil || !a.done || !a.isOf(p) || a.level < levelIntegrity {
		return accessDenied
	}
	m := logon.Message{
		Header: append(p.header[:headerLen:headerLen], p.body[:stub]...), Body: p.body[stub:], Trailer: p.auth[:trailerLen],
		Sealed: a.level == levelPrivacy, Whole: v.signHeaders,
	}
	if a.Open(m, p.auth[trailerLen:]) != nil {
		return securityError
	}
	if by.padding = int(p.auth[2]); by.padding > len(m.Body) {
		return protocolError
	}
	by.association = a
	return 0
}

// overhead returns what a verifier takes of a fragment.
func (a *association) overhead() int {
	if a == nil {
		return 0
	}
	return trailerLen + a.SignatureLen(a.level == levelPrivacy)
}

// reply sends a fragment of a response, protected as its caller asked.
func (v *session) reply(flags byte, call uint32, body []byte, by *association) bool {
	if by == nil {
		return v.send(response, flags, call, body, nil)
	}
	padding := -(len(body) - callHeaderLen) & (padTo - 1)
	body = append(body, make([]byte, padding)...)
	verifier := v.writer()
	verifier.bytes(by.kind, by.level, byte(padding), 0)
	verifier.u32(by.id)
	verifier.bytes(make([]byte, by.overhead()-trailerLen)...)
	p := v.assemble(response, flags, call, body, verifier.b)
	end := len(p) - by.overhead()
	signature, err := by.Protect(logon.Message{
		Header: p[:headerLen+callHeaderLen], Body: p[headerLen+callHeaderLen : end], Trailer: p[end : end+trailerLen],
		Sealed: by.level == levelPrivacy, Whole: v.signHeaders,
	})
	if err != nil {
		return false
	}
	copy(p[end+trailerLen:], signature)
	_, err = v.conn.Write(p)
	return err == nil
}

// A refused logon accepts nothing more.
type refused struct{ logon.Mechanism }

// Accept refuses.
func (*refused) Accept([]byte) ([]byte, bool, error) { return nil, false, logon.ErrRefused }
