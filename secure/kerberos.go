package secure

import (
	"encoding/asn1"
	"encoding/binary"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/probe"
)

// Flags of the checksum in an authenticator, RFC 4121 section 4.1.1.1 and
// [MS-KILE] section 3.1.5.2.
const (
	gssMutual   = 0x0002
	gssReplay   = 0x0004
	gssSequence = 0x0008
	gssConf     = 0x0010
	gssInteg    = 0x0020
	gssDCEStyle = 0x1000
)

const (
	minSubkey     = 16 // bytes; SMB takes as many
	krbError      = 30 // application tag, RFC 4120 section 5.10
	oidKRB5       = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
	tokenAPReq    = "\x01\x00" // token ids, RFC 4121 section 4.1
	tokenIDLen    = 2
	checksumLen   = 24
	checksumFlags = 20 // where they stand in it
)

// A proof is the exchange of a ticket with a host, RFC 4120 section 3.2, by which
// each proves to the other who it is. It is used once.
type proof struct {
	ticket *auth.Ticket
	sent   types.Authenticator
	subkey types.EncryptionKey // that the host chose; no host that is not the ticket's can
	err    error               // why there is none
}

// request returns an AP-REQ that asks for the host's proof.
func (p *proof) request(gss uint32) ([]byte, error) {
	a, err := p.ticket.NewAuthenticator(time.Now())
	if err != nil {
		return nil, err
	}
	sum := make([]byte, checksumLen)
	binary.LittleEndian.PutUint32(sum, 16) // Lgth of Bnd, which is zero: no channel bindings
	binary.LittleEndian.PutUint32(sum[checksumFlags:], gss)
	a.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	p.sent = a
	req, err := messages.NewAPReq(p.ticket.Ticket, p.ticket.Key, a)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&req.APOptions, flags.APOptionMutualRequired)
	return req.Marshal()
}

// verify looks at the host's answer: an AP-REP that nobody can have made who does
// not know the key of the ticket's service, or a KRB-ERROR.
func (p *proof) verify(answer []byte) error {
	p.err = p.check(answer)
	return p.err
}

func (p *proof) check(answer []byte) error {
	if f := ticketError(answer); f != nil {
		return f
	}
	var rep messages.APRep
	if err := rep.Unmarshal(answer); err != nil {
		return unproved("there is no AP-REP")
	}
	plain, err := crypto.DecryptEncPart(rep.EncPart, p.ticket.Key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return unproved("its AP-REP is not of the ticket's key")
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil {
		return unproved("its AP-REP is not well formed")
	}
	switch {
	case part.CTime.Unix() != p.sent.CTime.Unix() || part.Cusec != p.sent.Cusec:
		return unproved("its AP-REP answers another request")
	case len(part.Subkey.KeyValue) < minSubkey:
		return unproved("its AP-REP has no key of %d bytes", minSubkey)
	}
	p.subkey = part.Subkey
	return nil
}

// ticketError returns what a KRB-ERROR says, or nil for any other answer.
func ticketError(answer []byte) *probe.Failure {
	var raw asn1.RawValue
	if _, err := asn1.Unmarshal(answer, &raw); err != nil || raw.Class != asn1.ClassApplication || raw.Tag != krbError {
		return nil
	}
	var e messages.KRBError
	if err := e.Unmarshal(answer); err != nil {
		return nil
	}
	return refusedTicket(e.ErrorCode)
}

// tokenOf takes the mechanism's token out of a NegTokenResp, RFC 4178 section 4.2.2;
// what is none is the token itself.
func tokenOf(b []byte) []byte {
	var resp spnego.NegTokenResp
	if resp.Unmarshal(b) != nil {
		return unwrapToken(b)
	}
	return unwrapToken(resp.ResponseToken)
}

// wrapToken puts an AP-REQ into the frame of RFC 2743 section 3.1.
func wrapToken(req []byte) ([]byte, error) {
	inner := append([]byte(oidKRB5+tokenAPReq), req...)
	return asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, IsCompound: true, Bytes: inner})
}

// unwrapToken takes an answer out of its frame; without one it is the answer itself.
func unwrapToken(token []byte) []byte {
	var raw asn1.RawValue
	if _, err := asn1.Unmarshal(token, &raw); err != nil || raw.Class != asn1.ClassApplication || raw.Tag != 0 {
		return token
	}
	if len(raw.Bytes) < len(oidKRB5)+tokenIDLen || string(raw.Bytes[:len(oidKRB5)]) != oidKRB5 {
		return token
	}
	return raw.Bytes[len(oidKRB5)+tokenIDLen:]
}

// A kerberosInitiator logs on to SMB with a ticket: go-smb2's Initiator.
type kerberosInitiator struct{ proof *proof }

// OID returns the mechanism's.
func (k *kerberosInitiator) OID() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier(gssapi.OIDKRB5.OID())
}

// InitSecContext returns the first token.
func (k *kerberosInitiator) InitSecContext() ([]byte, error) {
	req, err := k.proof.request(gssMutual | gssReplay | gssSequence | gssConf | gssInteg)
	if err != nil {
		return nil, err
	}
	return wrapToken(req)
}

// AcceptSecContext looks at the host's token, which is the last.
func (k *kerberosInitiator) AcceptSecContext(token []byte) ([]byte, error) {
	return []byte{}, k.proof.verify(unwrapToken(token))
}

// Sum signs with the key that the host chose, RFC 4121 section 4.2.4.
func (k *kerberosInitiator) Sum(b []byte) []byte {
	mic := gssapi.MICToken{Flags: gssapi.MICTokenFlagAcceptorSubkey, SndSeqNum: uint64(k.proof.sent.SeqNumber), Payload: b} //nolint:gosec // 30 bits, made here
	if err := mic.SetChecksum(k.proof.subkey, keyusage.GSSAPI_INITIATOR_SIGN); err != nil {
		return nil
	}
	out, err := mic.Marshal()
	if err != nil {
		return nil
	}
	return out
}

// SessionKey returns what SMB's own keys are derived from. It is asked for only
// once the host's token was accepted.
func (k *kerberosInitiator) SessionKey() []byte {
	key := k.proof.subkey.KeyValue
	return key[:min(len(key), minSubkey)]
}
