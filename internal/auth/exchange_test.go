package auth

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
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
		{"RC4 alone for the service", []int32{18}, []int32{23}, 2, 2},
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
		{"the KDC fails on it", func(k *fakeKDC) { then(k, k.error(60, nil)) }, false},
		{"the KDC wants it again", func(k *fakeKDC) { then(k, k.error(25, marshal(types.PADataSequence{{PADataType: 2}}))) }, false},
		{"the KDC wants RC4 then", func(k *fakeKDC) { then(k, k.error(14, nil)) }, false},
		{"the KDC says something else", func(k *fakeKDC) { then(k, []byte("HTTP/1.1 400")) }, false},
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
			if e.Stops() || e.KDC != firstKDC {
				t.Error(e)
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
		"unasked key":      func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.Key.KeyType = 23; p.Key.KeyValue = p.Key.KeyValue[:16] },
		"ended":            func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.EndTime = p.StartTime.Add(-time.Hour) },
		"not begun":        func(_ *messages.KDCRepFields, p *messages.EncKDCRepPart) { p.StartTime = p.StartTime.Add(time.Hour) },
	}
	for name, change := range spoil {
		t.Run(name, func(t *testing.T) {
			k := newFakeKDC(t)
			k.reply = change
			c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
			e := asKDCError(t, c.Verify(t.Context()))
			if e.Stops() || c.Why() != "" {
				t.Errorf("%v stops the credential", e)
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

func TestKDCsInTurn(t *testing.T) {
	tests := []struct {
		name string
		kdcs map[string]*fakeKDC
		took time.Duration
		want string // of the error
	}{
		{"the first is closed", map[string]*fakeKDC{secondKDC: newFakeKDC(t)}, 0, ""},
		{"the first is dropped", map[string]*fakeKDC{firstKDC: nil, secondKDC: newFakeKDC(t)}, kdcTime, ""},
		{"the first hangs", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return nil, true }}, secondKDC: newFakeKDC(t)}, kdcTime, ""},
		{"the first says too much", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return []byte{0xff, 0, 0, 0}, true }}, secondKDC: newFakeKDC(t)}, 0, ""},
		{"the first says nothing", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return []byte{0, 0, 0, 0}, true }}, secondKDC: newFakeKDC(t)}, 0, ""},
		{"the first stops short", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return []byte{0, 0, 0, 9, 1}, true }}, secondKDC: newFakeKDC(t)}, 0, ""},
		{"both are closed", nil, 0, "No KDC of realm CORP.EXAMPLE answered: 192.0.2.1:88, 192.0.2.2:88: connection refused"},
		{"both are dropped", map[string]*fakeKDC{firstKDC: nil, secondKDC: nil}, exchangeTime, "No KDC of realm CORP.EXAMPLE answered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := credentialFor(t, "alice@corp.example", testPassword, tt.kdcs, firstKDC, secondKDC)
				start := time.Now()
				err := c.Verify(t.Context())
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %s; want %s", took, tt.took)
				}
				if tt.want != "" {
					if err == nil || !strings.HasPrefix(err.Error(), tt.want) || asKDCError(t, err).Stops() {
						t.Errorf("%v; want %s", err, tt.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				start = time.Now() // it is remembered who answers
				if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); err != nil || time.Since(start) != 0 {
					t.Errorf("%v after %s", err, time.Since(start))
				}
			})
		})
	}
}

func TestManyCallersOneExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKDC(t)
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		k.refuse = func(_, service string) int32 {
			if strings.HasPrefix(service, "cifs/nobody") {
				return 7
			}
			return 0
		}
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); err != nil {
					t.Error(err)
				}
				var e *KDCError
				if _, err := c.Ticket(t.Context(), "cifs/nobody.corp.example"); !errors.As(err, &e) || e.Code != 7 || e.Stops() {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if got := c.Stats(); got.TGS != 2 || k.requests != 4 {
			t.Errorf("%+v, %d requests", got, k.requests)
		}
	})
}

// A caller that leaves takes its exchange with it; the next asks again, and no one
// waits for another's patience.
func TestCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKDC(t)
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.answer = func([]byte) ([]byte, bool) { return nil, k.count() == 3 } // the first hangs
		const service = "cifs/ws-001.corp.example"
		start := time.Now()
		patience := []struct {
			time.Duration
			want error
			took time.Duration
		}{{time.Second, context.DeadlineExceeded, time.Second}, {3 * time.Second, nil, time.Second}, {time.Second / 2, context.DeadlineExceeded, time.Second / 2}}
		var wait sync.WaitGroup
		for _, p := range patience {
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), p.Duration)
				defer cancel()
				_, err := c.Ticket(ctx, service)
				if !errors.Is(err, p.want) || time.Since(start) != p.took {
					t.Errorf("patience %s: %v after %s", p.Duration, err, time.Since(start))
				}
			})
			synctest.Wait() // they come in this order
		}
		wait.Wait()
		if got := c.Stats(); got.TGS != 2 {
			t.Errorf("%+v", got)
		}
	})
}

func TestInFlightIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKDC(t)
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.answer = func([]byte) ([]byte, bool) { return nil, true }
		var wait sync.WaitGroup
		for i := range 3 * maxInFlight {
			wait.Go(func() {
				_, err := c.Ticket(t.Context(), "cifs/ws-"+string(rune('A'+i))+".corp.example")
				if !errors.Is(err, ErrStopped) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if k.requests != 2+maxInFlight {
			t.Errorf("%d requests in flight", k.requests-2)
		}
		start := time.Now()
		c.Stop("the first reason")
		c.Stop("another")
		wait.Wait() // those in flight, and those that wait for a place
		if took := time.Since(start); took != 0 || c.Why() != "the first reason" {
			t.Errorf("%q after %s", c.Why(), took)
		}
		<-c.Stopped()
		if _, err := c.Ticket(t.Context(), "cifs/ws-A.corp.example"); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		c.LogOn(func(_, _, _ string) { t.Error("it logs on") })
		if k.requests != 2+maxInFlight {
			t.Errorf("%d requests after the stop", k.requests)
		}
	})
}

