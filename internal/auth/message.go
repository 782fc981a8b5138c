package auth

import (
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// weak is the one cipher beside AES that is ever used, where the directory leaves no choice.
const weak = etypeID.RC4_HMAC

// strong returns the ciphers of AES, the one that every directory has first.
func strong() []int32 {
	return []int32{
		etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA1_96,
		etypeID.AES256_CTS_HMAC_SHA384_192, etypeID.AES128_CTS_HMAC_SHA256_128,
	}
}

// guarded runs a decoder or cipher of a library on what a KDC or a file made up.
// A panic in it becomes an error.
func guarded(decode func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = ErrGarbled
		}
	}()
	return decode()
}

// The first bytes of what a KDC may answer: application tags 11, 13 and 30.
const (
	tagASRep    = 0x6b
	tagTGSRep   = 0x6d
	tagKRBError = 0x7e
)

// decodeReply decodes an answer of the asked kind, or an error message.
func decodeReply(b []byte, tag byte) (*messages.KDCRepFields, *messages.KRBError, error) {
	if len(b) == 0 {
		return nil, nil, ErrGarbled
	}
	var reply *messages.KDCRepFields
	var refusal *messages.KRBError
	err := guarded(func() error {
		switch {
		case b[0] == tagKRBError:
			refusal = new(messages.KRBError)
			return refusal.Unmarshal(b)
		case b[0] == tagASRep && tag == tagASRep:
			var m messages.ASRep
			err := m.Unmarshal(b)
			reply = &m.KDCRepFields
			return err
		case b[0] == tagTGSRep && tag == tagTGSRep:
			var m messages.TGSRep
			err := m.Unmarshal(b)
			reply = &m.KDCRepFields
			return err
		}
		return ErrGarbled
	})
	if err != nil {
		return nil, nil, ErrGarbled
	}
	return reply, refusal, nil
}

// decrypt decrypts the part of a reply that tells its session key.
func decrypt(reply *messages.KDCRepFields, key types.EncryptionKey, usage uint32) (part messages.EncKDCRepPart, err error) {
	var plain []byte
	err = guarded(func() error {
		var err error
		plain, err = crypto.DecryptEncPart(reply.EncPart, key, usage)
		return err
	})
	if err != nil {
		return part, errUndeciphered
	}
	if guarded(func() error { return part.Unmarshal(plain) }) != nil {
		return part, ErrGarbled
	}
	return part, nil
}

var errUndeciphered = errors.New("the answer is not encrypted by this key")

// isKey reports whether a key is one that the ciphers take.
func isKey(key types.EncryptionKey) bool {
	size, ok := map[int32]int{ // gokrb5's own answer for the third is wrong: 24
		etypeID.AES256_CTS_HMAC_SHA1_96: 32, etypeID.AES128_CTS_HMAC_SHA1_96: 16,
		etypeID.AES256_CTS_HMAC_SHA384_192: 32, etypeID.AES128_CTS_HMAC_SHA256_128: 16,
		weak: 16,
	}[key.KeyType]
	return ok && len(key.KeyValue) == size
}

func isStrong(etype int32) bool { return slices.Contains(strong(), etype) }

// sameName compares names as a directory does, without case.
func sameName(a, b types.PrincipalName) bool {
	return strings.EqualFold(a.PrincipalNameString(), b.PrincipalNameString())
}

// ntStatus is the NTSTATUS that Windows and Samba put into an error's data, or 0:
// [MS-KILE] 2.2.2 in one of the three wrappings that are seen of it.
func ntStatus(edata []byte) uint32 {
	var found []byte
	_ = guarded(func() error { // no such data is no mistake
		var list types.PADataSequence
		if list.Unmarshal(edata) == nil {
			for _, pa := range list {
				if pa.PADataType == patype.PA_PW_SALT {
					found = pa.PADataValue
				}
			}
		}
		var typed types.TypedDataSequence
		if typed.Unmarshal(edata) == nil {
			for _, data := range typed {
				if data.DataType == patype.PA_PW_SALT {
					found = data.DataValue
				}
			}
		}
		var one types.PAData
		if one.Unmarshal(edata) == nil && one.PADataType == patype.PA_PW_SALT {
			found = one.PADataValue
		}
		return nil
	})
	const extended = 12 // KERB_EXT_ERROR: status, reserved, flags
	if len(found) != extended {
		return 0
	}
	return binary.LittleEndian.Uint32(found)
}

// marshalTimestamp is the plain text of a PA-ENC-TIMESTAMP, RFC 4120 section 5.2.7.2.
func marshalTimestamp(t types.PAEncTSEnc) ([]byte, error) { return asn1.Marshal(t) }
