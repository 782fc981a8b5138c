package logon

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // NTLM is made of it
	"crypto/rc4" //nolint:gosec // NTLM is made of it
	"encoding/binary"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/crypto"
)

// NTLMSignature begins every message of NTLM's.
const NTLMSignature = "NTLMSSP\x00"

// Sizes and places of an AUTHENTICATE_MESSAGE, [MS-NLMP] section 2.2.1.3.
const (
	ntField        = 20 // of each field: length, maximum, place
	domainField    = 28
	userField      = 36
	keyField       = 52
	flagsPlace     = 60
	micPlace       = 72
	ntlmKeyLen     = 16
	proofLen       = 16
	clientFixedLen = 28 // of an NTLMv2_CLIENT_CHALLENGE, before its AV_PAIRs

	grantedPlace = 20 // in a CHALLENGE: the flags, and then the random number
	noncePlace   = 24
	nonceLen     = 8

	avFlags = 6 // MsvAvFlags
	avMIC   = 2 // there is a MIC
)

// Flags of a negotiation, section 2.2.2.5.
const (
	flagUnicode     = 0x00000001
	flagSign        = 0x00000010
	flagSeal        = 0x00000020
	flagExtended    = 0x00080000 // extended session security
	flag128         = 0x20000000
	flagKeyExchange = 0x40000000

	// neededFlags are those without which Windows, as it is today, lets nobody in.
	neededFlags = flagUnicode | flagExtended | flag128
)

// An ntlm accepts NTLMv2 with extended session security of 128 bits, as all of
// Windows has it.
type ntlm struct {
	host                 *Host
	negotiate, challenge []byte
	user                 string
	flags                uint32 // that both sides have agreed on
	key                  []byte // ExportedSessionKey
	in, out              direction
}

// A direction is what protects the messages one way.
type direction struct {
	signKey []byte
	sealing *rc4.Cipher
	seq     uint32
}

func (n *ntlm) User() string               { return n.user }
func (n *ntlm) SessionKey() []byte         { return n.key }
func (*ntlm) SignatureLen(bool) int        { return 16 }
func le32(b []byte, at int) uint32         { return binary.LittleEndian.Uint32(b[at:]) }
func appendLE32(b []byte, n uint32) []byte { return binary.LittleEndian.AppendUint32(b, n) }

// Accept takes a NEGOTIATE, and then an AUTHENTICATE.
func (n *ntlm) Accept(token []byte) ([]byte, bool, error) {
	if len(token) < 16 || string(token[:8]) != NTLMSignature {
		return nil, false, ErrToken
	}
	switch kind := le32(token, 8); {
	case kind == 1 && n.challenge == nil:
		n.negotiate, n.challenge = bytes.Clone(token), n.host.Challenge(token)
		return n.challenge, false, nil
	case kind == 3 && n.challenge != nil && n.key == nil:
		err := n.host.judged(n.authenticate(token))
		return nil, err == nil, err
	}
	return nil, false, ErrToken
}

// authenticate verifies an AUTHENTICATE, [MS-NLMP] section 3.2.5.1.2, with the
// NTLMv2 of section 3.3.2.
func (n *ntlm) authenticate(m []byte) error {
	if len(m) < flagsPlace+4 {
		return ErrToken
	}
	response, domain, user := ntlmField(m, ntField), ntlmField(m, domainField), ntlmField(m, userField)
	n.user, n.flags = FromUTF16(user), le32(m, flagsPlace)&le32(n.challenge, grantedPlace)
	if n.flags&neededFlags != neededFlags {
		return ErrToken
	}
	password, known := n.host.Password(n.user)
	if !known || !n.host.isDomain(FromUTF16(domain)) || len(response) < proofLen+clientFixedLen { // anonymous, or NTLMv1
		return ErrRefused
	}
	// The NT hash is also the key of RC4-HMAC, RFC 4757 section 2.
	hash, err := crypto.RC4HMAC{}.StringToKey(password, "", "")
	if err != nil {
		return ErrRefused
	}
	owf := keyed(hash, ToUTF16(strings.ToUpper(n.user)), domain)
	proof := keyed(owf, n.challenge[noncePlace:noncePlace+nonceLen], response[proofLen:])
	if !hmac.Equal(proof, response[:proofLen]) {
		return ErrRefused
	}
	key := keyed(owf, proof)
	if n.flags&flagKeyExchange != 0 {
		if key, err = exchanged(key, ntlmField(m, keyField)); err != nil {
			return err
		}
	}
	if announcesMIC(response[proofLen+clientFixedLen:]) {
		if len(m) < micPlace+16 {
			return ErrToken
		}
		blank := bytes.Clone(m)
		clear(blank[micPlace : micPlace+16])
		if !hmac.Equal(keyed(key, n.negotiate, n.challenge, blank), m[micPlace:micPlace+16]) {
			return ErrSignature
		}
	}
	n.key = key
	n.restart()
	return nil
}

