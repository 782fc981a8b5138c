package logon

import (
	"encoding/asn1"
	"errors"
	"slices"
	"testing"
	"time"
)

// oids are mechanisms as a client lists them: NEGOEX, which no host has, Kerberos and NTLM.
var oids = map[string]asn1.ObjectIdentifier{
	"negoex": {1, 3, 6, 1, 4, 1, 311, 2, 2, 30}, "kerberos": {1, 2, 840, 113554, 1, 2, 2}, "ntlm": {1, 3, 6, 1, 4, 1, 311, 2, 2, 10},
}

// initToken is a NegTokenInit in its frame, and the list in it, which is signed.
func initToken(t testing.TB, token []byte, mechanisms ...string) (frame, list []byte) {
	t.Helper()
	var types []asn1.ObjectIdentifier
	for _, m := range mechanisms {
		types = append(types, oids[m])
	}
	inner, err := asn1.MarshalWithParams(negTokenInit{MechTypes: types, MechToken: token}, "explicit,tag:0")
	if err != nil {
		t.Fatal(err)
	}
	frame, err = asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, IsCompound: true, Bytes: append([]byte("\x06\x06\x2b\x06\x01\x05\x05\x02"), inner...)})
	if err != nil {
		t.Fatal(err)
	}
	if list, err = asn1.Marshal(types); err != nil {
		t.Fatal(err)
	}
	return frame, list
}

func respToken(t testing.TB, token, mic []byte) []byte {
	t.Helper()
	b, err := asn1.MarshalWithParams(negTokenAnswer{NegState: acceptIncomplete, ResponseToken: token, MechListMIC: mic}, "explicit,tag:1")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parsed(t testing.TB, answer []byte) (resp negTokenResp) {
	t.Helper()
	if _, err := asn1.UnmarshalWithParams(answer, &resp, "explicit,tag:1"); err != nil {
		t.Fatalf("%x: %v", answer, err)
	}
	return resp
}

// The list of mechanisms is signed by both sides where the host has not taken the
// client's first, and where the client signs it; and what is signed wrongly is refused.
func TestMechListMIC(t *testing.T) {
	signed, flipped, none := func(b []byte) []byte { return b }, func(b []byte) []byte { b[5] ^= 1; return b }, func([]byte) []byte { return nil }
	for _, tt := range []struct {
		name    string
		offered []string
		mic     func([]byte) []byte
		state   asn1.Enumerated // of the first answer
		want    error
	}{
		{"the first, signed", []string{"ntlm"}, signed, acceptIncomplete, nil},
		{"the first, not signed", []string{"ntlm"}, none, acceptIncomplete, nil},
		{"the first, signed wrongly", []string{"ntlm"}, flipped, acceptIncomplete, ErrSignature},
		{"another, signed", []string{"kerberos", "ntlm"}, signed, requestMIC, nil},
		{"another, not signed", []string{"kerberos", "ntlm"}, none, requestMIC, errNoMIC},
		{"another, signed wrongly", []string{"kerberos", "ntlm"}, flipped, requestMIC, ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := exampleHost(t).Begin(TypeSPNEGO)
			hello := raw(t, negotiate)
			init, list := initToken(t, hello, tt.offered...)
			answer, done, err := m.Accept(init)
			if err != nil || done {
				t.Fatal(done, err)
			}
			first := parsed(t, answer)
			if first.NegState != tt.state || !first.SupportedMech.Equal(oids["ntlm"]) {
				t.Errorf("%+v", first)
			}
			if tt.state == requestMIC { // the client begins with the other mechanism
				if answer, _, err = m.Accept(respToken(t, hello, nil)); err != nil || len(parsed(t, answer).ResponseToken) == 0 {
					t.Fatal(err)
				}
			}
			client := &ntlm{key: raw(t, exampleKey), flags: exampleFlags}
			client.restart()
			mic := tt.mic(client.signature(&client.in, client.in.sum(Message{Body: list})))
			answer, done, err = m.Accept(respToken(t, authenticate("Domain", "User", raw(t, exampleResponse), exampleFlags, nil), mic))
			if !errors.Is(err, tt.want) || done != (tt.want == nil) {
				t.Fatalf("done %t, %v, want %v", done, err, tt.want)
			}
			if tt.want != nil {
				return
			}
			last := parsed(t, answer)
			host := []byte(nil)
			if mic != nil {
				host = client.signature(&client.out, client.out.sum(Message{Body: list}))
			}
			if last.NegState != acceptCompleted || !slices.Equal(last.MechListMIC, host) {
				t.Errorf("%+v, want a signature %x", last, host)
			}
		})
	}
}

