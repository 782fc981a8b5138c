//go:build lab && linux

package lab_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/secure"
)

// mutations is how many mutated conversations each authenticated path must stand.
var mutations = flag.Int("mutations", 200, "mutated conversations on each authenticated path")

// climber is a prober in the lab that uses a credential. Every name is the domain controller's.
func climber(logons *secure.Logons) *probe.Prober {
	return &probe.Prober{
		Dial: new(net.Dialer).DialContext,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(dcAddr)}, nil
		},
		Timeout: 3 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
		NoIdentify: true, NoWMIPort: true, Authenticate: logons.Begin,
	}
}

// climb is what a credential reaches at a target: the mechanism, and of each of the two rules its access and the steps
// with the credential that are not ok.
func climb(t *testing.T, p *probe.Prober, target string) string {
	t.Helper()
	r := p.Probe(t.Context(), probe.Target{Name: target}, []probe.Operation{probe.RSoP})
	out := []string{r.Credential}
	for i, name := range []string{"pipe", "log"} {
		f := r.Findings[i]
		out = append(out, fmt.Sprintf("%s %s", name, f.Access))
		for _, s := range f.Trail {
			if s.Outcome != probe.OK {
				out = append(out, strings.TrimSpace(fmt.Sprintf("[%s %s %s]", s.Stage, s.Outcome, s.Detail)))
			}
		}
	}
	return strings.Join(out, " ")
}

func verified(t *testing.T, c *auth.Credential) *auth.Credential {
	t.Helper()
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// An administrator may open the event log by the pipe too, the delegated account over TCP alone. That is so by every
// kind of credential, and SMB is signed: the domain controller takes nothing else.
func TestLogons(t *testing.T) {
	admin, delegated := password(t, "ADMINISTRATOR"), password(t, "GPADMIN")
	const (
		granted = "pipe granted log granted"
		denied  = "pipe denied [call denied ElfrOpenELW: status 0xC0000022 (STATUS_ACCESS_DENIED)] log granted"
	)
	keytab := labFile("keys", "gpadmin.keytab")
	tests := []struct {
		name       string
		credential *auth.Credential
		target     string
		want       string
	}{
		{"administrator by Kerberos", withPassword(t, "Administrator@CORP.EXAMPLE", admin), dcName, "kerberos " + granted},
		{"administrator by Kerberos, DOMAIN\\name, dotless", withPassword(t, `CORP\Administrator`, admin), "DC1.", "kerberos " + granted},
		{"delegated by Kerberos", withPassword(t, "gpadmin@CORP.EXAMPLE", delegated), dcName, "kerberos " + denied},
		{"delegated by keytab", credential(t, auth.Source{User: "gpadmin@CORP.EXAMPLE", Keytab: keytab}), dcName, "kerberos " + denied},
		{"delegated by ccache", credential(t, auth.Source{CCache: kinit(t)}), dcName, "kerberos " + denied},
		{"administrator by NTLM", withPassword(t, `CORP\Administrator`, admin), dcAddr, "ntlm " + granted},
		{"administrator by NTLM, NAME@REALM", withPassword(t, "Administrator@CORP.EXAMPLE", admin), dcAddr, "ntlm " + granted},
		{"delegated by NTLM", withPassword(t, `CORP\gpadmin`, delegated), dcAddr, "ntlm " + denied},
		{
			"a name that the KDC does not know", withPassword(t, `CORP\gpadmin`, delegated), "nobody.corp.example",
			"ntlm pipe denied [authenticate unsupported Realm CORP.EXAMPLE knows no service cifs/nobody.corp.example: is this the host's name in the directory? (Kerberos error 7)] [call denied ElfrOpenELW: status 0xC0000022 (STATUS_ACCESS_DENIED)] log granted",
		},
		{
			"another host than the ticket's", withPassword(t, "gpadmin@CORP.EXAMPLE", delegated), "ws-001.corp.example",
			"kerberos pipe denied [authenticate logon-failed status 0xC000006D (STATUS_LOGON_FAILURE)] log untested [bind unsupported bind_nak, reason 0]",
		},
		{"a keytab at an address", credential(t, auth.Source{User: "gpadmin@CORP.EXAMPLE", Keytab: keytab}), dcAddr, "none pipe untested log untested"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := climber(secure.New(verified(t, tt.credential), secure.Options{AllowNTLM: true}))
			if got := climb(t, p, tt.target); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if why := tt.credential.Why(); why != "" {
				t.Errorf("stopped: %s", why)
			}
		})
	}
	t.Run("an address without NTLM", func(t *testing.T) {
		p := climber(secure.New(verified(t, withPassword(t, "Administrator@CORP.EXAMPLE", admin)), secure.Options{}))
		if got := climb(t, p, dcAddr); got != "none pipe untested log untested" {
			t.Error(got)
		}
	})
}

