package logon

import (
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

func raw(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of [MS-NLMP] section 4.2.4: user User of Domain, with his password.
const (
	exampleChallenge = "4e544c4d53535000 02000000 0c000c00 38000000 33828ae2 0123456789abcdef 0000000000000000 24002400 44000000 060070170000000f" +
		"530065007200760065007200 02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000"
	exampleResponse = "68cd0ab851e51c96aabc927bebef6a1c" + "01010000 00000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000" +
		"02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000 00000000"
	exampleKey = "8de40ccadbc14a82f15cb0ad0de95ca3"
	negotiate  = "4e544c4d53535000 01000000 078208a2 0000000000000000 0000000000000000 0a006358 0000000f"
)

// authenticate returns an AUTHENTICATE without a MIC.
func authenticate(domain, user string, response []byte, flags uint32, key []byte) []byte {
	m := append([]byte(ntlmSignature), 3, 0, 0, 0)
	var payload []byte
	for _, f := range [][]byte{nil, response, toUTF16(domain), toUTF16(user), nil, key} {
		m = binary.LittleEndian.AppendUint16(m, uint16(len(f)))
		m = binary.LittleEndian.AppendUint16(m, uint16(len(f)))
		m = appendLE32(m, uint32(88+len(payload)))
		payload = append(payload, f...)
	}
	m = appendLE32(m, flags)
	return append(append(m, make([]byte, 8+16)...), payload...)
}

func exampleHost(t testing.TB) *Host {
	return &Host{
		Names:     []string{"Server"},
		Challenge: func([]byte) []byte { return raw(t, exampleChallenge) },
		Password:  func(user string) (string, bool) { return "Password", strings.EqualFold(user, "User") },
	}
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
		{"the example of the specification", authenticate("Domain", "User", response, 0, nil), nil},
		{"the name in other letters", authenticate("Domain", "uSER", response, 0, nil), nil},
		{"another domain", authenticate("Elsewhere", "User", response, 0, nil), ErrRefused},
		{"another challenge of the client", authenticate("Domain", "User", wrong, 0, nil), ErrRefused},
		{"nobody of that name", authenticate("Domain", "Other", response, 0, nil), ErrRefused},
		{"anonymous", authenticate("", "", nil, 0, nil), ErrRefused},
		{"NTLMv1", authenticate("Domain", "User", response[:24], 0, nil), ErrRefused},
		{"a MIC is announced, and the proof is another's", authenticate("Domain", "User", announced, 0, nil), ErrRefused},
		{"a session key of another length", authenticate("Domain", "User", response, flagKeyExchange, response[:8]), ErrToken},
		{"cut short", authenticate("Domain", "User", response, 0, nil)[:60], ErrToken},
		{"fields that lead out of it", authenticate("Domain", "User", response, 0, nil)[:88], ErrRefused},
		{"a NEGOTIATE again", raw(t, negotiate), ErrToken},
		{"no NTLM", []byte("something else altogether"), ErrToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := exampleHost(t).Begin(TypeNTLM)
			if answer, done, err := m.Accept(raw(t, negotiate)); err != nil || done || len(answer) == 0 {
				t.Fatal(answer, done, err)
			}
			_, done, err := m.Accept(tt.token)
			if !errors.Is(err, tt.want) || done != (tt.want == nil) {
				t.Errorf("done %t, %v, want %v", done, err, tt.want)
			}
			if tt.want == nil && hex.EncodeToString(m.SessionKey()) != exampleKey {
				t.Errorf("session key %x", m.SessionKey())
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
	owf := keyed(hash, toUTF16("USER"), toUTF16("Domain"))
	proof := keyed(owf, raw(t, "0123456789abcdef"), client)
	token := authenticate("Domain", "User", append(slices.Clone(proof), client...), 0, nil)
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

// A ticketed is a client with a ticket of a Cache, and the host that it is for.
type ticketed struct {
	host    *Host
	service string
	realm   string
	client  types.PrincipalName
	ticket  messages.Ticket
	key     types.EncryptionKey

	now    time.Time
	gss    uint32
	mutual bool
}

func newTicketed(t testing.TB, service string, valid time.Duration) *ticketed {
	t.Helper()
	k := NewKey()
	c := &ticketed{
		host:    &Host{Names: []string{"WS-001", "ws-001.corp.example"}, Keys: []Key{k}},
		service: service, now: time.Now(), gss: dceStyle, mutual: true,
	}
	cache := NewCache("admin", "CORP.EXAMPLE")
	if err := cache.Grant(service, k, valid); err != nil {
		t.Fatal(err)
	}
	var read credentials.CCache // that gokrb5 reads the file is a test of it
	if err := read.Unmarshal(cache.Bytes()); err != nil {
		t.Fatal(err)
	}
	entry := read.Credentials[0]
	if err := c.ticket.Unmarshal(entry.Ticket); err != nil {
		t.Fatal(err)
	}
	c.key, c.realm, c.client = entry.Key, entry.Client.Realm, entry.Client.PrincipalName
	return c
}

// request returns an AP-REQ.
func (c *ticketed) request(t testing.TB) []byte {
	t.Helper()
	a, err := types.NewAuthenticator(c.realm, c.client)
	if err != nil {
		t.Fatal(err)
	}
	a.CTime = c.now.UTC().Truncate(time.Second)
	sum := make([]byte, checksumLen)
	binary.LittleEndian.PutUint32(sum, 16)
	binary.LittleEndian.PutUint32(sum[checksumFlags:], c.gss)
	a.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	req, err := messages.NewAPReq(c.ticket, c.key, a)
	if err != nil {
		t.Fatal(err)
	}
	if c.mutual {
		types.SetFlag(&req.APOptions, flags.APOptionMutualRequired)
	}
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKerberos(t *testing.T) {
	const service = "host/ws-001.corp.example"
	for _, tt := range []struct {
		name    string
		service string
		valid   time.Duration
		change  func(*ticketed)
		want    error
	}{
		{"a ticket", service, time.Hour, func(*ticketed) {}, nil},
		{"for the short name, in other letters", "HOST/Ws-001", time.Hour, func(*ticketed) {}, nil},
		{"for another host with the same key", "host/ws-002.corp.example", time.Hour, func(*ticketed) {}, ErrNoTicket},
		{"of another key", service, time.Hour, func(c *ticketed) { c.host.Keys = []Key{NewKey()} }, ErrNoTicket},
		{"expired", service, -time.Hour, func(*ticketed) {}, ErrNoTicket},
		{"a clock ahead", service, time.Hour, func(c *ticketed) { c.now = c.now.Add(6 * time.Minute) }, ErrNoTicket},
		{"a clock behind", service, time.Hour, func(c *ticketed) { c.now = c.now.Add(-6 * time.Minute) }, ErrNoTicket},
		{"another user's", service, time.Hour, func(c *ticketed) { c.client.NameString = []string{"other"} }, ErrNoTicket},
		{"of another realm", service, time.Hour, func(c *ticketed) { c.realm = "ELSEWHERE" }, ErrNoTicket},
		{"without mutual authentication", service, time.Hour, func(c *ticketed) { c.mutual = false }, ErrNoTicket},
		{"another session key", service, time.Hour, func(c *ticketed) { c.key.KeyValue[0] ^= 1 }, ErrNoTicket},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTicketed(t, tt.service, tt.valid)
			tt.change(c)
			m := c.host.Begin(TypeKerberos)
			answer, done, err := m.Accept(c.request(t))
			if !errors.Is(err, tt.want) || done || len(answer) > 0 != (tt.want == nil) {
				t.Errorf("%d bytes, done %t, %v, want %v", len(answer), done, err, tt.want)
			}
			if tt.want == nil && m.User() != "admin" {
				t.Errorf("user %q", m.User())
			}
		})
	}
	if (&Host{}).Begin(TypeKerberos) != nil {
		t.Error("Kerberos without a key")
	}
}

// The third message of DCE style must give back the host's sequence number.
func TestKerberosThirdMessage(t *testing.T) {
	for _, tt := range []struct {
		name string
		off  int64
		want error
	}{{"right", 0, nil}, {"wrong", 1, ErrNoTicket}} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTicketed(t, "host/ws-001", time.Hour)
			m := c.host.Begin(TypeKerberos)
			answer, _, err := m.Accept(c.request(t))
			if err != nil {
				t.Fatal(err)
			}
			var rep messages.APRep
			if err := rep.Unmarshal(answer); err != nil {
				t.Fatal(err)
			}
			plain, err := crypto.DecryptEncPart(rep.EncPart, c.key, keyusage.AP_REP_ENCPART)
			if err != nil {
				t.Fatal(err)
			}
			var part messages.EncAPRepPart
			if err := part.Unmarshal(plain); err != nil {
				t.Fatal(err)
			}
			part.SequenceNumber += tt.off
			own, err := asn1.MarshalWithParams(part, "application,explicit,tag:27")
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := crypto.GetEncryptedData(own, c.key, keyusage.AP_REP_ENCPART, 0)
			if err != nil {
				t.Fatal(err)
			}
			third, err := asn1.MarshalWithParams(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed}, "application,explicit,tag:15")
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := m.Accept(third); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// Without DCE style there are two messages, and the second is framed.
func TestKerberosOfTwoMessages(t *testing.T) {
	c := newTicketed(t, "cifs/ws-001.corp.example", time.Hour)
	c.gss = 0
	m := c.host.Begin(TypeKerberos)
	answer, done, err := m.Accept(c.request(t))
	if inner, e := unframed(answer); err != nil || !done || e != nil || !strings.HasPrefix(string(inner), tokenAPRep) {
		t.Errorf("%x, done %t, %v", answer, done, err)
	}
	if len(m.SessionKey()) != 16 {
		t.Errorf("session key %x", m.SessionKey())
	}
}

func TestReadKeytab(t *testing.T) {
	c := &Cache{realm: "CORP.EXAMPLE"}
	key := NewKey()
	file := c.keytab("host/ws-001.corp.example", key)
	keys, err := ReadKeytab(file, "WS-001$", "HOST/ws-001.corp.example")
	if err != nil || len(keys) != 1 || !slices.Equal(keys[0].value, key.value) {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	if _, err := ReadKeytab(file, "host/ws-002.corp.example"); err == nil {
		t.Error("another host's key")
	}
	if _, err := ReadKeytab([]byte{5, 2, 0}, "x"); err == nil {
		t.Error("a file cut short")
	}
}

// No token ends the process.
func FuzzAccept(f *testing.F) {
	c := newTicketed(f, "host/ws-001", time.Hour)
	f.Add(byte(TypeNTLM), raw(f, negotiate), authenticate("Domain", "User", raw(f, exampleResponse), 0, nil))
	f.Add(byte(TypeKerberos), c.request(f), []byte{})
	inner, err := asn1.MarshalWithParams(negTokenInit{
		MechTypes: []asn1.ObjectIdentifier{{1, 2, 840, 113554, 1, 2, 2}, {1, 3, 6, 1, 4, 1, 311, 2, 2, 10}}, MechToken: c.request(f),
	}, "explicit,tag:0")
	if err != nil {
		f.Fatal(err)
	}
	frame, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, IsCompound: true, Bytes: append([]byte("\x06\x06\x2b\x06\x01\x05\x05\x02"), inner...)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(TypeSPNEGO), frame, []byte("\xa1\x07\x30\x05\xa0\x03\x0a\x01\x01"))
	f.Fuzz(func(t *testing.T, kind byte, first, second []byte) {
		h := exampleHost(t)
		h.Keys = c.host.Keys
		if m := h.Begin(kind); m != nil {
			_, _, _ = m.Accept(first)
			_, _, _ = m.Accept(second)
			_ = m.User()
		}
	})
}
