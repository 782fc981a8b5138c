package secure

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"strings"

	smb2 "github.com/cloudsoda/go-smb2"
	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
	"github.com/oiweiwei/go-msrpc/ssp/ntlm"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/wire"
)

// Flags of an NTLM CHALLENGE_MESSAGE, [MS-NLMP] section 2.2.2.5: those without
// which NTLM is not what it was made for.
const (
	ntlmUnicode    = 0x00000001
	ntlmSign       = 0x00000010
	ntlmSeal       = 0x00000020
	ntlmNTLM       = 0x00000200
	ntlmExtended   = 0x00080000 // NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY
	ntlmTargetInfo = 0x00800000
	ntlm128        = 0x20000000
	ntlmKeyExch    = 0x40000000

	ntlmAlways = ntlmUnicode | ntlmNTLM | ntlmExtended | ntlmTargetInfo | ntlm128 | ntlmKeyExch

	challengeType = 2
	ntlmVersion1  = 24 // bytes of its response
	maxPairs      = 32 // of which eleven are defined
)

// checkChallenge looks whether a CHALLENGE_MESSAGE, [MS-NLMP] section 2.2.1.2, is
// well formed and offers at least those flags. A response to a weaker one is never
// sent.
func checkChallenge(token []byte, flags uint32) error {
	r := wire.NewReader(token, binary.LittleEndian)
	signature, kind := string(r.Bytes(8)), r.Uint32()
	field(r) // TargetName
	offered := r.Uint32()
	r.Bytes(8 + 8) // ServerChallenge, Reserved
	checkTargetInfo(r, field(r))
	switch {
	case r.Err() != nil:
		return r.Err()
	case signature != "NTLMSSP\x00" || kind != challengeType:
		return wire.Garbled("no NTLM challenge")
	case offered&flags != flags:
		return wire.Garbled("NTLM challenge with flags 0x%08X, not all of 0x%08X", offered, flags)
	}
	return nil
}

// field reads the length and place of a field, and returns the field.
func field(r *wire.Reader) []byte {
	n := int(r.Uint16())
	r.Uint16() // MaxLen
	return r.At(int(r.Uint32()), n)
}

// checkTargetInfo walks AV_PAIRs, section 2.2.2.1, to the one that ends them.
func checkTargetInfo(r *wire.Reader, info []byte) {
	pairs := wire.NewReader(info, binary.LittleEndian)
	for range maxPairs {
		id := pairs.Uint16()
		pairs.Bytes(int(pairs.Uint16()))
		if pairs.Err() != nil || id == 0 {
			break
		}
	}
	if pairs.Err() != nil || pairs.Len() > 0 {
		r.Fail("NTLM challenge with target information of %d bytes", len(info))
	}
}

// ntResponse returns the length of the response in an AUTHENTICATE_MESSAGE, [MS-NLMP]
// section 2.2.1.3: that of version 1 has 24 bytes, also where session security is
// extended. It has none where Windows finds that it would log on to itself.
func ntResponse(token []byte) (int, error) {
	r := wire.NewReader(token, binary.LittleEndian)
	r.Bytes(8 + 4) // Signature, MessageType
	field(r)       // LmChallengeResponse
	response := field(r)
	return len(response), r.Err()
}

// An ntlmInitiator logs on to SMB by NTLMv2: go-smb2's Initiator.
type ntlmInitiator struct {
	*smb2.NTLMInitiator
	err error // why the challenge was not answered
}

// byNTLM returns what logs on to an SMB server by NTLM.
func (l *Logons) byNTLM(service string) *ntlmInitiator {
	n := &ntlmInitiator{NTLMInitiator: &smb2.NTLMInitiator{}}
	l.logOn(func(domain, user, password string) {
		n.NTLMInitiator = &smb2.NTLMInitiator{Domain: domain, User: user, Password: password, TargetSPN: service}
	})
	return n
}

// logOn hands the secret to a library. A NAME@REALM is NAME of the domain REALM, as
// it is for Kerberos: a library that is given no domain takes the host's word.
func (l *Logons) logOn(with func(domain, user, password string)) {
	l.credential.LogOn(func(domain, user, password string) {
		if at := strings.LastIndexByte(user, '@'); domain == "" && at > 0 {
			user, domain = user[:at], user[at+1:]
		}
		with(domain, user, password)
	})
}

// AcceptSecContext answers a challenge.
func (n *ntlmInitiator) AcceptSecContext(token []byte) ([]byte, error) {
	if n.User == "" { // the credential has been stopped meanwhile: no null session
		return nil, auth.ErrStopped
	}
	if n.err = checkChallenge(token, ntlmAlways); n.err != nil {
		return nil, n.err
	}
	return n.NTLMInitiator.AcceptSecContext(token)
}

// An ntlmFactory makes go-msrpc's NTLM safe: a weak challenge is not answered, and
// the signature of a sealed reply is compared, which UnwrapEx of the library only
// computes. RC4 is malleable, so without it whoever is in between could write the
// replies.
type ntlmFactory struct{ ntlm.Mechanism }

// New returns the mechanism of a security context.
func (f ntlmFactory) New(ctx context.Context) (gssapi.Mechanism, error) {
	m, err := f.Mechanism.New(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := m.(*ntlm.Mechanism)
	if !ok {
		return nil, errors.New("not the NTLM mechanism")
	}
	return &ntlmMechanism{inner}, nil
}

type ntlmMechanism struct{ *ntlm.Mechanism }

// Init answers a challenge.
func (m *ntlmMechanism) Init(ctx context.Context, t *gssapi.Token) (*gssapi.Token, error) {
	if t.Payload != nil {
		if err := checkChallenge(t.Payload, ntlmAlways|ntlmSign|ntlmSeal); err != nil {
			return nil, gssapi.ContextError(ctx, gssapi.DefectiveToken, err)
		}
	}
	return m.Mechanism.Init(ctx, t)
}

// UnwrapEx opens a sealed reply, and compares its signature.
func (m *ntlmMechanism) UnwrapEx(ctx context.Context, t *gssapi.MessageTokenEx) (*gssapi.MessageTokenEx, error) {
	said := bytes.Clone(t.Signature)
	opened, err := m.Mechanism.UnwrapEx(ctx, t)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(said, opened.Signature) {
		return nil, gssapi.ContextError(ctx, gssapi.BadMIC, gssapi.ErrBadMIC)
	}
	return opened, nil
}
