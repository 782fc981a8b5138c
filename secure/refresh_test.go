package secure

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// Where only a refresh is asked for, NTLM is used on SMB first, once, and elsewhere only
// after a logon there; a wrong password so costs one logon. The rehearsal stores nothing.
func TestRefreshAlone(t *testing.T) {
	here := netip.MustParseAddr("10.77.0.101")
	const first = "connect:445 authenticate:445 "
	const wmi = "connect:135 bind:135 activate:135 connect:52419 bind:52419 call:52419"
	const tasks = "connect:49668 bind:49668 call:49668 call:49668"
	for _, tt := range []struct {
		name, by  string
		options   Options
		spoil     func(*winhost.Host)
		wmi, task string
		status    probe.Status
		stopped   bool
		warning   string
	}{
		{"by Kerberos", "kerberos", Options{}, nil, "authenticate:KDC " + wmi, "authenticate:KDC " + tasks, probe.StatusReady, false, ""},
		{"by Kerberos, rehearsed", "kerberos", Options{Rehearse: true}, nil, "authenticate:KDC " + wmi, "authenticate:KDC " + tasks + " call:49668", probe.StatusReady, false, ""},
		{"by NTLM", "ntlm", Options{AllowNTLM: true}, nil, first + wmi, tasks, probe.StatusReady, false, ""},
		{"by NTLM, rehearsed", "ntlm", Options{AllowNTLM: true, Rehearse: true}, nil, first + wmi, tasks + " call:49668", probe.StatusReady, false, ""},
		{"by Kerberos, in fragments", "kerberos", Options{Rehearse: true}, inFragments, "authenticate:KDC " + wmi, "authenticate:KDC " + tasks + " call:49668", probe.StatusReady, false, ""},
		{"by NTLM, in fragments", "ntlm", Options{AllowNTLM: true}, inFragments, first + wmi, tasks, probe.StatusReady, false, ""},
		{"rehearsed by nobody", "kerberos", Options{Rehearse: true}, func(h *winhost.Host) { h.Accounts[0].Rights &^= winhost.ReadTasks }, "authenticate:KDC " + wmi, "authenticate:KDC " + tasks, probe.StatusDenied, false, ""},
		{"445 closed", "ntlm", Options{AllowNTLM: true}, func(h *winhost.Host) { delete(h.Ports, 445) }, "", "", probe.StatusUnproven, false, "which could not be asked for"},
		{"a wrong password", "ntlm", Options{AllowNTLM: true}, func(h *winhost.Host) { h.Accounts[0].Password = "another" }, strings.TrimSpace(first), "", probe.StatusDenied, true, "no port but SMB's"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := winhost.Client("ws-001.corp.example", here)
				h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
				target, c := h.DNSName, (*auth.Credential)(nil)
				if tt.by == "ntlm" {
					target, c = here.String(), withPassword(t)
				} else {
					c = withTickets(t, "admin", h)
				}
				if tt.spoil != nil {
					tt.spoil(h)
				}
				n := winhost.NewNetwork(h)
				p := &probe.Prober{
					Dial: n.Dial, Lookup: n.Lookup, Timeout: 2 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
					NoWMIPort: true, Authenticate: New(c, tt.options).Begin,
				}
				r := p.Probe(t.Context(), probe.Target{Name: target}, []probe.Operation{probe.Refresh})
				if got := r.Status(probe.Refresh); got != tt.status {
					t.Errorf("%s: %+v", got, r.Operations)
				}
				for i, want := range map[int]string{0: tt.wmi, 1: tt.task} {
					if got := climbed(r.Findings[i].Trail); got != want {
						t.Errorf("%s:\ngot  %s\nwant %s", r.Findings[i].Rule.ID, got, want)
					}
				}
				if (c.Why() != "") != tt.stopped {
					t.Errorf("stopped: %q", c.Why())
				}
				if got := strings.Join(r.Warnings, " "); !strings.Contains(got, tt.warning) || tt.warning == "" && got != "" {
					t.Errorf("warnings: %q", got)
				}
				if left := h.Left(); left != (winhost.Left{}) {
					t.Errorf("left %+v", left)
				}
			})
		})
	}
}

// inFragments makes a host cut its answers.
func inFragments(h *winhost.Host) {
	for port, service := range map[uint16]*winhost.RPC{135: h.RPCSS(), h.WMI.Port: h.Winmgmt(), 49668: h.Schedule()} {
		service.Fragment = 48
		h.Ports[port] = winhost.Port{Serve: service.Serve}
	}
}

// climbed tells the stages and ports of the steps with the credential.
func climbed(t probe.Trail) string {
	var out []string
	for _, s := range t {
		if s.WithCredential() {
			port := "KDC"
			if at, err := netip.ParseAddrPort(s.Peer); err == nil {
				port = fmt.Sprint(at.Port())
			}
			out = append(out, fmt.Sprintf("%s:%s", s.Stage, port))
		}
	}
	return strings.Join(out, " ")
}
