package auth

import (
	"context"
	"encoding/hex"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

func marshal(v any) []byte { return must(asn1.Marshal(v)) }

func TestVerifyAndTicket(t *testing.T) {
	tests := []struct {
		name             string
		account, service []int32
		requests         int64 // of the AS exchange
		tgs              int64
	}{
		{"AES256", []int32{18}, []int32{18}, 2, 1},
		{"AES128", []int32{17}, []int32{17}, 2, 1},
		{"AES256 of RFC 8009", []int32{20}, []int32{20}, 2, 1},
		{"RC4 alone for the account", []int32{23}, []int32{18}, 3, 1},
		{"RC4 alone for the service", []int32{18}, []int32{23}, 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKDC(t)
			k.account, k.service = tt.account, tt.service
			c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
			if err := c.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := (Stats{AS: 1, Requests: tt.requests}); c.Stats() != got {
				t.Errorf("%+v; want %+v", c.Stats(), got)
			}
			ticket, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example")
			if err != nil {
				t.Fatal(err)
			}
			again, err := c.Ticket(t.Context(), "CIFS/WS-001.corp.example")
			if err != nil || again != ticket {
				t.Errorf("asked again: %v, %v", again, err)
			}
			if ticket.Service != "cifs/ws-001.corp.example" || ticket.KDC != firstKDC || ticket.Realm != testRealm ||
				ticket.Client.PrincipalNameString() != "alice" || ticket.Key.KeyType != tt.service[0] || !ticket.End.After(ticket.Start) {
				t.Errorf("%#v of %s at %s", ticket, ticket.Realm, ticket.KDC)
			}
			if err := c.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			if got := c.Stats(); got.TGS != tt.tgs || got.Requests != tt.requests+tt.tgs || k.timestamps != 1 {
				t.Errorf("%+v, %d timestamps", got, k.timestamps)
			}
			if _, err := c.Ticket(t.Context(), "host/ws-001.corp.example"); err != nil || c.Stats().TGS != tt.tgs+1 {
				t.Errorf("%+v after the host's second service: %v", c.Stats(), err)
			}
		})
	}
}

// A KDC sees at most one proof, whatever it or the network does about it.
func TestOneTimestamp(t *testing.T) {
	// then answers what follows the proof.
	then := func(k *fakeKDC, reply []byte) {
		k.answer = func([]byte) ([]byte, bool) { return framed(reply), k.count() > 1 }
	}
	tests := []struct {
		name  string
		spoil func(k *fakeKDC)
		stops bool
	}{
		{"wrong password", func(*fakeKDC) {}, true},
		{"the KDC fails on it", func(k *fakeKDC) { then(k, k.error(60, nil)) }, true},
		{"the KDC wants it again", func(k *fakeKDC) { then(k, k.error(25, marshal(types.PADataSequence{{PADataType: 2}}))) }, true},
		{"the KDC wants RC4 then", func(k *fakeKDC) { then(k, k.error(14, nil)) }, true},
		{"the clocks differ", func(k *fakeKDC) { then(k, k.error(37, nil)) }, false},
		{"the KDC says something else", func(k *fakeKDC) { then(k, []byte("HTTP/1.1 400")) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, second := newFakeKDC(t), newFakeKDC(t)
			tt.spoil(first)
			c := credentialFor(t, "alice@corp.example", "wrong", map[string]*fakeKDC{firstKDC: first, secondKDC: second})
			for range 3 {
				e := asKDCError(t, c.Verify(t.Context()))
				if e.Stops() != tt.stops || (c.Why() != "") != tt.stops {
					t.Errorf("stops: %t, why: %q", e.Stops(), c.Why())
				}
			}
			if first.requests != 2 || second.requests != 0 {
				t.Errorf("%d requests to the first KDC, %d to the second", first.requests, second.requests)
			}
		})
	}
}

// The proof is sent to no second KDC where the first is silent about it, nor again.
func TestSilenceAfterTimestamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newFakeKDC(t), newFakeKDC(t)
		first.answer = func([]byte) ([]byte, bool) { return nil, first.count() > 1 }
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: first, secondKDC: second})
		start := time.Now()
		for range 2 {
			e := asKDCError(t, c.Verify(t.Context()))
			if !e.Stops() || e.KDC != firstKDC || !strings.Contains(c.Why(), "may have counted it") {
				t.Error(e, c.Why())
			}
		}
		if took := time.Since(start); took != exchangeTime || second.requests != 0 || first.count() != 2 {
			t.Errorf("%d and %d requests after %s", first.count(), second.requests, took)
		}
	})
}

