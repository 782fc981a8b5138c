package secure

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// What Windows answers NTLM by is tried at one host, whether or not there is a domain
// that vouches for the session's Kerberos: a password that is out of date counts once.
func TestVerifySession(t *testing.T) {
	here, there := netip.MustParseAddr("10.77.0.101"), netip.MustParseAddr("10.77.0.102")
	refused := `10.77.0.101:445 refused the logon of CORP\admin: status 0xC000006D (STATUS_LOGON_FAILURE)`
	for _, tt := range []struct {
		name, password string
		noDomain       error
		targets        []string
		allow          bool
		handed         int // tokens of hosts, to Windows
		unproved       bool
		want           string
	}{
		{"no domain", secretWord, errors.New("none"), []string{here.String(), there.String()}, true, 1, false, ""},
		{"no domain, out of date", "another", errors.New("none"), []string{here.String(), there.String()}, true, 1, true, refused},
		{"domain", secretWord, nil, []string{"ws-001.corp.example", here.String(), there.String()}, true, 1, false, ""},
		{"domain, out of date", "another", nil, []string{here.String(), there.String()}, true, 1, true, refused},
		{"domain, names alone", "another", nil, []string{"ws-001.corp.example"}, true, 0, true, ""},
		{"domain, no NTLM", "another", nil, []string{here.String()}, false, 0, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var hosts []*winhost.Host
			for _, addr := range []netip.Addr{here, there} {
				h := winhost.Client("ws-001.corp.example", addr)
				h.RTT = 2 * time.Millisecond
				h.Admit(winhost.Account{Name: "admin", Password: tt.password})
				hosts = append(hosts, h)
			}
			var targets []probe.Target
			for _, name := range tt.targets {
				targets = append(targets, probe.Target{Name: name})
			}
			w := &windows{ticket: ticketed, ntlm: withPassword(t), noDomain: tt.noDomain}
			c, err := auth.ReadSession(w.calls())
			if err != nil {
				t.Fatal(err)
			}
			l := New(c, Options{AllowNTLM: tt.allow})
			p := &probe.Prober{Dial: winhost.NewNetwork(hosts...).Dial, Timeout: 5 * time.Second, SMBPort: 445}
			err = l.Verify(t.Context(), p, slices.Values(targets))
			if (err != nil) != (tt.want != "") || c.Why() != tt.want || w.handed != tt.handed || l.unproved.Load() != tt.unproved {
				t.Errorf("%v, stopped for %q, want %q; handed on %d times, unproved %t", err, c.Why(), tt.want, w.handed, l.unproved.Load())
			}
			for _, h := range hosts {
				if left := h.Left(); left != (winhost.Left{}) {
					t.Errorf("left %+v", left)
				}
			}
			if w.left() != 0 {
				t.Errorf("%d handles are left", w.left())
			}
		})
	}
}
