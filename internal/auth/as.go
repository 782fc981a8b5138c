package auth

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"golang.org/x/crypto/md4" //nolint:gosec,staticcheck // RFC 4757 makes keys by it
)

const (
	// lifetime is for how long a ticket is asked for; the KDC gives what it wants.
	lifetime = 10 * time.Hour
	// maxSkew is what Kerberos allows of difference between clocks.
	maxSkew = 5 * time.Minute
	// What a KDC may say, unproved, of how a key is made of a password. More rounds
	// would only cost this machine time, fewer would make guessing cheap.
	maxHints             = 16
	maxSalt              = 512
	minRounds, maxRounds = 4096, 1 << 17
)

// A proof is what came of the one AS exchange: a ticket-granting ticket, or why
// there is none.
type proof struct {
	ticket *Ticket
	err    error
}

// Verify proves the credential by one AS exchange, the only one of a run: what
// came of it is told again to who asks again. A ccache is proved by the first
// ticket instead; Verify looks whether its ticket-granting ticket is valid still.
// Windows' logon session is proved by verifySession.
// A *KDCError tells what a KDC said.
func (c *Credential) Verify(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-c.inForce.Done():
	}
	if p := c.known(); p != nil {
		return p.err
	}
	if c.inForce.Err() != nil {
		return ErrStopped
	}
	switch {
	case c.session != nil:
		return c.verifySession(ctx)
	case c.secret.open().tickets != nil:
		return c.verifyTickets()
	}
	ticket, final, err := c.logOn(ctx)
	if err == nil || final {
		c.mu.Lock()
		c.verified = &proof{ticket: ticket, err: err}
		c.mu.Unlock()
	}
	return err
}

func (c *Credential) known() *proof {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verified
}

// logOn asks for the ticket-granting ticket. final is reported where it must not
// be asked for again in this run: a KDC decided, or has seen proof of the secret.
func (c *Credential) logOn(ctx context.Context) (ticket *Ticket, final bool, err error) {
	kdcs, err := c.kdcs(ctx)
	if err != nil {
		return nil, errors.Is(err, ErrNoKDC), err
	}
	c.as.Add(1)
	offer := c.offer()
	for {
		q, err := c.newQuestion(offer)
		if err != nil {
			return nil, false, err
		}
		reply, refusal, kdc, err := c.ask(ctx, kdcs, q.message, tagASRep)
		if err != nil {
			return nil, false, err
		}
		if reply != nil { // an account that need not prove itself
			ticket, err := c.accept(q, reply, kdc, nil)
			return ticket, true, err
		}
		hint, wantsWeak := chooseHint(refusal, offer)
		switch {
		case hint != nil:
			ticket, err := c.prove(ctx, kdc, offer, *hint)
			return ticket, true, err
		case wantsWeak && !slices.Contains(offer, weak) && c.has(weak):
			offer = append(offer, weak) // once: then it is among them
		default:
			return nil, true, c.refusal(kdc, "", refusal)
		}
	}
}

// offer is which ciphers the account is asked for by: AES, or of a keytab those that it has.
func (c *Credential) offer() []int32 {
	keys := c.secret.open().keys
	if keys == nil {
		return strong()
	}
	var has []int32
	for _, key := range keys {
		if isStrong(key.KeyType) {
			has = append(has, key.KeyType)
		}
	}
	if has == nil {
		return []int32{weak}
	}
	return has
}

// has reports whether there is, or can be made, a key of a cipher.
func (c *Credential) has(etype int32) bool {
	m := c.secret.open()
	return m.password != "" || slices.ContainsFunc(m.keys, func(k types.EncryptionKey) bool { return k.KeyType == etype })
}

// prove sends the proof of the secret, a timestamp, to the KDC that asked for it,
// and to no other: each that sees a wrong one may count it. So what is answered
// to it, or not, stops the credential too unless it shows that the proof was right.
func (c *Credential) prove(ctx context.Context, kdc string, offer []int32, h hint) (*Ticket, error) {
	key, err := c.key(h)
	if err != nil {
		return nil, garbled(kdc)
	}
	now := c.now().UTC()
	plain, err := marshalTimestamp(types.PAEncTSEnc{PATimestamp: now, PAUSec: now.Nanosecond() / 1000})
	if err != nil {
		return nil, err
	}
	stamp, err := crypto.GetEncryptedData(plain, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, 0)
	if err != nil {
		return nil, err
	}
	value, err := stamp.Marshal()
	if err != nil {
		return nil, err
	}
	q, err := c.newQuestion(offer, types.PAData{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value})
	if err != nil {
		return nil, err
	}
	before := c.requests.Load() // no other message is sent before this one is answered
	ticket, err := c.answerTo(ctx, q, kdc, &key)
	if said, ok := errors.AsType[*KDCError](err); ok && c.requests.Load() > before {
		c.heed(said)
	}
	return ticket, err // a caller that left is told so again: a KDC may have seen the proof
}

