package logon

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	maxSkew = 5 * time.Minute

	// The checksum of an authenticator, RFC 4121 section 4.1.1: how long the channel
	// bindings are, these, and the flags.
	checksumLen   = 24
	bindingsLen   = 16
	checksumFlags = 20

	tokenAPReq = "\x01\x00" // RFC 4121 section 4.1
	tokenAPRep = "\x02\x00"
	tokenError = "\x03\x00"
	oidKRB5    = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
	minCipher  = 28 // of a confounder and a checksum
)

// Flags of that checksum.
const (
	gssMutual = 0x0002
	gssConf   = 0x0010
	gssInteg  = 0x0020
	dceStyle  = 0x1000 // [MS-KILE] section 3.1.5.2: three messages, none framed
)

// An apError is a KRB-ERROR, by which a host answers what may be nobody's mistake: RFC
// 4120 section 3.2.3. It is an ErrNoTicket.
type apError int32

func (e apError) Error() string      { return errorcode.Lookup(int32(e)) }
func (apError) Is(target error) bool { return target == ErrNoTicket }

// A kerberos accepts an AP exchange, RFC 4120 section 3.2, for the host's services.
type kerberos struct {
	host   *Host
	user   string
	key    types.EncryptionKey // of the ticket
	subkey types.EncryptionKey // the host's, which protects all that follows
	cipher etype.EType
	gss    uint32 // flags of the client's
	bare   bool   // RPC's own, without SPNEGO around it
	began  bool
	over   bool // it has ended by a KRB-ERROR

	in, out uint64 // sequence numbers
}

func (k *kerberos) User() string       { return k.user }
func (k *kerberos) SessionKey() []byte { return k.subkey.KeyValue[:16] }

// Accept takes an AP-REQ, and in DCE style then the client's AP-REP. A KRB-ERROR is an
// answer like any other, as it is on Windows: the client is to learn the error, and
// nobody logs on any more.
func (k *kerberos) Accept(token []byte) ([]byte, bool, error) {
	switch {
	case k.over:
		return nil, false, ErrNoTicket
	case k.began:
		err := k.confirm(token)
		return nil, err == nil, err
	}
	request, framed := token, false
	if inner, err := unframed(token); err == nil { // impacket frames it in DCE style too
		if !bytes.HasPrefix(inner, []byte(tokenAPReq)) {
			return nil, false, ErrToken
		}
		request, framed = inner[len(tokenAPReq):], true
	}
	var req messages.APReq
	if err := req.Unmarshal(request); err != nil {
		return nil, false, ErrToken
	}
	err := k.host.judged(k.verify(&req))
	if failed, ok := errors.AsType[apError](err); ok {
		k.over = true
		answer, err := k.refuse(failed, &req)
		if err == nil && framed {
			answer, err = inFrame(tokenError, answer)
		}
		return answer, false, err
	}
	if err != nil {
		return nil, false, err
	}
	answer, err := k.answer(&req)
	if err != nil || k.gss&dceStyle != 0 {
		return answer, false, err
	}
	answer, err = inFrame(tokenAPRep, answer)
	return answer, err == nil, err
}

// inFrame puts a token into the frame of RFC 2743 section 3.1.
func inFrame(id string, token []byte) ([]byte, error) {
	return asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, IsCompound: true, Bytes: append([]byte(oidKRB5+id), token...)})
}

// refuse returns a KRB-ERROR, with the host's clock.
func (k *kerberos) refuse(code apError, req *messages.APReq) ([]byte, error) {
	e := messages.NewKRBError(req.Ticket.SName, req.Ticket.Realm, int32(code), "")
	now := k.host.now().UTC()
	e.STime, e.Susec = now, now.Nanosecond()/int(time.Microsecond)
	return e.Marshal()
}

// verify looks at an AP-REQ: that the ticket is for this host, valid, and its
// client's, who asks for the host's proof, and that it comes for the first time.
func (k *kerberos) verify(req *messages.APReq) error {
	if err := k.decrypt(&req.Ticket); err != nil {
		return err
	}
	part := req.Ticket.DecryptedEncPart
	if !aes(part.Key.KeyType) || len(req.EncryptedAuthenticator.Cipher) < minCipher {
		return ErrNoTicket
	}
	if err := req.DecryptAuthenticator(part.Key); err != nil {
		return ErrNoTicket
	}
	a, now := req.Authenticator, k.host.now()
	switch {
	case !a.CName.Equal(part.CName) || a.CRealm != part.CRealm || len(part.CName.NameString) == 0:
		return ErrNoTicket
	case now.Sub(a.CTime).Abs() > maxSkew:
		return apError(errorcode.KRB_AP_ERR_SKEW)
	case now.Before(part.StartTime.Add(-maxSkew)):
		return apError(errorcode.KRB_AP_ERR_TKT_NYV)
	case now.After(part.EndTime.Add(maxSkew)):
		return apError(errorcode.KRB_AP_ERR_TKT_EXPIRED)
	case !types.IsFlagSet(&req.APOptions, flags.APOptionMutualRequired):
		return ErrNoTicket
	}
	if err := k.flags(a.Cksum); err != nil {
		return err
	}
	if k.host.Replays.seen(req) {
		return apError(errorcode.KRB_AP_ERR_REPEAT)
	}
	k.key, k.user = part.Key, part.CName.NameString[0]
	k.in = uint64(a.SeqNumber)
	return nil
}

// flags takes the flags out of an authenticator's checksum, RFC 4121 section 4.1.1.1. A
// client of RPC's own Kerberos must want DCE style, [MS-KILE] section 3.4.5.1.
func (k *kerberos) flags(sum types.Checksum) error {
	if sum.CksumType != chksumtype.GSSAPI || len(sum.Checksum) < checksumLen || le32(sum.Checksum, 0) != bindingsLen {
		return ErrNoTicket
	}
	k.gss = le32(sum.Checksum, checksumFlags)
	if k.gss&gssMutual == 0 || k.bare && k.gss&dceStyle == 0 {
		return ErrNoTicket
	}
	return nil
}

// decrypt decrypts a ticket for one of the host's services. That the host has the key
// is not enough: machines may share one.
func (k *kerberos) decrypt(t *messages.Ticket) error {
	name := t.SName.NameString
	if len(name) < 2 || !slices.ContainsFunc(k.host.Names, func(n string) bool { return strings.EqualFold(n, name[1]) }) {
		return apError(errorcode.KRB_AP_ERR_NOT_US)
	}
	for _, key := range k.host.Keys {
		if key.etype != t.EncPart.EType || len(t.EncPart.Cipher) < minCipher {
			continue
		}
		if t.Decrypt(types.EncryptionKey{KeyType: key.etype, KeyValue: key.value}) == nil {
			return nil
		}
	}
	return apError(errorcode.KRB_AP_ERR_MODIFIED)
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
