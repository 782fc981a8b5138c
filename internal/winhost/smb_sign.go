package winhost

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"slices"
)

// A preauth is the preauthentication integrity hash of SMB 3.1.1, [MS-SMB2] section
// 3.3.5.4: of what was said before there was a key.
type preauth [sha512.Size]byte

func (p *preauth) add(message []byte) { *p = sha512.Sum512(append(p[:], message...)) }

// A signer returns the signature of a message whose own is zero.
type signer func(message []byte) []byte

const (
	signatureAt  = 48 // in the header
	signatureLen = 16
)

// newSigner returns the signer of a session, section 3.1.4.1. Dialects before 3.0 sign
// by the session's key itself; the others by a key that is derived from it, 3.1.1 also
// from all that was said before.
func newSigner(dialect uint16, key, said []byte) signer {
	switch {
	case dialect < 0x0300:
		return func(message []byte) []byte { return hmacSHA256(key, message)[:signatureLen] }
	case dialect < newestSMB:
		return newCMAC(derive(key, "SMB2AESCMAC\x00", []byte("SmbSign\x00")))
	}
	return newCMAC(derive(key, "SMBSigningKey\x00", said))
}

// sign puts the signature into a message.
func (s signer) sign(message []byte) {
	place := message[signatureAt : signatureAt+signatureLen]
	clear(place)
	copy(place, s(message))
}

// verifies reports whether a message has the right signature.
func (s signer) verifies(message []byte) bool {
	m := slices.Clone(message)
	s.sign(m)
	return hmac.Equal(m[signatureAt:signatureAt+signatureLen], message[signatureAt:signatureAt+signatureLen])
}

// derive is the KDF of section 3.1.4.2: NIST SP 800-108 in counter mode, of 128 bits.
func derive(key []byte, label string, context []byte) []byte {
	in := append([]byte{0, 0, 0, 1}, label...)
	in = append(append(in, 0), context...)
	return hmacSHA256(key, binary.BigEndian.AppendUint32(in, 128))[:16]
}

func hmacSHA256(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

// newCMAC returns AES-CMAC, RFC 4493.
func newCMAC(key []byte) signer {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil // a derived key is of 16 bytes
	}
	whole := doubled(encrypted(block, make([]byte, aes.BlockSize)))
	padded := doubled(whole)
	return func(message []byte) []byte {
		last := whole
		rest := len(message) % aes.BlockSize
		m := slices.Clone(message)
		if rest > 0 || len(message) == 0 {
			last = padded
			m = append(append(m, 0x80), make([]byte, aes.BlockSize-1-rest)...)
		}
		for i, b := range last {
			m[len(m)-aes.BlockSize+i] ^= b
		}
		sum := make([]byte, aes.BlockSize)
		for part := range slices.Chunk(m, aes.BlockSize) {
			for i, b := range part {
				sum[i] ^= b
			}
			sum = encrypted(block, sum)
		}
		return sum
	}
}

func encrypted(block cipher.Block, b []byte) []byte {
	out := make([]byte, aes.BlockSize)
	block.Encrypt(out, b)
	return out
}

// doubled returns a block times x in the field of RFC 4493 section 2.3.
func doubled(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] << 1
		if i+1 < len(b) {
			out[i] |= b[i+1] >> 7
		}
	}
	if b[0]&0x80 != 0 {
		out[len(out)-1] ^= 0x87
	}
	return out
}
