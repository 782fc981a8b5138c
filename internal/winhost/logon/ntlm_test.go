package logon

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/jcmturner/gokrb5/v8/crypto"
)

// responseOf is the response of a user of a domain, whose name is in capitals, to the
// example's challenge, by the example's password.
func responseOf(t *testing.T, domain, user string) []byte {
	t.Helper()
	hash, err := crypto.RC4HMAC{}.StringToKey("Password", "", "")
	if err != nil {
		t.Fatal(err)
	}
	client := raw(t, exampleResponse)[proofLen:]
	return append(keyed(keyed(hash, ToUTF16(user), ToUTF16(domain)), raw(t, "0123456789abcdef"), client), client...)
}

func TestNTLM(t *testing.T) {
	response := raw(t, exampleResponse)
	wrong := slices.Clone(response)
	wrong[40] ^= 1
	announced := slices.Concat(response[:44], raw(t, "0600 0400 02000000"), response[44:])
	for _, tt := range []struct {
		name  string
		token []byte
		want  error
	}{
		{"the example of the specification", authenticate("Domain", "User", response, exampleFlags, nil), nil},
		{"the name in other letters", authenticate("Domain", "uSER", response, exampleFlags, nil), nil},
		{"the domain in other letters", authenticate("dOMAIN", "User", responseOf(t, "dOMAIN", "USER"), exampleFlags, nil), nil},
		{"the domain's DNS name", authenticate("domain.example", "User", responseOf(t, "domain.example", "USER"), exampleFlags, nil), nil},
		{"another domain, and all else is right", authenticate("Elsewhere", "User", responseOf(t, "Elsewhere", "USER"), exampleFlags, nil), ErrRefused},
		{"no domain, and all else is right", authenticate("", "User", responseOf(t, "", "USER"), exampleFlags, nil), ErrRefused},
		{"another domain than in the response", authenticate("domain.example", "User", response, exampleFlags, nil), ErrRefused},
		{"another challenge of the client", authenticate("Domain", "User", wrong, exampleFlags, nil), ErrRefused},
		{"nobody of that name", authenticate("Domain", "Other", response, exampleFlags, nil), ErrRefused},
		{"anonymous", authenticate("", "", nil, exampleFlags, nil), ErrRefused},
		{"NTLMv1", authenticate("Domain", "User", response[:24], exampleFlags, nil), ErrRefused},
		{"a MIC is announced, and the proof is another's", authenticate("Domain", "User", announced, exampleFlags, nil), ErrRefused},
		{"a session key of another length", authenticate("Domain", "User", response, exampleFlags|flagKeyExchange, response[:8]), ErrToken},
		{"cut short", authenticate("Domain", "User", response, exampleFlags, nil)[:60], ErrToken},
		{"fields that lead out of it", authenticate("Domain", "User", response, exampleFlags, nil)[:88], ErrRefused},
		{"without Unicode", authenticate("Domain", "User", response, exampleFlags&^flagUnicode, nil), ErrToken},
		{"without extended session security", authenticate("Domain", "User", response, exampleFlags&^flagExtended, nil), ErrToken},
		{"without 128 bits", authenticate("Domain", "User", response, exampleFlags&^flag128, nil), ErrToken},
		{"a NEGOTIATE again", raw(t, negotiate), ErrToken},
		{"no NTLM", []byte("something else altogether"), ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, proofs := exampleHost(t), []error(nil)
			h.Judged = func(err error) { proofs = append(proofs, err) }
			m := h.Begin(TypeNTLM)
			if answer, done, err := m.Accept(raw(t, negotiate)); err != nil || done || len(answer) == 0 {
				t.Fatal(answer, done, err)
			}
			_, done, err := m.Accept(tt.token)
			if !errors.Is(err, tt.want) || done != (tt.want == nil) {
				t.Errorf("done %t, %v, want %v", done, err, tt.want)
			}
			if tt.name == "the example of the specification" && hex.EncodeToString(m.SessionKey()) != exampleKey {
				t.Errorf("session key %x", m.SessionKey())
			}
			if isProof := len(tt.token) > 8 && tt.token[8] == 3; isProof != (len(proofs) == 1) || isProof && !errors.Is(proofs[0], tt.want) {
				t.Errorf("judged: %v", proofs)
			}
		})
	}
}

// A MIC, where one is announced, must be right.
func TestNTLMMIC(t *testing.T) {
	client := raw(t, exampleResponse)[16:]
	client = slices.Concat(client[:28], raw(t, "0600 0400 02000000"), client[28:])
	hash, err := crypto.RC4HMAC{}.StringToKey("Password", "", "")
	if err != nil {
		t.Fatal(err)
	}
	owf := keyed(hash, ToUTF16("USER"), ToUTF16("Domain"))
	proof := keyed(owf, raw(t, "0123456789abcdef"), client)
	token := authenticate("Domain", "User", append(slices.Clone(proof), client...), exampleFlags, nil)
	for _, tt := range []struct {
		name  string
		spoil byte
		want  error
	}{{"right", 0, nil}, {"wrong", 1, ErrSignature}} {
		t.Run(tt.name, func(t *testing.T) {
			signed := slices.Clone(token)
			copy(signed[micPlace:], keyed(keyed(owf, proof), raw(t, negotiate), raw(t, exampleChallenge), token))
			signed[micPlace] ^= tt.spoil
			m := exampleHost(t).Begin(TypeNTLM)
			_, _, _ = m.Accept(raw(t, negotiate))
			if _, _, err := m.Accept(signed); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// What both sides have not agreed on protects nothing.
func TestNTLMFlags(t *testing.T) {
	for _, tt := range []struct {
		name             string
		granted, taken   uint32 // that are missing in CHALLENGE and AUTHENTICATE
		signable, secret bool
	}{
		{"all", 0, 0, true, true},
		{"the host grants no sealing", flagSeal, 0, true, false},
		{"the client takes no sealing", 0, flagSeal, true, false},
		{"sealing is signing too", 0, flagSign, true, true},
		{"neither", flagSign, flagSeal, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := exampleHost(t)
			challenge := raw(t, exampleChallenge)
			binary.LittleEndian.PutUint32(challenge[grantedPlace:], le32(challenge, grantedPlace)&^tt.granted)
			h.Challenge = func([]byte) []byte { return challenge }
			m := h.Begin(TypeNTLM)
			_, _, _ = m.Accept(raw(t, negotiate))
			if _, _, err := m.Accept(authenticate("Domain", "User", raw(t, exampleResponse), exampleFlags&^tt.taken, nil)); err != nil {
				t.Fatal(err)
			}
			for sealed, can := range map[bool]bool{false: tt.signable, true: tt.secret} {
				_, err := m.Protect(Message{Body: make([]byte, 16), Sealed: sealed})
				if opened := m.Open(Message{Body: make([]byte, 16), Sealed: sealed}, nil); errors.Is(err, ErrNotAgreed) == can || errors.Is(opened, ErrNotAgreed) == can {
					t.Errorf("sealed %t: %v, %v", sealed, err, opened)
				}
			}
		})
	}
}