// isDomain reports whether the host knows the accounts of a domain.
func (h *Host) isDomain(name string) bool {
	return slices.ContainsFunc(h.Domains, func(d string) bool { return strings.EqualFold(d, name) })
}

// exchanged decrypts the session key that the client chose.
func exchanged(key, encrypted []byte) ([]byte, error) {
	if len(encrypted) != ntlmKeyLen {
		return nil, ErrToken
	}
	c, err := rc4.NewCipher(key) //nolint:gosec // NTLM is made of it
	if err != nil {
		return nil, err
	}
	chosen := make([]byte, ntlmKeyLen)
	c.XORKeyStream(chosen, encrypted)
	return chosen, nil
}

// announcesMIC reports whether AV_PAIRs, section 2.2.2.1, say that there is a MIC.
func announcesMIC(pairs []byte) bool {
	for len(pairs) >= 4 {
		id, length := binary.LittleEndian.Uint16(pairs), int(binary.LittleEndian.Uint16(pairs[2:]))
		if id == 0 || length > len(pairs)-4 {
			break
		}
		if id == avFlags && length == 4 {
			return le32(pairs, 4)&avMIC != 0
		}
		pairs = pairs[4+length:]
	}
	return false
}

// restart begins the cipher streams anew, as SPNEGO does after its own signatures;
// the messages are counted on.
func (n *ntlm) restart() {
	derive := func(text string) []byte {
		sum := md5.Sum(append(bytes.Clone(n.key), text+"\x00"...)) //nolint:gosec // NTLM is made of it
		return sum[:]
	}
	n.in.signKey = derive("session key to client-to-server signing key magic constant")
	n.out.signKey = derive("session key to server-to-client signing key magic constant")
	// Sixteen bytes are a key of RC4's.
	n.in.sealing, _ = rc4.NewCipher(derive("session key to client-to-server sealing key magic constant"))  //nolint:gosec // NTLM is made of it
	n.out.sealing, _ = rc4.NewCipher(derive("session key to server-to-client sealing key magic constant")) //nolint:gosec // NTLM is made of it
}

// agreed returns an error where both sides have not agreed on what protects a message.
func (n *ntlm) agreed(m Message) error {
	if m.Sealed && n.flags&flagSeal == 0 || n.flags&(flagSign|flagSeal) == 0 {
		return ErrNotAgreed
	}
	return nil
}

// Protect signs a message; NTLM always covers all of it.
func (n *ntlm) Protect(m Message) ([]byte, error) {
	if err := n.agreed(m); err != nil {
		return nil, err
	}
	sum := n.out.sum(m)
	if m.Sealed {
		n.out.sealing.XORKeyStream(m.Body, m.Body)
	}
	return n.signature(&n.out, sum), nil
}

// Open unseals and verifies a message.
func (n *ntlm) Open(m Message, signature []byte) error {
	if err := n.agreed(m); err != nil {
		return err
	}
	if m.Sealed {
		n.in.sealing.XORKeyStream(m.Body, m.Body)
	}
	if !hmac.Equal(n.signature(&n.in, n.in.sum(m)), signature) {
		return ErrSignature
	}
	return nil
}

func (d *direction) sum(m Message) []byte {
	return keyed(d.signKey, appendLE32(nil, d.seq), m.Header, m.Body, m.Trailer)
}

// signature is an NTLMSSP_MESSAGE_SIGNATURE, section 2.2.2.9.2.
func (n *ntlm) signature(d *direction, sum []byte) []byte {
	checksum := bytes.Clone(sum[:8])
	if n.flags&flagKeyExchange != 0 {
		d.sealing.XORKeyStream(checksum, checksum)
	}
	s := appendLE32(append([]byte{1, 0, 0, 0}, checksum...), d.seq)
	d.seq++
	return s
}

// ntlmField returns a field of a message, nil where it leads out of it.
func ntlmField(m []byte, at int) []byte {
	length, place := int(binary.LittleEndian.Uint16(m[at:])), int(le32(m, at+4))
	if place > len(m) || length > len(m)-place {
		return nil
	}
	return m[place : place+length]
}

func keyed(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}
