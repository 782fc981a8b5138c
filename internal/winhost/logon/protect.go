package logon

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"slices"

	"github.com/jcmturner/gokrb5/v8/crypto/common"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
)

// The tokens of RFC 4121 section 4.2.6, with AES. In a PDU the sealed token is cut
// in two, [MS-KILE] section 3.4.5.4.1: the body stays in its place, and all else is
// the signature.
const (
	tokenHeaderLen = 16
	confounderLen  = 16
	checksumAES    = 12
	filler         = 16 // EC: what Windows has between body and header
	rotation       = 28 // RRC, which Windows counts without the filler

	sentByAcceptor = 0x01
	sealedToken    = 0x02
	acceptorSubkey = 0x04
)

// SignatureLen returns the length of a MIC token, or of all but the body of a
// Wrap token.
func (*kerberos) SignatureLen(sealed bool) int {
	if sealed {
		return tokenHeaderLen + filler + tokenHeaderLen + checksumAES + confounderLen
	}
	return tokenHeaderLen + checksumAES
}

// covered returns what a signature covers.
func (m Message) covered() []byte {
	if m.Whole {
		return slices.Concat(m.Header, m.Body, m.Trailer)
	}
	return m.Body
}

// agreed returns an error where the client has not asked for what protects a message.
func (k *kerberos) agreed(m Message) error {
	if m.Sealed && k.gss&gssConf == 0 || k.gss&gssInteg == 0 {
		return ErrNotAgreed
	}
	return nil
}

// Protect signs, or seals, a message.
func (k *kerberos) Protect(m Message) ([]byte, error) {
	if err := k.agreed(m); err != nil {
		return nil, err
	}
	seq := k.out
	k.out++
	if !m.Sealed {
		return k.mic(m, sentByAcceptor|acceptorSubkey, seq, keyusage.GSSAPI_ACCEPTOR_SIGN)
	}
	header := tokenHeader("\x05\x04", sentByAcceptor|sealedToken|acceptorSubkey, seq)
	binary.BigEndian.PutUint16(header[4:], filler)
	confounder := make([]byte, confounderLen)
	_, _ = rand.Read(confounder) // which does not fail
	between := bytes.Repeat([]byte{0xff}, filler)

	const usage = keyusage.GSSAPI_ACCEPTOR_SEAL
	checksum, err := common.GetIntegrityHash(slices.Concat(confounder, m.covered(), between, header), k.subkey.KeyValue, usage, k.cipher)
	if err != nil {
		return nil, err
	}
	key, err := k.cipher.DeriveKey(k.subkey.KeyValue, common.GetUsageKe(usage))
	if err != nil {
		return nil, err
	}
	_, sealed, err := k.cipher.EncryptData(key, slices.Concat(confounder, m.Body, between, header))
	if err != nil {
		return nil, err
	}
	copy(m.Body, sealed[confounderLen:])
	binary.BigEndian.PutUint16(header[6:], rotation)
	return slices.Concat(header, sealed[confounderLen+len(m.Body):], checksum, sealed[:confounderLen]), nil
}

// Open verifies, or unseals, a message.
func (k *kerberos) Open(m Message, signature []byte) error {
	if err := k.agreed(m); err != nil {
		return err
	}
	seq := k.in
	k.in++
	if !m.Sealed {
		want, err := k.mic(m, acceptorSubkey, seq, keyusage.GSSAPI_INITIATOR_SIGN)
		if err != nil || !hmac.Equal(want, signature) {
			return ErrSignature
		}
		return nil
	}
	if len(signature) < tokenHeaderLen {
		return ErrSignature
	}
	header := tokenHeader("\x05\x04", sealedToken|acceptorSubkey, seq)
	copy(header[4:6], signature[4:])
	extra, turned := int(binary.BigEndian.Uint16(signature[4:])), int(binary.BigEndian.Uint16(signature[6:]))
	if !bytes.Equal(header[:6], signature[:6]) || !bytes.Equal(header[8:], signature[8:tokenHeaderLen]) ||
		len(signature) != tokenHeaderLen+extra+tokenHeaderLen+checksumAES+confounderLen {
		return ErrSignature
	}
	whole := slices.Concat(signature[tokenHeaderLen:], m.Body)
	turn := (turned + extra) % len(whole)
	whole = slices.Concat(whole[turn:], whole[:turn])
	return k.unseal(m, header, whole, extra)
}

// unseal decrypts a token that stands in its own order: confounder, body, extra
// bytes, the token's header, and the checksum.
func (k *kerberos) unseal(m Message, header, whole []byte, extra int) error {
	const usage = keyusage.GSSAPI_INITIATOR_SEAL
	key, err := k.cipher.DeriveKey(k.subkey.KeyValue, common.GetUsageKe(usage))
	if err != nil {
		return err
	}
	sealed, checksum := whole[:len(whole)-checksumAES], whole[len(whole)-checksumAES:]
	plain, err := k.cipher.DecryptData(key, sealed)
	if err != nil {
		return ErrSignature
	}
	confounder, rest := plain[:confounderLen], plain[confounderLen:]
	copy(m.Body, rest)
	rest = rest[len(m.Body):]
	if !bytes.Equal(rest[extra:], header) {
		return ErrSignature
	}
	want, err := common.GetIntegrityHash(slices.Concat(confounder, m.covered(), rest), k.subkey.KeyValue, usage, k.cipher)
	if err != nil || !hmac.Equal(want, checksum) {
		return ErrSignature
	}
	return nil
}

// mic returns a MIC token.
func (k *kerberos) mic(m Message, flags byte, seq uint64, usage uint32) ([]byte, error) {
	header := tokenHeader("\x04\x04", flags, seq)
	binary.BigEndian.PutUint32(header[4:], 0xffffffff)
	checksum, err := k.cipher.GetChecksumHash(k.subkey.KeyValue, append(slices.Clone(m.covered()), header...), usage)
	return append(header, checksum...), err
}

func tokenHeader(id string, flags byte, seq uint64) []byte {
	h := make([]byte, tokenHeaderLen)
	copy(h, id)
	h[2], h[3] = flags, 0xff
	binary.BigEndian.PutUint64(h[8:], seq)
	return h
}