// answerTo sends a request with the proof in it, and returns the ticket.
func (c *Credential) answerTo(ctx context.Context, q *question, kdc string, key *types.EncryptionKey) (*Ticket, error) {
	reply, refusal, from, err := c.ask(ctx, []string{kdc}, q.message, tagASRep)
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, c.refusal(from, "", refusal)
	}
	return c.accept(q, reply, from, key)
}

// A question is a request and what its answer must match.
type question struct {
	message []byte
	nonce   int
	service types.PrincipalName
	etypes  []int32
}

// newQuestion makes an AS-REQ, RFC 4120 section 5.4.1.
func (c *Credential) newQuestion(etypes []int32, proof ...types.PAData) (*question, error) {
	realm := c.account.realm
	krbtgt := types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"krbtgt", realm}}
	q := &question{nonce: newNonce(), service: krbtgt, etypes: etypes}
	m := messages.ASReq{KDCReqFields: messages.KDCReqFields{
		PVNO: iana.PVNO, MsgType: msgtype.KRB_AS_REQ, PAData: proof,
		ReqBody: messages.KDCReqBody{
			KDCOptions: types.NewKrbFlags(), Realm: realm, CName: c.account.principal(), SName: krbtgt,
			Till: c.now().UTC().Add(lifetime), Nonce: q.nonce, EType: etypes,
		},
	}}
	var err error
	q.message, err = m.Marshal()
	return q, err
}

// newNonce is positive, and fits the 32 bits that KDCs allow it.
func newNonce() int {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return int(binary.BigEndian.Uint32(b[:]) >> 1)
}

// ask sends a message and decodes the answer: a reply, or a KDC's error message.
func (c *Credential) ask(ctx context.Context, kdcs []string, message []byte, tag byte) (*messages.KDCRepFields, *messages.KRBError, string, error) {
	b, kdc, err := c.exchange(ctx, kdcs, message)
	if err != nil {
		return nil, nil, "", err
	}
	reply, refusal, err := decodeReply(b, tag)
	if err != nil {
		return nil, nil, kdc, garbled(kdc)
	}
	return reply, refusal, kdc, nil
}

// A hint tells how a key is made of a password.
type hint struct {
	etype  int32
	salt   string
	params string // in hexadecimal; empty for the default
}

// chooseHint returns how to prove the secret by a cipher that was offered, the
// best of those that the KDC names. wantsWeak is reported where it names none of
// them but RC4, or none at all: Samba keeps silent about what was not offered.
func chooseHint(refusal *messages.KRBError, offer []int32) (chosen *hint, wantsWeak bool) {
	if refusal.ErrorCode == errorcode.KDC_ERR_ETYPE_NOSUPP {
		return nil, true
	}
	if refusal.ErrorCode != errorcode.KDC_ERR_PREAUTH_REQUIRED {
		return nil, false
	}
	var list types.PADataSequence
	if guarded(func() error { return list.Unmarshal(refusal.EData) }) != nil {
		return nil, false
	}
	hints := decodeHints(list)
	for _, etype := range offer {
		for _, h := range hints {
			if h.etype == etype {
				return &h, false
			}
		}
	}
	return nil, len(hints) == 0 || slices.ContainsFunc(hints, func(h hint) bool { return h.etype == weak })
}

// decodeHints returns what an ETYPE-INFO2 says, RFC 4120 section 5.2.7.5, of the
// ciphers that we know and within our bounds.
func decodeHints(list []types.PAData) []hint {
	var hints []hint
	for _, pa := range list {
		if pa.PADataType != patype.PA_ETYPE_INFO2 {
			continue
		}
		var entries types.ETypeInfo2
		if guarded(func() error { return entries.Unmarshal(pa.PADataValue) }) != nil {
			continue
		}
		for _, e := range entries[:min(len(entries), maxHints)] {
			if (e.EType != weak && !isStrong(e.EType)) || len(e.Salt) > maxSalt {
				continue
			}
			h := hint{etype: e.EType, salt: e.Salt}
			if len(e.S2KParams) > 0 && e.EType != weak {
				if len(e.S2KParams) != 4 {
					continue
				}
				if n := binary.BigEndian.Uint32(e.S2KParams); n < minRounds || n > maxRounds {
					continue
				}
				h.params = hex.EncodeToString(e.S2KParams)
			}
			hints = append(hints, h)
		}
	}
	return hints
}

