package secure

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// withTickets is a credential of a user for hosts, by tickets that no KDC has made.
func withTickets(t testing.TB, user string, hosts ...*winhost.Host) *auth.Credential {
	t.Helper()
	t.Setenv("KRB5_CONFIG", os.DevNull)
	b, err := winhost.Tickets(user, 24*time.Hour, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ccache")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := auth.Read(auth.Source{CCache: file})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// Who may read the event log is let in by the pipe and by its own port, and who may
// not is denied at the call; by Kerberos, by NTLM, and in every dialect of SMB. On the
// host nothing is left behind, no logon fails, and every request of SMB is signed, as are
// the headers of RPC.
func TestSimulatedHost(t *testing.T) {
	here := netip.MustParseAddr("10.77.0.101")
	for _, tt := range []struct {
		name    string
		rights  winhost.Rights
		dialect uint16
		want    string
	}{
		{"administrator", winhost.Administrator, 0, "granted granted"},
		{"administrator, SMB 3.0.2", winhost.Administrator, 0x0302, "granted granted"},
		{"administrator, SMB 2.1", winhost.Administrator, 0x0210, "granted granted"},
		{"nobody", winhost.Nobody, 0, "denied denied [call denied ElfrOpenELW: status 0xC0000022 (STATUS_ACCESS_DENIED)] " +
			"[call denied Microsoft-Windows-GroupPolicy/Operational: error 5 (ERROR_ACCESS_DENIED)]"},
	} {
		for _, by := range []string{"kerberos", "ntlm"} {
			t.Run(tt.name+" by "+by, func(t *testing.T) {
				h := winhost.Client("ws-001.corp.example", here)
				h.RTT = 2 * time.Millisecond
				h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: tt.rights})
				if tt.dialect != 0 {
					h.Ports[445] = winhost.Port{Serve: winhost.SMB{Host: h, Dialect: tt.dialect}.Serve}
				}
				log := h.EventLog()
				log.WantHeaderSign = true
				h.Ports[49667] = winhost.Port{Serve: log.Serve}
				n := winhost.NewNetwork(h)
				target, c := h.DNSName, (*auth.Credential)(nil)
				if by == "ntlm" {
					target, c = here.String(), withPassword(t)
				} else {
					c = withTickets(t, "admin", h)
				}
				p := &probe.Prober{
					Dial: n.Dial, Lookup: n.Lookup, Timeout: 5 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
					NoWMIPort: true, Authenticate: New(c, Options{AllowNTLM: true}).Begin,
				}
				r := p.Probe(t.Context(), probe.Target{Name: target}, []probe.Operation{probe.RSoP})
				got := fmt.Sprintf("%s %s", r.Findings[0].Access, r.Findings[1].Access)
				for _, f := range r.Findings[:2] {
					for _, s := range f.Trail {
						if s.Outcome != probe.OK {
							got += fmt.Sprintf(" [%s %s %s]", s.Stage, s.Outcome, s.Detail)
						}
					}
				}
				if want := by + " " + tt.want; r.Credential+" "+got != want {
					t.Errorf("got  %s %s\nwant %s", r.Credential, got, want)
				}
				left := h.Left()
				if left != (winhost.Left{}) {
					t.Errorf("left %+v", left)
				}
				if met := h.Met(); met.Logons == 0 || met.Failed > 0 || met.Unsigned > 0 {
					t.Errorf("met %+v", met)
				}
				if why := c.Why(); why != "" {
					t.Error(why)
				}
			})
		}
	}
}