// Where the host's own token is the last, the client signs the list after it.
func TestMechListMICAfterTicket(t *testing.T) {
	c := newTicketed(t, "cifs/ws-001.corp.example", time.Hour)
	c.gss &^= dceStyle
	m := c.host.Begin(TypeSPNEGO)
	init, list := initToken(t, nil, "negoex", "kerberos")
	answer, done, err := m.Accept(init)
	if err != nil || done || parsed(t, answer).NegState != requestMIC {
		t.Fatalf("%x, done %t, %v", answer, done, err)
	}
	answer, done, err = m.Accept(respToken(t, c.request(t), nil))
	if err != nil || done || parsed(t, answer).NegState != acceptIncomplete {
		t.Fatalf("%x, done %t, %v", answer, done, err)
	}
	s, ok := m.(*spnego)
	if !ok {
		t.Fatalf("%T", m)
	}
	k, ok := s.Mechanism.(*kerberos)
	if !ok {
		t.Fatalf("%T", s.Mechanism)
	}
	mic, err := k.mic(Message{Body: list}, acceptorSubkey, k.in, 25) // GSSAPI_INITIATOR_SIGN
	if err != nil {
		t.Fatal(err)
	}
	answer, done, err = m.Accept(respToken(t, nil, mic))
	if last := parsed(t, answer); err != nil || !done || last.NegState != acceptCompleted || len(last.MechListMIC) == 0 {
		t.Errorf("%x, done %t, %v", answer, done, err)
	}
	if _, _, err := c.host.Begin(TypeSPNEGO).Accept(respToken(t, nil, mic)); !errors.Is(err, ErrToken) {
		t.Errorf("a NegTokenResp first: %v", err)
	}
}

// Where the client's first mechanism is over with the host's token, all is.
func TestTicketInSPNEGO(t *testing.T) {
	c := newTicketed(t, "cifs/ws-001.corp.example", time.Hour)
	c.gss &^= dceStyle
	init, _ := initToken(t, c.request(t), "kerberos", "ntlm")
	answer, done, err := c.host.Begin(TypeSPNEGO).Accept(init)
	if last := parsed(t, answer); err != nil || !done || last.NegState != acceptCompleted || len(last.ResponseToken) == 0 {
		t.Errorf("%x, done %t, %v", answer, done, err)
	}
}

// A host that refuses NTLM says so where nothing else is offered.
func TestNTLMBlocked(t *testing.T) {
	c := newTicketed(t, "host/ws-001", time.Hour)
	c.host.NoNTLM = true
	for _, tt := range []struct {
		offered []string
		want    error
	}{
		{[]string{"ntlm"}, ErrBlocked},
		{[]string{"negoex", "ntlm"}, ErrBlocked},
		{[]string{"negoex"}, ErrToken},
		{[]string{"ntlm", "kerberos"}, nil},
	} {
		init, _ := initToken(t, nil, tt.offered...)
		if _, _, err := c.host.Begin(TypeSPNEGO).Accept(init); !errors.Is(err, tt.want) {
			t.Errorf("%v: %v, want %v", tt.offered, err, tt.want)
		}
	}
}
