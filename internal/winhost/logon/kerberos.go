package logon

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	maxSkew = 5 * time.Minute

	// The checksum of an authenticator, RFC 4121 section 4.1.1.
	checksumLen   = 24
	checksumFlags = 20
	dceStyle      = 0x1000 // [MS-KILE] section 3.1.5.2: three messages, none framed

	tokenAPReq = "\x01\x00" // RFC 4121 section 4.1
	tokenAPRep = "\x02\x00"
	oidKRB5    = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
	minCipher  = 28 // of a confounder and a checksum
)

// A kerberos accepts an AP exchange, RFC 4120 section 3.2, for the host's services.
type kerberos struct {
	host   *Host
	user   string
	key    types.EncryptionKey // of the ticket
	subkey types.EncryptionKey // the host's, which protects all that follows
	cipher etype.EType
	began  bool

	in, out uint64 // sequence numbers
}

func (k *kerberos) User() string       { return k.user }
func (k *kerberos) SessionKey() []byte { return k.subkey.KeyValue[:16] }

// Accept takes an AP-REQ, and in DCE style then the client's AP-REP.
func (k *kerberos) Accept(token []byte) ([]byte, bool, error) {
	if k.began {
		return nil, true, k.confirm(token)
	}
	request := token
	if inner, err := unframed(token); err == nil { // impacket frames it in DCE style too
		if !bytes.HasPrefix(inner, []byte(tokenAPReq)) {
			return nil, false, ErrToken
		}
		request = inner[len(tokenAPReq):]
	}
	var req messages.APReq
	if err := req.Unmarshal(request); err != nil {
		return nil, false, ErrToken
	}
	gss, err := k.verify(&req)
	if err != nil {
		return nil, false, err
	}
	answer, err := k.answer(&req)
	if err != nil || gss&dceStyle != 0 {
		return answer, false, err
	}
	frame := asn1.RawValue{Class: asn1.ClassApplication, IsCompound: true, Bytes: append([]byte(oidKRB5+tokenAPRep), answer...)}
	framed, err := asn1.Marshal(frame)
	return framed, err == nil, err
}

// verify looks at an AP-REQ: that the ticket is for this host, valid, and its
// client's, who asks for the host's proof. It returns the flags of RFC 4121 section
// 4.1.1.1.
func (k *kerberos) verify(req *messages.APReq) (gss uint32, err error) {
	if err := k.decrypt(&req.Ticket); err != nil {
		return 0, err
	}
	part := req.Ticket.DecryptedEncPart
	if !aes(part.Key.KeyType) || len(req.EncryptedAuthenticator.Cipher) < minCipher {
		return 0, ErrNoTicket
	}
	if err := req.DecryptAuthenticator(part.Key); err != nil {
		return 0, ErrNoTicket
	}
	a, now := req.Authenticator, time.Now()
	switch sum := a.Cksum.Checksum; {
	case now.Before(part.StartTime.Add(-maxSkew)) || now.After(part.EndTime.Add(maxSkew)):
		return 0, ErrNoTicket
	case now.Sub(a.CTime).Abs() > maxSkew:
		return 0, ErrNoTicket
	case !a.CName.Equal(part.CName) || a.CRealm != part.CRealm || len(part.CName.NameString) == 0:
		return 0, ErrNoTicket
	case !types.IsFlagSet(&req.APOptions, flags.APOptionMutualRequired):
		return 0, ErrNoTicket
	case len(sum) < checksumLen:
		return 0, ErrNoTicket
	default:
		gss = le32(sum, checksumFlags)
	}
	k.key, k.user = part.Key, part.CName.NameString[0]
	k.in = uint64(a.SeqNumber)
	return gss, nil
}

// decrypt decrypts a ticket for one of the host's services. That the host has the key
// is not enough: machines may share one.
func (k *kerberos) decrypt(t *messages.Ticket) error {
	name := t.SName.NameString
	if len(name) < 2 || !slices.ContainsFunc(k.host.Names, func(n string) bool { return strings.EqualFold(n, name[1]) }) {
		return ErrNoTicket
	}
	for _, key := range k.host.Keys {
		if key.etype != t.EncPart.EType || len(t.EncPart.Cipher) < minCipher {
			continue
		}
		if t.Decrypt(types.EncryptionKey{KeyType: key.etype, KeyValue: key.value}) == nil {
			return nil
		}
	}
	return ErrNoTicket
}

// answer returns the AP-REP, with a key of the host's choice. The client's time is
// given back, RFC 4120 section 3.2.4.
func (k *kerberos) answer(req *messages.APReq) (answer []byte, err error) {
	if k.cipher, err = crypto.GetEtype(k.key.KeyType); err != nil {
		return nil, err
	}
	if k.subkey, err = types.GenerateEncryptionKey(k.cipher); err != nil {
		return nil, err
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // which does not fail
	k.out = uint64(binary.BigEndian.Uint32(random[:]) >> 2)
	part, err := asn1.MarshalWithParams(messages.EncAPRepPart{
		CTime: req.Authenticator.CTime, Cusec: req.Authenticator.Cusec, Subkey: k.subkey, SequenceNumber: int64(k.out),
	}, "application,explicit,tag:27")
	if err != nil {
		return nil, err
	}
	sealed, err := crypto.GetEncryptedData(part, k.key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	k.began = true
	return asn1.MarshalWithParams(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed}, "application,explicit,tag:15")
}

// confirm looks at the client's AP-REP, which gives back the host's sequence number.
func (k *kerberos) confirm(token []byte) error {
	var rep messages.APRep
	if err := rep.Unmarshal(token); err != nil || len(rep.EncPart.Cipher) < minCipher {
		return ErrToken
	}
	plain, err := crypto.DecryptEncPart(rep.EncPart, k.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return ErrNoTicket
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil || uint64(part.SequenceNumber) != k.out {
		return ErrNoTicket
	}
	return nil
}

func aes(id int32) bool {
	return id == etypeID.AES128_CTS_HMAC_SHA1_96 || id == etypeID.AES256_CTS_HMAC_SHA1_96
}
