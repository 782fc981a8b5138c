// Package logon is the host's side of a logon: NTLM, Kerberos, and SPNEGO, which
// chooses between them; and then what protects the messages of who has logged on.
// It is made for simulated hosts, whose accounts and keys protect nothing.
//
// Of libraries it has gokrb5's Kerberos messages and ciphers. The rest is written
// from the specifications, and not with the code of the clients that it meets.
package logon

import (
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"time"
	"unicode/utf16"
)

// A Host is what a logon needs to know of the machine where it happens. It is not
// changed once it is used.
type Host struct {
	// Names are those of the host in service principal names, in any case.
	Names []string
	// Challenge answers an NTLM NEGOTIATE by a CHALLENGE, [MS-NLMP] section 2.2.1.2.
	Challenge func(negotiate []byte) []byte
	// Password returns an account's. The name is as the client gave it.
	Password func(user string) (string, bool)
	// Domains are the names, in any case, of those whose accounts Password knows.
	Domains []string
	// NoNTLM turns NTLM off.
	NoNTLM bool
	// Keys decrypt tickets. Without any there is no Kerberos.
	Keys []Key
	// Clock is how far the host's clock is ahead of ours.
	Clock time.Duration
	// Replays are what all connections to the host have seen, nil where none is to be
	// recognized.
	Replays *Replays
	// Judged, if set, is told what came of each proof: of each AUTHENTICATE and AP-REQ.
	Judged func(error)
}

func (h *Host) now() time.Time { return time.Now().Add(h.Clock) }

func (h *Host) judged(err error) error {
	if h.Judged != nil {
		h.Judged(err)
	}
	return err
}

// The authentication types of a verifier, [MS-RPCE] section 2.2.1.1.7.
const (
	TypeSPNEGO   = 9
	TypeNTLM     = 10
	TypeKerberos = 16
)

// A Mechanism is a logon, and then the protection of messages. It is used by one
// goroutine.
type Mechanism interface {
	// Accept takes a token of the client's and returns the answer, nil where there
	// is none, and whether somebody has logged on.
	Accept(token []byte) (answer []byte, done bool, err error)
	// User returns who has logged on, as he calls himself, without a domain.
	User() string
	// SessionKey returns the 16 bytes from which SMB derives its own keys.
	SessionKey() []byte
	// SignatureLen returns how long the signature of a message is.
	SignatureLen(sealed bool) int
	// Protect returns the signature of a message to the client, and seals it in place.
	Protect(m Message) (signature []byte, err error)
	// Open verifies the signature of a message of the client's, and unseals it in place.
	Open(m Message, signature []byte) error
}

// A Message is a PDU in three parts, of which the body may be sealed.
type Message struct {
	Header, Body, Trailer []byte
	// Sealed: the body is encrypted; else all is only signed.
	Sealed bool
	// Whole: the signature covers header and trailer too, where the mechanism leaves
	// that to choose: PFC_SUPPORT_HEADER_SIGN, [MS-RPCE] section 2.2.2.3.
	Whole bool
}

// Errors of Accept and Open.
var (
	ErrRefused   = errors.New("logon refused") // STATUS_LOGON_FAILURE
	ErrBlocked   = errors.New("NTLM blocked")  // STATUS_NTLM_BLOCKED
	ErrToken     = errors.New("token not understood")
	ErrNoTicket  = errors.New("ticket not accepted")
	ErrSignature = errors.New("signature wrong")
	ErrNotAgreed = errors.New("protection that was not agreed on") // SEC_E_UNSUPPORTED_FUNCTION
	errNoMIC     = errors.New("mechListMIC missing")
)

// Begin begins a logon of an authentication type, nil where the host has none such.
func (h *Host) Begin(kind byte) Mechanism {
	switch {
	case kind == TypeSPNEGO:
		return &spnego{host: h}
	case kind == TypeNTLM && !h.NoNTLM:
		return &ntlm{host: h}
	case kind == TypeKerberos && len(h.Keys) > 0:
		return &kerberos{host: h, bare: true}
	}
	return nil
}

const oidNTLM = "1.3.6.1.4.1.311.2.2.10"

// byOID begins a logon of a mechanism of SPNEGO's, [MS-SPNG] section 1.9.
func (h *Host) byOID(oid asn1.ObjectIdentifier) Mechanism {
	switch oid.String() {
	case oidNTLM:
		return h.Begin(TypeNTLM)
	case "1.2.840.113554.1.2.2", "1.2.840.48018.1.2.2": // the second is Windows' own mistake
		if len(h.Keys) > 0 {
			return &kerberos{host: h}
		}
	}
	return nil
}

// ToUTF16 returns a text in UTF-16, little-endian, as Windows has it.
func ToUTF16(s string) (b []byte) {
	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// FromUTF16 returns the text in bytes of UTF-16, little-endian, but for an odd last byte.
func FromUTF16(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}
