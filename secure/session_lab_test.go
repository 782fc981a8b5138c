//go:build lab && linux

package secure

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/probe"
)

// Samba lets in who logs on by a session: with signed SMB, and with sealed RPC whose
// headers are signed; by NTLM at an address, and under a name that the KDC does not
// know. What it hears is what Windows would say, made by our own libraries.
func TestLabSession(t *testing.T) {
	password := os.Getenv("GPREACH_LAB_PASSWORD_ADMINISTRATOR")
	if password == "" {
		t.Fatal("not in a lab; see the top of lab/lab_test.go")
	}
	c, err := auth.Read(auth.Source{User: "Administrator@CORP.EXAMPLE", Prompt: func(string) ([]byte, error) { return []byte(password), nil }})
	if err == nil {
		err = c.Verify(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	w := &windows{ticket: func(service string) (*auth.Ticket, error) { return c.Ticket(t.Context(), service) }, ntlm: c}
	p := &probe.Prober{
		Dial: new(net.Dialer).DialContext,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.77.0.10")}, nil
		},
		Timeout: 3 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
		NoIdentify: true, NoWMIPort: true, Authenticate: New(sessionOf(t, w), Options{AllowNTLM: true}).Begin,
	}
	for target, by := range map[string]string{"dc1.corp.example": "kerberos", "10.77.0.10": "ntlm", "nobody.corp.example": "ntlm"} {
		r := p.Probe(t.Context(), probe.Target{Name: target}, []probe.Operation{probe.RSoP})
		for _, f := range r.Findings[:2] {
			if f.Access != probe.Granted || r.Credential != by {
				t.Errorf("%s at %s by %s: %s %+v", f.Rule.ID, target, r.Credential, f.Access, f.Trail)
			}
		}
	}
	// Another host than the ticket's is not believed, and is let go of as well.
	r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, []probe.Operation{probe.RSoP})
	for _, f := range r.Findings[:2] {
		if f.Access == probe.Granted {
			t.Errorf("%s: %+v", f.Rule.ID, f.Trail)
		}
	}
	if n := w.left(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}
