package secure

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// What a host gave is given back where a namespace is answered by a fault or not at all,
// over one association more; but where the fault may be what refuses a logon by NTLM,
// none more is tried there. None of it is a step.
func TestGivenBack(t *testing.T) {
	const first = "connect:445 authenticate:445 "
	const wmi = "connect:135 bind:135 activate:135 connect:52419 bind:52419 call:52419"
	for _, tt := range []struct {
		name, by string
		spoil    func(*winhost.WMI)
		logons   int // with those of the mapper's port and Task Scheduler, and of SMB for NTLM
		left     int // references
	}{
		{"answered, by Kerberos", "kerberos", func(*winhost.WMI) {}, 3, 0},
		{"answered, by NTLM", "ntlm", func(*winhost.WMI) {}, 4, 0},
		{"an HRESULT, by Kerberos", "kerberos", func(w *winhost.WMI) { w.LoginFault = rpcAccessDenied }, 4, 0},
		{"an HRESULT, by NTLM", "ntlm", func(w *winhost.WMI) { w.LoginFault = rpcAccessDenied }, 5, 0},
		{"fault 5, by Kerberos", "kerberos", func(w *winhost.WMI) { w.LoginFault = 5 }, 4, 0},
		{"fault 5, by NTLM", "ntlm", func(w *winhost.WMI) { w.LoginFault = 5 }, 4, 5},
		{"no answer, by Kerberos", "kerberos", func(w *winhost.WMI) { w.LoginDelay = time.Minute }, 4, 0},
		{"no answer, by NTLM", "ntlm", func(w *winhost.WMI) { w.LoginDelay = time.Minute }, 5, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here := netip.MustParseAddr("10.77.0.101")
				h := winhost.Client("ws-001.corp.example", here)
				h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
				tt.spoil(&h.WMI)
				target, c, want := h.DNSName, (*auth.Credential)(nil), "authenticate:KDC "+wmi
				if tt.by == "ntlm" {
					target, c, want = here.String(), withPassword(t), first+wmi
				} else {
					c = withTickets(t, "admin", h)
				}
				n := winhost.NewNetwork(h)
				p := &probe.Prober{
					Dial: n.Dial, Lookup: n.Lookup, Timeout: 2 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
					NoWMIPort: true, Authenticate: New(c, Options{AllowNTLM: true}).Begin,
				}
				r := p.Probe(t.Context(), probe.Target{Name: target}, []probe.Operation{probe.Refresh})
				if got := climbed(r.Findings[0].Trail); got != want {
					t.Errorf("climbed %s, want %s", got, want)
				}
				if left, met := h.Left(), h.Met(); met.Logons != tt.logons || left != (winhost.Left{References: tt.left}) {
					t.Errorf("%d logons, want %d; left %+v, want %d references", met.Logons, tt.logons, left, tt.left)
				}
			})
		})
	}
}