// A wrong password by NTLM stops everything: the route after it, and every host after this.
func TestWrongPasswordByNTLM(t *testing.T) {
	c := withPassword(t, `CORP\lockme`, "not the password")
	p := climber(secure.New(c, secure.Options{AllowNTLM: true}))
	want := "ntlm pipe denied [authenticate logon-failed status 0xC000006D (STATUS_LOGON_FAILURE)] log untested"
	if got := climb(t, p, dcAddr); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = dcAddr + `:445 refused the logon of CORP\lockme: status 0xC000006D (STATUS_LOGON_FAILURE)`
	if why := c.Why(); why != want {
		t.Errorf("stopped for %q, want %q", why, want)
	}
	if got := climb(t, p, dcAddr); got != "none pipe untested log untested" {
		t.Errorf("after the stop: %s", got)
	}
}

// Without a KDC, the first address that negotiates verifies the password.
func TestVerifyByNTLM(t *testing.T) {
	t.Setenv("KRB5_CONFIG", os.DevNull)
	targets := slices.Values([]probe.Target{{Name: dcName}, {Name: idleAddr}, {Name: dcAddr}})
	c := withPassword(t, `CORP\gpadmin`, password(t, "GPADMIN"))
	l := secure.New(c, secure.Options{AllowNTLM: true})
	p := climber(l)
	if err := l.Verify(t.Context(), p, targets); err != nil {
		t.Error(err)
	}
	if got := climb(t, p, dcAddr); !strings.HasPrefix(got, "ntlm ") {
		t.Error(got)
	}
	t.Run("nobody to verify it", func(t *testing.T) {
		l := secure.New(c, secure.Options{AllowNTLM: true})
		p := climber(l)
		if err := l.Verify(t.Context(), p, slices.Values([]probe.Target{{Name: idleAddr}})); err != nil {
			t.Error(err)
		}
		if got := climb(t, p, dcAddr); got != "none pipe untested log untested" {
			t.Error(got)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		if err := secure.New(c, secure.Options{}).Verify(t.Context(), p, targets); err == nil {
			t.Error("verified by nobody")
		}
	})
}

// Whoever is on the way cannot change a bit of what the host says after the logon.
func TestReplySignatures(t *testing.T) {
	flip := func(when func([]byte) bool, at func([]byte) int) func(int, []byte) []byte {
		return func(_ int, msg []byte) []byte {
			if when(msg) {
				msg[at(msg)] ^= 0x10
			}
			return msg
		}
	}
	created := func(m []byte) bool { return len(m) > 68 && m[4+12] == 5 } // the CREATE response
	response := func(m []byte) bool { return m[2] == 2 }                  // a response PDU
	tests := []struct {
		name   string
		port   string
		change func(int, []byte) []byte
	}{
		{"signature of SMB", "445", flip(created, func([]byte) int { return 4 + 50 })},
		{"bit of a signed reply", "445", flip(created, func(m []byte) int { return 4 + 64 + 70 })},
		{"signature of a sealed reply", "", flip(response, func(m []byte) int { return len(m) - 3 })},
		{"bit of a sealed reply", "", flip(response, func([]byte) int { return 24 + 44 })},
		{"first byte of a sealed reply", "", flip(response, func([]byte) int { return 24 })},
	}
	for _, target := range []string{dcName, dcAddr} {
		for _, tt := range tests {
			t.Run(tt.name+" of "+target, func(t *testing.T) {
				c := verified(t, withPassword(t, "Administrator@CORP.EXAMPLE", password(t, "ADMINISTRATOR")))
				p := climber(secure.New(c, secure.Options{AllowNTLM: true}))
				p.Dial = (&interposer{port: tt.port, nth: 2, change: tt.change}).dial
				got := climb(t, p, target)
				want, stage := "log untested [call garbled ", "granted"
				if tt.port == "445" {
					want, stage = "pipe untested [open garbled ", "log"
				}
				if !strings.Contains(got, want) || !strings.Contains(got, stage) {
					t.Error(got)
				}
			})
		}
	}
}

// What a host says may be anything: no crash, no hang, nothing left running, no memory to speak of.
func TestMutatedReplies(t *testing.T) {
	defer goleak.VerifyNone(t)
	admin := withPassword(t, "Administrator@CORP.EXAMPLE", password(t, "ADMINISTRATOR"))
	if err := admin.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Of an account that does not exist no logon counts, so the challenge to it may be changed.
	nobody := func() *auth.Credential { return withPassword(t, `CORP\nobody`, "no password") }
	challenge := func(n int, msg []byte) int { // in the second message of SMB
		if n == 1 {
			return 4 + 64
		}
		return len(msg)
	}
	sealed := func(n int, msg []byte) int { // in the token of the bind_ack
		if n == 0 {
			return len(msg) - int(binary.LittleEndian.Uint16(msg[10:]))
		}
		return len(msg)
	}
	admins := func() *auth.Credential { return admin }
	paths := []struct {
		name, target, port string
		credential         func() *auth.Credential
		keeps              func(int, []byte) int
	}{
		{"pipe by Kerberos", dcName, "445", admins, nil},
		{"pipe by NTLM", dcAddr, "445", admins, challenge},
		{"challenge by NTLM", dcAddr, "445", nobody, nil},
		{"EventLog by Kerberos", dcName, "", admins, nil},
		{"EventLog by NTLM", dcAddr, "", admins, sealed},
	}
	for _, path := range paths {
		t.Run(path.name, func(t *testing.T) {
			seen := map[string]int{}
			var most, whole uint64
			start := time.Now()
			for seed := range *mutations {
				c := path.credential()
				p := climber(secure.New(c, secure.Options{AllowNTLM: true}))
				p.Timeout = 100 * time.Millisecond // it may pass: a message cut short is waited for
				p.Dial = (&interposer{port: path.port, nth: 2, change: mutated(uint64(seed), path.keeps)}).dial
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				got := climb(t, p, path.target)
				runtime.ReadMemStats(&after)
				most, whole = max(most, after.TotalAlloc-before.TotalAlloc), whole+after.TotalAlloc-before.TotalAlloc
				if strings.Contains(got, "unreachable") {
					t.Errorf("seed %d: %s", seed, got)
				}
				for _, what := range []string{"garbled", "timeout", "hangup", "reset", "wrong-host", "denied", "logon-failed", "unsupported"} {
					if strings.Contains(got, what) {
						seen[what]++
					}
				}
				if why := admin.Why(); why != "" {
					t.Fatalf("seed %d: stopped: %s", seed, why)
				}
			}
			t.Logf("%d in %v: at most %d KiB, %d KiB on average; %v",
				*mutations, time.Since(start).Round(time.Second), most>>10, whole>>10/uint64(*mutations), seen)
			if most > 4<<20 {
				t.Errorf("a host made us allocate %d bytes", most)
			}
			if seen["garbled"] == 0 {
				t.Errorf("outcomes %v", seen)
			}
		})
	}
}

// What crosses the cable holds no NTLM unless it is allowed, and never the secret.
func TestNoNTLMOnTheCable(t *testing.T) {
	secret := password(t, "GPADMIN")
	for _, ntlm := range []bool{false, true} {
		c := startCapture(t)
		logon := verified(t, withPassword(t, "gpadmin@CORP.EXAMPLE", secret))
		for _, target := range []string{dcName, dcAddr, "nobody.corp.example"} {
			climb(t, climber(secure.New(logon, secure.Options{AllowNTLM: ntlm})), target)
		}
		file := c.stop(t)
		n, shown := frames(t, file, "ntlmssp")
		if ntlm != (n > 0) {
			t.Errorf("NTLM allowed: %t, %d frames of it\n%s", ntlm, n, shown)
		}
		if n, shown := frames(t, file, "kerberos"); n == 0 {
			t.Errorf("no Kerberos\n%s", shown)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var wide []byte
		for _, c := range []byte(secret) {
			wide = append(wide, c, 0)
		}
		for _, form := range [][]byte{[]byte(secret), wide} {
			if bytes.Contains(raw, form) {
				t.Error("the password crosses the cable")
			}
		}
	}
}
