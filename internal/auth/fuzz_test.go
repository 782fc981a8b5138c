package auth

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// FuzzKDCReply gives what a KDC might answer to all that looks at answers.
func FuzzKDCReply(f *testing.F) {
	k := newFakeKDC(nil)
	name := types.PrincipalName{NameType: 1, NameString: []string{"alice"}}
	body := messages.KDCReqBody{SName: hostName("krbtgt/" + testRealm), EType: strong(), Nonce: 7}
	fields, part := k.ticket(body, name, []int32{aes256})
	key := krbtgtKey()
	k.seal(&fields, part, key, keyusage.AS_REP_ENCPART)
	fields.MsgType = 11
	fields.PAData = []types.PAData{{PADataType: 19, PADataValue: marshal(types.ETypeInfo2{{EType: aes256, Salt: "salt"}})}}
	as := messages.ASRep{KDCRepFields: fields}
	f.Add(must(as.Marshal()))
	k.seal(&fields, part, key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	fields.MsgType = 13
	tgs := messages.TGSRep{KDCRepFields: fields}
	f.Add(must(tgs.Marshal()))
	f.Add(k.error(25, marshal(types.PADataSequence{{PADataType: 19, PADataValue: marshal(types.ETypeInfo2{{EType: aes256, S2KParams: []byte{0, 0, 16, 0}}})}})))
	f.Add(k.error(18, marshal(types.PADataSequence{{PADataType: 3, PADataValue: extError(statusDisabled)}})))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, tag := range []byte{tagASRep, tagTGSRep} {
			reply, refusal, err := decodeReply(b, tag)
			if (reply != nil) == (refusal != nil) != (err != nil) {
				t.Fatal(reply, refusal, err)
			}
			c := credentialFor(t, "alice@corp.example", testPassword, nil)
			if refusal != nil {
				_ = c.refusal(firstKDC, "", refusal)
				chooseHint(refusal, strong())
			}
			if reply == nil {
				continue
			}
			decodeHints(reply.PAData)
			for _, usage := range []uint32{keyusage.AS_REP_ENCPART, keyusage.TGS_REP_ENCPART_SESSION_KEY} {
				for _, key := range []types.EncryptionKey{key, {KeyType: weak, KeyValue: make([]byte, 16)}, {KeyType: 19, KeyValue: make([]byte, 16)}} {
					part, err := decrypt(reply, key, usage)
					if err != nil {
						continue
					}
					q := &question{nonce: 7, service: body.SName, etypes: strong()}
					ticket, err := c.ticketOf(q, reply, part, firstKDC)
					if err == nil && (!isKey(ticket.Key) || ticket.Ticket.Realm != testRealm) {
						t.Fatal("taken")
					}
				}
			}
		}
		var part messages.EncKDCRepPart // what a KDC that has the key may say
		if guarded(func() error { return part.Unmarshal(b) }) == nil {
			_ = isKey(part.Key)
		}
	})
}

// FuzzFiles gives what may be in a file to all that reads files.
func FuzzFiles(f *testing.F) {
	f.Add([]byte(*cacheOf(f, newFakeKDC(nil), "krbtgt/CORP.EXAMPLE")))
	f.Add([]byte(aProfile))
	f.Add([]byte(wide(binary.LittleEndian, "geheim")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cache, err := decodeCCache(b); err == nil {
			for _, ticket := range cache.tickets {
				if !isKey(ticket.Key) {
					t.Fatal("a ticket without a key")
				}
			}
		}
		if password, err := decodePassword(b); err == nil && (password == "" || strings.ContainsAny(password, "\x00\r\n")) {
			t.Fatalf("%q", password)
		}
		p := profile{domains: make(map[string]string)}
		_ = p.read(strings.NewReader(string(b)))
		for _, r := range p.realms {
			p.realmOfHost(r.name)
			p.realmOfDomain(r.name, r.name)
		}
		_, _ = parseAccount(string(b), p)
	})
}
