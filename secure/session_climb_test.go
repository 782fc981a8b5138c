package secure

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/sspi"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// The whole ladder by Windows' session: a domain controller that takes longer for a
// ticket than a stage may is no fault of the host, at none of its ports. Nothing is left
// behind on the host or with Windows, and nothing is begun that no association takes.
func TestSessionClimb(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    uint32
		status   probe.Status
		contexts uintptr // with Verify's
	}{
		{"granted", 0, probe.StatusReady, 6},
		{"given back after a fault", rpcAccessDenied, probe.StatusDenied, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.101"))
				h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
				h.WMI.LoginFault = tt.fault
				n, tickets := winhost.NewNetwork(h), withTickets(t, "admin", h)
				w := &windows{
					ticket: func(service string) (*auth.Ticket, error) {
						if service == "host/dc1.corp.example" {
							return ticketFor(service), nil
						}
						return tickets.Ticket(t.Context(), service)
					},
					status: func(string) sspi.Status { time.Sleep(1500 * time.Millisecond); return sspi.OK },
				}
				p := &probe.Prober{
					Dial: n.Dial, Lookup: n.Lookup, Timeout: time.Second, Deadline: time.Minute, SMBPort: 445, MapperPort: 135,
					NoWMIPort: true, Authenticate: New(sessionOf(t, w), Options{}).Begin,
				}
				r := p.Probe(t.Context(), probe.Target{Name: h.DNSName}, probe.Operations())
				for _, op := range probe.Operations() {
					if r.Status(op) != tt.status {
						t.Errorf("%+v", r.Findings)
					}
				}
				if left := h.Left(); left != (winhost.Left{}) || w.left() != 0 || w.opened != tt.contexts {
					t.Errorf("left %+v and %d handles, %d contexts, want %d", left, w.left(), w.opened, tt.contexts)
				}
			})
		})
	}
}
