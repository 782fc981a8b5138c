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
	m := append([]byte(NTLMSignature), 3, 0, 0, 0)
	var payload []byte
	for _, f := range [][]byte{nil, response, ToUTF16(domain), ToUTF16(user), nil, key} {
		m = binary.LittleEndian.AppendUint16(m, uint16(len(f)))
		m = binary.LittleEndian.AppendUint16(m, uint16(len(f)))
		m = appendLE32(m, uint32(88+len(payload)))
		payload = append(payload, f...)
	}
	m = appendLE32(m, flags)
	return append(append(m, make([]byte, 8+16)...), payload...)
}

// exampleFlags are the flags of that example's AUTHENTICATE, but for the exchange of a key.
const exampleFlags = 0xa2888235

func exampleHost(t testing.TB) *Host {
	return &Host{
		Names:     []string{"Server"},
		Challenge: func([]byte) []byte { return raw(t, exampleChallenge) },
		Password:  func(user string) (string, bool) { return "Password", strings.EqualFold(user, "User") },
		Domains:   []string{"DOMAIN", "domain.example"},
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

	now      time.Time
	gss      uint32
	mutual   bool
	checksum int32
	bindings uint32
}

const allFlags = gssMutual | gssConf | gssInteg | dceStyle

func newTicketed(t testing.TB, service string, valid time.Duration) *ticketed {
	t.Helper()
	k := NewKey()
	c := &ticketed{
		host:    &Host{Names: []string{"WS-001", "ws-001.corp.example"}, Keys: []Key{k}},
		service: service, now: time.Now(), gss: allFlags, mutual: true, checksum: chksumtype.GSSAPI, bindings: 16,
	}
	cache := NewCache("admin", "CORP.EXAMPLE")
	if err := cache.Grant(service, k, valid, 0); err != nil {
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
	binary.LittleEndian.PutUint32(sum, c.bindings)
	binary.LittleEndian.PutUint32(sum[checksumFlags:], c.gss)
	a.Cksum = types.Checksum{CksumType: c.checksum, Checksum: sum}
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
	const service, noAnswer = "host/ws-001.corp.example", -1
	for _, tt := range []struct {
		name    string
		service string
		valid   time.Duration
		change  func(*ticketed)
		want    int32 // error of RFC 4120 section 7.5.9
	}{
		{"a ticket", service, time.Hour, func(*ticketed) {}, 0},
		{"for the short name, in other letters", "HOST/Ws-001", time.Hour, func(*ticketed) {}, 0},
		{"for another host with the same key", "host/ws-002.corp.example", time.Hour, func(*ticketed) {}, 35},
		{"of another key", service, time.Hour, func(c *ticketed) { c.host.Keys = []Key{NewKey()} }, 41},
		{"expired", service, -time.Hour, func(*ticketed) {}, 32},
		{"a clock ahead", service, time.Hour, func(c *ticketed) { c.now = c.now.Add(6 * time.Minute) }, 37},
		{"a clock behind", service, time.Hour, func(c *ticketed) { c.now = c.now.Add(-6 * time.Minute) }, 37},
		{"the host's clock ahead", service, time.Hour, func(c *ticketed) { c.host.Clock = 6 * time.Minute }, 37},
		{"a ticket of the future", service, time.Hour, func(c *ticketed) {
			c.host.Clock, c.now = -6*time.Minute, c.now.Add(-6*time.Minute)
		}, 33},
		{"another user's", service, time.Hour, func(c *ticketed) { c.client.NameString = []string{"other"} }, noAnswer},
		{"of another realm", service, time.Hour, func(c *ticketed) { c.realm = "ELSEWHERE" }, noAnswer},
		{"without mutual authentication", service, time.Hour, func(c *ticketed) { c.mutual = false }, noAnswer},
		{"without it among the flags", service, time.Hour, func(c *ticketed) { c.gss &^= gssMutual }, noAnswer},
		{"without DCE style", service, time.Hour, func(c *ticketed) { c.gss &^= dceStyle }, noAnswer},
		{"another session key", service, time.Hour, func(c *ticketed) { c.key.KeyValue[0] ^= 1 }, noAnswer},
		{"a checksum of another type", service, time.Hour, func(c *ticketed) { c.checksum = chksumtype.HMAC_SHA1_96_AES256 }, noAnswer},
		{"channel bindings of another length", service, time.Hour, func(c *ticketed) { c.bindings = 0 }, noAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTicketed(t, tt.service, tt.valid)
			tt.change(c)
			failed := 0
			c.host.Judged = func(err error) {
				if err != nil {
					failed++
				}
			}
			m := c.host.Begin(TypeKerberos)
			answer, done, err := m.Accept(c.request(t))
			var refusal messages.KRBError
			switch {
			case tt.want == 0 && (len(answer) == 0 || err != nil || m.User() != "admin"):
				t.Errorf("%d bytes, %v, user %q", len(answer), err, m.User())
			case tt.want == noAnswer && (len(answer) > 0 || !errors.Is(err, ErrNoTicket)):
				t.Errorf("%d bytes, %v", len(answer), err)
			case tt.want > 0 && (err != nil || refusal.Unmarshal(answer) != nil || refusal.ErrorCode != tt.want):
				t.Errorf("%v, %+v, want %d", err, refusal, tt.want)
			}
			if done || failed > 0 != (tt.want != 0) {
				t.Errorf("done %t, %d failed", done, failed)
			}
			if tt.want > 0 {
				if _, done, err := m.Accept(newTicketed(t, service, time.Hour).request(t)); done || !errors.Is(err, ErrNoTicket) {
					t.Errorf("after the error: done %t, %v", done, err)
				}
			}
		})
	}
	if (&Host{}).Begin(TypeKerberos) != nil {
		t.Error("Kerberos without a key")
	}
}

// A request that comes again is a replay, by whichever connection.
func TestReplays(t *testing.T) {
	c := newTicketed(t, "host/ws-001", time.Hour)
	c.host.Replays = new(Replays)
	code := func(request []byte) int32 {
		answer, _, err := c.host.Begin(TypeKerberos).Accept(request)
		var refusal messages.KRBError
		if err != nil || refusal.Unmarshal(answer) != nil {
			return 0
		}
		return refusal.ErrorCode
	}
	first := c.request(t)
	if code(first) != 0 || code(first) != 34 || code(c.request(t)) != 0 {
		t.Error("a replay is taken, or another request is not")
	}
	for i := range 2 * mostReplays {
		var req messages.APReq
		req.Authenticator.Cusec = i
		if c.host.Replays.seen(&req) || !c.host.Replays.seen(&req) {
			t.Fatalf("request %d", i)
		}
	}
	if n := len(c.host.Replays.known); n != mostReplays {
		t.Errorf("%d are remembered", n)
	}
}

// What the client has not asked for protects nothing.
func TestKerberosFlags(t *testing.T) {
	for _, tt := range []struct {
		name             string
		without          uint32
		signable, secret bool
	}{
		{"all", 0, true, true},
		{"without confidentiality", gssConf, true, false},
		{"without integrity", gssInteg, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTicketed(t, "host/ws-001", time.Hour)
			c.gss &^= tt.without
			m := c.host.Begin(TypeKerberos)
			if _, _, err := m.Accept(c.request(t)); err != nil {
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
	c.gss &^= dceStyle
	m := c.host.byOID(asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2})
	request, err := inFrame(tokenAPReq, c.request(t))
	if err != nil {
		t.Fatal(err)
	}
	answer, done, err := m.Accept(request)
	if inner, e := unframed(answer); err != nil || !done || e != nil || !strings.HasPrefix(string(inner), tokenAPRep) {
		t.Errorf("%x, done %t, %v", answer, done, err)
	}
	if len(m.SessionKey()) != 16 {
		t.Errorf("session key %x", m.SessionKey())
	}
	c.host.Clock = time.Hour
	answer, _, err = c.host.byOID(asn1.ObjectIdentifier{1, 2, 840, 48018, 1, 2, 2}).Accept(request)
	if inner, e := unframed(answer); err != nil || e != nil || !strings.HasPrefix(string(inner), tokenError) {
		t.Errorf("%x, %v", answer, err)
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
	f.Add(byte(TypeNTLM), raw(f, negotiate), authenticate("Domain", "User", raw(f, exampleResponse), exampleFlags, nil))
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