// An error about the account stops the credential in whichever exchange it comes.
func TestKDCStops(t *testing.T) {
	for code, want := range map[int32]struct{ as, tgs bool }{
		6: {true, true}, 18: {true, true}, 23: {true, true}, 24: {true, true}, 12: {true, false},
		7: {}, 14: {}, 25: {}, 29: {}, 32: {}, 37: {}, 41: {}, 60: {}, 68: {}, 999: {},
	} {
		k := newFakeKDC(t)
		k.refuse = func(client, _ string) int32 {
			if client != "" {
				return code
			}
			return 0
		}
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		e := asKDCError(t, c.Verify(t.Context()))
		if e.Code != code || e.Stops() != want.as || (c.Why() != "") != want.as || e.Text == "" {
			t.Errorf("AS: %v, stops: %t, why: %q", e, e.Stops(), c.Why())
		}
		k.refuse = func(_, service string) int32 {
			if service != "" {
				return code
			}
			return 0
		}
		c = credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := c.Ticket(t.Context(), "host/ws-001.corp.example")
		e = asKDCError(t, err)
		if e.Code != code || e.Stops() != want.tgs || (c.Why() != "") != want.tgs || e.Text == "" {
			t.Errorf("TGS: %v, stops: %t, why: %q", e, e.Stops(), c.Why())
		}
	}
}

func TestOtherRealms(t *testing.T) {
	k := newFakeKDC(t)
	c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
	c.profile.domains = map[string]string{".other.example": "OTHER.EXAMPLE", ".corp.example": "corp.example"}
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Ticket(t.Context(), "cifs/ws-001.other.example")
	if e := asKDCError(t, err); !errors.Is(e, ErrOtherRealm) || !strings.Contains(e.Text, "OTHER.EXAMPLE") || e.Stops() {
		t.Error(e)
	}
	if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); err != nil {
		t.Error(err)
	}
	referred := types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "EVIL\x1b.EXAMPLE"}}
	k.reply = func(f *messages.KDCRepFields, p *messages.EncKDCRepPart) { f.Ticket.SName, p.SName = referred, referred }
	_, err = c.Ticket(t.Context(), "cifs/ws-002.corp.example")
	if e := asKDCError(t, err); !errors.Is(e, ErrOtherRealm) || !strings.Contains(e.Text, "EVIL?.EXAMPLE") || e.Stops() {
		t.Error(e)
	}
	if k.requests != 4 {
		t.Errorf("%d requests", k.requests)
	}
}

func TestTicketNeedsVerify(t *testing.T) {
	c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: newFakeKDC(t)})
	if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); !errors.Is(err, errUnverified) {
		t.Error(err)
	}
	for _, service := range []string{"", "cifs", "cifs/", "/ws-001", "cifs/ws/001", "cifs/ws 1", "cifs/ws@REALM", "cifs/" + strings.Repeat("a", maxName)} {
		if _, err := c.Ticket(t.Context(), service); err == nil || errors.Is(err, errUnverified) {
			t.Errorf("%q: %v", service, err)
		}
	}
}

func TestKDCsByDNS(t *testing.T) {
	notFound := &net.DNSError{IsNotFound: true}
	tests := []struct {
		name    string
		records []*net.SRV
		err     error
		want    string
		known   bool
	}{
		{"two", []*net.SRV{{Target: "dc1.corp.example.", Port: 88}, {Target: "dc2.corp.example.", Port: 1088}}, nil, "dc1.corp.example:88 dc2.corp.example:1088", true},
		{"no service", []*net.SRV{{Target: "."}}, nil, "", false},
		{"none", nil, notFound, "", false},
		{"no answer", nil, &net.DNSError{IsTimeout: true}, "", false},
		{"more than are asked", make20(), nil, strings.TrimSpace(strings.Repeat("dc.corp.example:88 ", maxKDCs)), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := credentialFor(t, "alice@corp.example", testPassword, nil)
			c.profile.realms = nil
			asked := 0
			c.lookupSRV = func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
				if asked++; service != "kerberos" || proto != "tcp" || name != testRealm {
					t.Error(service, proto, name)
				}
				return "", tt.records, tt.err
			}
			if got := c.HasKDC(t.Context()); got != tt.known {
				t.Error(got)
			}
			kdcs, _ := c.kdcs(t.Context())
			if got := strings.Join(kdcs, " "); got != tt.want {
				t.Errorf("%s; want %s", got, tt.want)
			}
			if want := map[bool]int{true: 2, false: 1}[tt.name == "no answer"]; asked != want {
				t.Errorf("asked %d times", asked)
			}
			if tt.want == "" && asKDCError(t, c.Verify(t.Context())).Stops() {
				t.Error("it stops")
			}
		})
	}
	c := credentialFor(t, `OLD\alice`, testPassword, nil)
	if e := asKDCError(t, c.Verify(t.Context())); !errors.Is(e, ErrNoKDC) || c.HasKDC(t.Context()) || !strings.Contains(e.Text, "NAME@REALM") {
		t.Error(e)
	}
}

func make20() []*net.SRV {
	records := make([]*net.SRV, 20)
	for i := range records {
		records[i] = &net.SRV{Target: "dc.corp.example.", Port: 88}
	}
	return records
}