func TestRepliesAreVerified(t *testing.T) {
	other := types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "EVIL.EXAMPLE"}}
	spoil := map[string]func(*messages.KDCRepFields, *messages.EncKDCRepPart){
		"nonce":            func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.Nonce++ },
		"client":           func(f *messages.KDCRepFields, _ *messages.EncKDCRepPart) { f.CName.NameString = []string{"mallory"} },
		"client's realm":   func(f *messages.KDCRepFields, _ *messages.EncKDCRepPart) { f.CRealm = "EVIL.EXAMPLE" },
		"service":          func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.SName = other },
		"ticket's service": func(f *messages.KDCRepFields, _ *messages.EncKDCRepPart) { f.Ticket.SName = other },
		"service's realm":  func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.SRealm = "EVIL.EXAMPLE" },
		"ticket's realm":   func(f *messages.KDCRepFields, _ *messages.EncKDCRepPart) { f.Ticket.Realm = "EVIL.EXAMPLE" },
		"short key":        func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.Key.KeyValue = p.Key.KeyValue[:7] },
		"unasked key": func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) {
			p.Key.KeyType = 24 // RC4 for export
			p.Key.KeyValue = p.Key.KeyValue[:16]
		},
		"ended":     func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.EndTime = p.StartTime.Add(-time.Hour) },
		"not begun": func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.StartTime = p.StartTime.Add(time.Hour) },
	}
	for name, change := range spoil {
		t.Run(name, func(t *testing.T) {
			k := newFakeKDC(t)
			k.reply = change
			c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
			e := asKDCError(t, c.Verify(t.Context()))
			if clocks := name == "ended" || name == "not begun"; e.Stops() == clocks || (c.Why() == "") != clocks {
				t.Errorf("%v; why: %q", e, c.Why())
			}

			k.reply = nil
			c = credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
			if err := c.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.reply = change
			_, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example")
			if e := asKDCError(t, err); e.Stops() || c.Why() != "" {
				t.Errorf("%v stops the credential", e)
			}
		})
	}
}

// An account that need not prove itself: its reply tells whether the password is right.
func TestReplyWithoutProof(t *testing.T) {
	for _, password := range []string{testPassword, "wrong"} {
		k := newFakeKDC(t)
		k.answer = func(request []byte) ([]byte, bool) {
			var m messages.ASReq
			if err := m.Unmarshal(request); err != nil {
				t.Error(err)
			}
			key := credentialFor(t, "alice@corp.example", testPassword, nil)
			secret, err := key.key(hint{etype: aes256})
			if err != nil {
				t.Error(err)
			}
			fields, part := k.ticket(m.ReqBody, m.ReqBody.CName, k.account)
			k.seal(&fields, part, secret, 3)
			rep := messages.ASRep{KDCRepFields: fields}
			rep.MsgType = 11
			return framed(must(rep.Marshal())), true
		}
		c := credentialFor(t, "alice@corp.example", password, map[string]*fakeKDC{firstKDC: k})
		err := c.Verify(t.Context())
		if password == testPassword {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if e := asKDCError(t, err); !e.Stops() || c.Why() == "" || k.requests != 1 {
			t.Errorf("%v after %d requests", e, k.requests)
		}
	}
}

func TestHintsAreBounded(t *testing.T) {
	tests := map[string]func(*types.ETypeInfo2){
		"too many rounds": func(i *types.ETypeInfo2) { (*i)[0].S2KParams = []byte{0xff, 0xff, 0xff, 0xff} },
		"zero, which is":  func(i *types.ETypeInfo2) { (*i)[0].S2KParams = make([]byte, 4) },
		"too few":         func(i *types.ETypeInfo2) { (*i)[0].S2KParams = []byte{0, 0, 0, 1} },
		"odd":             func(i *types.ETypeInfo2) { (*i)[0].S2KParams = []byte{1} },
		"salt":            func(i *types.ETypeInfo2) { (*i)[0].Salt = strings.Repeat("a", maxSalt+1) },
		"DES":             func(i *types.ETypeInfo2) { (*i)[0].EType = 3 },
		"none":            func(i *types.ETypeInfo2) { *i = nil },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			k := newFakeKDC(t)
			k.info = spoil
			c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
			if e := asKDCError(t, c.Verify(t.Context())); e.Code != 25 || k.timestamps != 0 || k.requests != 2 || e.Stops() {
				t.Errorf("%v, %d timestamps in %d requests", e, k.timestamps, k.requests)
			}
		})
	}
}

func TestClocks(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		7*time.Minute + 3*time.Second: "7m3s ahead", -time.Hour: "1h0m0s behind",
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKDC(t)
			c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
			c.now = func() time.Time { return time.Now().Add(ahead) }
			e := asKDCError(t, c.Verify(t.Context()))
			if e.Code != errorcode.KRB_AP_ERR_SKEW || !strings.Contains(e.Text, want) || e.Stops() {
				t.Error(e)
			}
		})
	}
}

// A KDC that cannot be reached with the proof has not seen it, and who left says
// nothing of the account: the credential may be tried again, by another round.
func TestProofNotSent(t *testing.T) {
	for _, name := range []string{"no connection", "the caller leaves"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				k := newFakeKDC(t)
				k.answer = func([]byte) ([]byte, bool) {
					if k.count() > 1 {
						leave()
						return nil, true
					}
					return nil, false
				}
				c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
				if dial, dials := c.dial, 0; name == "no connection" {
					c.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
						if dials++; dials > 1 {
							return nil, syscall.ECONNREFUSED
						}
						return dial(ctx, network, address)
					}
				}
				if err := c.Verify(ctx); err == nil || c.Why() != "" {
					t.Errorf("%v; %q", err, c.Why())
				}
			})
		})
	}
}

// The values are of Samba's md4_hash_blob.
func TestNTHash(t *testing.T) {
	for password, want := range map[string]string{
		"Grünspecht":  "2daa97b915cb543b4bb40fb1fd5ed893",
		"Schlüssel🔑9": "21ddc37912b2bd53a3d0215efc7cde6c",
	} {
		if got := hex.EncodeToString(ntHash(password)); got != want {
			t.Errorf("%s: %s", password, got)
		}
	}
}