// key returns the account's key of a cipher.
func (c *Credential) key(h hint) (types.EncryptionKey, error) {
	m := c.secret.open()
	for _, key := range m.keys {
		if key.KeyType == h.etype {
			return key, nil
		}
	}
	if m.password == "" {
		return types.EncryptionKey{}, ErrGarbled
	}
	if h.etype == weak {
		return types.EncryptionKey{KeyType: weak, KeyValue: ntHash(m.password)}, nil
	}
	cipher, err := crypto.GetEtype(h.etype)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	salt, params := h.salt, h.params
	if salt == "" {
		salt = c.account.principal().GetSalt(c.account.realm)
	}
	if params == "" {
		params = cipher.GetDefaultStringToKeyParams()
	}
	value, err := cipher.StringToKey(m.password, salt, params)
	return types.EncryptionKey{KeyType: h.etype, KeyValue: value}, err
}

// ntHash is the RC4 key of a password, RFC 4757 section 2: MD4 of its UTF-16, without
// salt. gokrb5's own is wrong for passwords that are not ASCII.
func ntHash(password string) []byte {
	var units []byte
	for _, unit := range utf16.Encode([]rune(password)) {
		units = binary.LittleEndian.AppendUint16(units, unit)
	}
	sum := md4.New() //nolint:gosec // no other will do
	sum.Write(units)
	return sum.Sum(nil)
}

// accept verifies an AS-REP, RFC 4120 section 3.1.5, and returns its ticket.
// proved is the key that the KDC has taken for proof, or nil.
func (c *Credential) accept(q *question, reply *messages.KDCRepFields, kdc string, proved *types.EncryptionKey) (*Ticket, error) {
	if reply.CRealm != c.account.realm {
		return nil, &KDCError{KDC: kdc, Err: ErrOtherRealm, Text: fmt.Sprintf(
			"The KDC answers for realm %s, not for %s; that is not followed.", sayName(reply.CRealm), c.account.realm)}
	}
	if !slices.Contains(q.etypes, reply.EncPart.EType) || !sameName(reply.CName, c.account.principal()) {
		return nil, garbled(kdc)
	}
	var key types.EncryptionKey
	if proved != nil && proved.KeyType == reply.EncPart.EType {
		key = *proved
	} else {
		h := hint{etype: reply.EncPart.EType}
		for _, other := range decodeHints(reply.PAData) {
			if other.etype == h.etype {
				h = other
				break
			}
		}
		var err error
		if key, err = c.key(h); err != nil {
			return nil, garbled(kdc)
		}
	}
	part, err := decrypt(reply, key, keyusage.AS_REP_ENCPART)
	if err != nil {
		if errors.Is(err, errUndeciphered) && proved == nil {
			return nil, c.undeciphered(kdc)
		}
		return nil, garbled(kdc)
	}
	return c.ticketOf(q, reply, part, kdc)
}

// ticketOf verifies what is common to both replies.
func (c *Credential) ticketOf(q *question, reply *messages.KDCRepFields, part messages.EncKDCRepPart, kdc string) (*Ticket, error) {
	now := c.now()
	realm := c.account.realm
	isOurs := part.Nonce == q.nonce && sameName(part.SName, q.service) && sameName(reply.Ticket.SName, q.service) &&
		part.SRealm == realm && reply.Ticket.Realm == realm && isKey(part.Key) && slices.Contains(q.etypes, part.Key.KeyType)
	if !isOurs {
		return nil, garbled(kdc)
	}
	start := part.StartTime
	if start.IsZero() {
		start = part.AuthTime
	}
	if ahead := now.Sub(start); ahead < -maxSkew {
		return nil, &KDCError{KDC: kdc, Code: errorcode.KRB_AP_ERR_SKEW, Text: saySkew(ahead)}
	}
	if !part.EndTime.After(now) {
		return nil, &KDCError{KDC: kdc, Code: errorcode.KRB_AP_ERR_SKEW, Text: "The KDC's ticket has expired already: this machine's clock is ahead of the KDC's."}
	}
	return &Ticket{
		Service: strings.Join(q.service.NameString, "/"), Realm: reply.CRealm, Client: reply.CName,
		Ticket: reply.Ticket, Key: part.Key, Start: start, End: part.EndTime, KDC: kdc, stamp: new(stamp),
	}, nil
}