// Who verifies a password by NTLM logs off again; a wrong one stops the credential.
func TestVerifyAtSimulatedHost(t *testing.T) {
	here := netip.MustParseAddr("10.77.0.101")
	for _, tt := range []struct{ name, password, want string }{
		{"right", secretWord, ""},
		{"wrong", "another", `10.77.0.101:445 refused the logon of CORP\admin: status 0xC000006D (STATUS_LOGON_FAILURE)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", here)
			h.RTT = 2 * time.Millisecond
			h.Admit(winhost.Account{Name: "admin", Password: tt.password})
			c := withPassword(t)
			p := &probe.Prober{Dial: winhost.NewNetwork(h).Dial, Timeout: 5 * time.Second, SMBPort: 445}
			err := New(c, Options{AllowNTLM: true}).Verify(t.Context(), p, slices.Values([]probe.Target{{Name: here.String()}}))
			if (err != nil) != (tt.want != "") || c.Why() != tt.want {
				t.Errorf("%v, stopped for %q, want %q", err, c.Why(), tt.want)
			}
			if left := h.Left(); left != (winhost.Left{}) {
				t.Errorf("left %+v", left)
			}
			want := winhost.Met{Logons: 1}
			if tt.want != "" {
				want.Failed = 1
			}
			if met := h.Met(); met != want {
				t.Errorf("met %+v, want %+v", met, want)
			}
		})
	}
}

// The ladder, asked for RSoP by a wrong password, tries it once and at no port but SMB's;
// and a host that is refused a ticket, because its clock is wrong or its key is another's,
// says so in words of its own.
func TestRefusedBySimulatedHost(t *testing.T) {
	here := netip.MustParseAddr("10.77.0.101")
	for _, tt := range []struct {
		name, by string
		change   func(*winhost.Host)
		want     []string // outcome and text of the steps that are not ok
		met      winhost.Met
	}{
		{
			"a wrong password", "ntlm", func(h *winhost.Host) { h.Accounts[0].Password = "another" },
			[]string{"authenticate logon-failed status 0xC000006D (STATUS_LOGON_FAILURE)"},
			winhost.Met{Logons: 1, Failed: 1},
		},
		{
			"another domain's account", "ntlm", func(h *winhost.Host) { h.Domain = "elsewhere.example" },
			[]string{"authenticate logon-failed status 0xC000006D (STATUS_LOGON_FAILURE)"},
			winhost.Met{Logons: 1, Failed: 1},
		},
		{
			"the host's clock is wrong", "kerberos", func(h *winhost.Host) { h.Clock = 10 * time.Minute },
			[]string{
				"authenticate logon-failed Kerberos error 37: the host's clock and ours differ too much",
				"bind logon-failed Kerberos error 37: the host's clock and ours differ too much",
				"bind logon-failed Kerberos error 37: the host's clock and ours differ too much",
			},
			winhost.Met{Logons: 3, Failed: 3},
		},
		{
			"the host has another key", "kerberos", func(h *winhost.Host) {
				other := winhost.Client("other.corp.example", here)
				other.Admit(h.Accounts...)
				h.Keys = other.Keys
			},
			[]string{
				"authenticate wrong-host Kerberos error 41: the host does not know the key that the ticket is for",
				"bind wrong-host Kerberos error 41: the host does not know the key that the ticket is for",
				"bind wrong-host Kerberos error 41: the host does not know the key that the ticket is for",
			},
			winhost.Met{Logons: 3, Failed: 3},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", here)
			h.RTT = 2 * time.Millisecond
			h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
			target, c := here.String(), (*auth.Credential)(nil)
			if tt.by == "kerberos" {
				target, c = h.DNSName, withTickets(t, "admin", h)
			} else {
				c = withPassword(t)
			}
			n := winhost.NewNetwork(h)
			tt.change(h)
			p := &probe.Prober{
				Dial: n.Dial, Lookup: n.Lookup, Timeout: 5 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
				NoWMIPort: true, Authenticate: New(c, Options{AllowNTLM: true}).Begin,
			}
			var got []string
			for _, f := range p.Probe(t.Context(), probe.Target{Name: target}, []probe.Operation{probe.RSoP}).Findings {
				for _, s := range f.Trail {
					if s.Outcome != probe.OK {
						got = append(got, fmt.Sprintf("%s %s %s", s.Stage, s.Outcome, s.Detail))
					}
				}
			}
			if !slices.Equal(got, tt.want) || h.Met() != tt.met || h.Left() != (winhost.Left{}) {
				t.Errorf("%q\nwant %q\nmet %+v, left %+v", got, tt.want, h.Met(), h.Left())
			}
		})
	}
}

// Who may read tasks and not register them is told so by the rehearsal.
func TestRehearsalDenied(t *testing.T) {
	h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.101"))
	h.RTT = 2 * time.Millisecond
	h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator &^ winhost.RegisterTask})
	c := withTickets(t, "admin", h)
	n := winhost.NewNetwork(h)
	p := &probe.Prober{
		Dial: n.Dial, Lookup: n.Lookup, Timeout: 5 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
		NoWMIPort: true, Authenticate: New(c, Options{Rehearse: true}).Begin,
	}
	r := p.Probe(t.Context(), probe.Target{Name: h.DNSName}, []probe.Operation{probe.Refresh})
	var got []string
	for _, f := range r.Findings {
		for _, s := range f.Trail {
			if s.Outcome != probe.OK {
				got = append(got, fmt.Sprintf("%s %s %s", s.Stage, s.Outcome, s.Detail))
			}
		}
	}
	want := []string{"call denied SchRpcRegisterTask, to validate only: 0x80070005 (E_ACCESSDENIED)"}
	if !slices.Equal(got, want) || r.Status(probe.Refresh) != probe.StatusDenied || h.Left() != (winhost.Left{}) {
		t.Errorf("%q, want %q, %s, left %+v", got, want, r.Status(probe.Refresh), h.Left())
	}
}

// Two hundred hosts at once, half of them by Kerberos and half by NTLM: all are
// ready, and nothing is left behind on any. In a bubble no wait depends on how busy this
// machine is.
func TestManySimulatedHosts(t *testing.T) { synctest.Test(t, manySimulatedHosts) }

func manySimulatedHosts(t *testing.T) {
	const many = 200
	var hosts []*winhost.Host
	for i := range many {
		h := winhost.Client(fmt.Sprintf("ws-%03d.corp.example", i), netip.AddrFrom4([4]byte{10, 77, 3, byte(i)}))
		h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
		hosts = append(hosts, h)
	}
	n := winhost.NewNetwork(hosts...)
	prober := func(c *auth.Credential) *probe.Prober {
		return &probe.Prober{
			Dial: n.Dial, Lookup: n.Lookup, Timeout: time.Minute, Deadline: 5 * time.Minute, SMBPort: 445, MapperPort: 135,
			NoWMIPort: true, Authenticate: New(c, Options{AllowNTLM: true}).Begin,
		}
	}
	byTicket, byPassword := prober(withTickets(t, "admin", hosts...)), prober(withPassword(t))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			p, target := byTicket, h.DNSName
			if i%2 == 1 {
				p, target = byPassword, h.Addrs[0].String()
			}
			r := p.Probe(t.Context(), probe.Target{Name: target}, probe.Operations())
			for _, op := range probe.Operations() {
				if r.Status(op) != probe.StatusReady {
					t.Errorf("%s: %s is %s", target, op, r.Status(op))
				}
			}
		})
	}
	all.Wait()
	for _, h := range hosts {
		if left := h.Left(); left != (winhost.Left{}) {
			t.Errorf("%s: left %+v", h.DNSName, left)
		}
	}
}
