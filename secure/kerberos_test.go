package secure

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	v8 "github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	v9 "github.com/oiweiwei/gokrb5.fork/v9/messages"
	v9types "github.com/oiweiwei/gokrb5.fork/v9/types"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/probe"
)

func key(b byte, n int) types.EncryptionKey {
	return types.EncryptionKey{KeyType: etypeID.AES256_CTS_HMAC_SHA1_96, KeyValue: bytes.Repeat([]byte{b}, n)}
}

// ticketFor is a ticket of which the host knows nothing but the session key.
func ticketFor(service string) *auth.Ticket {
	return &auth.Ticket{
		Service: service, Realm: "CORP.EXAMPLE", Client: types.NewPrincipalName(1, "admin"), Key: key(1, 32),
		Ticket: v8.Ticket{
			TktVNO: 5, Realm: "CORP.EXAMPLE", SName: types.NewPrincipalName(2, service),
			EncPart: types.EncryptedData{EType: etypeID.AES256_CTS_HMAC_SHA1_96, KVNO: 1, Cipher: []byte("sealed")},
		},
		KDC: "10.77.0.10:88",
	}
}

// sentBy returns what the host sees of a request.
func sentBy(t *testing.T, p *proof, flags uint32) types.Authenticator {
	t.Helper()
	req, err := p.request(flags)
	if err != nil {
		t.Fatal(err)
	}
	var seen v8.APReq
	if err := seen.Unmarshal(req); err != nil {
		t.Fatal(err)
	}
	if err := seen.DecryptAuthenticator(p.ticket.Key); err != nil {
		t.Fatal(err)
	}
	if !types.IsFlagSet(&seen.APOptions, 2) {
		t.Error("the host is not asked for its proof")
	}
	return seen.Authenticator
}

// answer is an AP-REP by the key, to this authenticator.
func answer(t *testing.T, by types.EncryptionKey, to types.Authenticator, subkey types.EncryptionKey) []byte {
	t.Helper()
	rep, err := v9.NewAPRep(v9types.EncryptionKey(by), v9.EncAPRepPart{CTime: to.CTime, Cusec: to.Cusec, Subkey: v9types.EncryptionKey(subkey), SequenceNumber: 7})
	if err != nil {
		t.Fatal(err)
	}
	b, err := rep.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func krbErrorOf(t *testing.T, code int32) []byte {
	t.Helper()
	e := v8.NewKRBError(types.NewPrincipalName(2, "cifs/ws-001"), "CORP.EXAMPLE", code, "")
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A host proves itself by an AP-REP that only the holder of the service's key can
// make, to this very request.
func TestProof(t *testing.T) {
	tests := []struct {
		name string
		says func(types.Authenticator) []byte
		want probe.Outcome
	}{
		{"it knows the key", func(a types.Authenticator) []byte { return answer(t, key(1, 32), a, key(2, 32)) }, probe.OK},
		{"another key", func(a types.Authenticator) []byte { return answer(t, key(9, 32), a, key(2, 32)) }, probe.WrongHost},
		{"an answer of yesterday", func(a types.Authenticator) []byte {
			a.CTime = a.CTime.Add(-24 * time.Hour)
			return answer(t, key(1, 32), a, key(2, 32))
		}, probe.WrongHost},
		{"an answer to another request of the second", func(a types.Authenticator) []byte {
			a.Cusec ^= 1
			return answer(t, key(1, 32), a, key(2, 32))
		}, probe.WrongHost},
		{"no subkey", func(a types.Authenticator) []byte { return answer(t, key(1, 32), a, types.EncryptionKey{}) }, probe.WrongHost},
		{"a short subkey", func(a types.Authenticator) []byte { return answer(t, key(1, 32), a, key(2, 15)) }, probe.WrongHost},
		{"nothing", func(types.Authenticator) []byte { return nil }, probe.WrongHost},
		{"what is not Kerberos", func(types.Authenticator) []byte { return []byte("NTLMSSP\x00\x02\x00\x00\x00") }, probe.WrongHost},
		{"our own request", func(a types.Authenticator) []byte {
			req, _ := (&proof{ticket: ticketFor("cifs/ws-001")}).request(0)
			return req
		}, probe.WrongHost},
		{"AP_ERR_MODIFIED", func(types.Authenticator) []byte { return krbErrorOf(t, 41) }, probe.WrongHost},
		{"AP_ERR_NOT_US", func(types.Authenticator) []byte { return krbErrorOf(t, 35) }, probe.WrongHost},
		{"skew", func(types.Authenticator) []byte { return krbErrorOf(t, 37) }, probe.LogonFailed},
		{"a ticket not yet valid", func(types.Authenticator) []byte { return krbErrorOf(t, 33) }, probe.LogonFailed},
		{"no key", func(types.Authenticator) []byte { return krbErrorOf(t, 45) }, probe.LogonFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := &kerberosInitiator{&proof{ticket: ticketFor("cifs/ws-001")}}
			said := tt.says(sentBy(t, k.proof, gssMutual))
			framed, err := wrapToken(said)
			if err != nil {
				t.Fatal(err)
			}
			for _, token := range [][]byte{said, framed} { // bare in RPC, framed in SMB
				_, err := k.AcceptSecContext(token)
				f, ok := errors.AsType[*probe.Failure](err)
				switch {
				case tt.want == probe.OK && (err != nil || len(k.SessionKey()) != 16):
					t.Errorf("%v, key of %d bytes", err, len(k.SessionKey()))
				case tt.want != probe.OK && (!ok || f.Outcome != tt.want || k.proof.err == nil || len(k.SessionKey()) != 0):
					t.Errorf("%v, key of %d bytes", err, len(k.SessionKey()))
				}
			}
		})
	}
}

// What each side signs with is the key that the host chose.
func TestProofSigns(t *testing.T) {
	k := &kerberosInitiator{&proof{ticket: ticketFor("cifs/ws-001")}}
	a := sentBy(t, k.proof, gssMutual|gssInteg)
	if got := a.Cksum.Checksum; len(got) != 24 || got[0] != 16 || got[20] != gssMutual|gssInteg {
		t.Errorf("checksum %x", got)
	}
	if _, err := k.AcceptSecContext(answer(t, key(1, 32), a, key(2, 32))); err != nil {
		t.Fatal(err)
	}
	mic := k.Sum([]byte("mechTypes"))
	etype, err := crypto.GetEtype(etypeID.AES256_CTS_HMAC_SHA1_96)
	if err != nil {
		t.Fatal(err)
	}
	if len(mic) != 28 || mic[2] != 4 || !etype.VerifyChecksum(key(2, 32).KeyValue, append([]byte("mechTypes"), mic[:16]...), mic[16:], keyusage.GSSAPI_INITIATOR_SIGN) {
		t.Errorf("MIC %x", mic)
	}
}

func FuzzProof(f *testing.F) {
	f.Add(pack("7e03300101"))
	f.Add(pack("6e8205f2"))
	f.Add(pack("60150609 2a864886f712010202 0200 6f03300101"))
	f.Fuzz(func(t *testing.T, token []byte) {
		p := &proof{ticket: ticketFor("cifs/ws-001")}
		if _, err := p.request(gssMutual); err != nil {
			t.Fatal(err)
		}
		tokenOf(token)
		if p.verify(unwrapToken(token)) == nil {
			t.Fatal("proved by anybody")
		}
	})
}
