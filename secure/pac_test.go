package secure

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// An administrator of many groups has large tickets, which Windows takes up to 48,000
// bytes (MaxTokenSize): the host is ready all the same, also where the bind is larger than
// a fragment.
func TestLargeTickets(t *testing.T) {
	for _, pac := range []int{1 << 10, 5 << 10, 5600, 6 << 10, 16 << 10, 47_000} {
		t.Run(fmt.Sprint(pac), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.101"))
				h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
				h.PAC = pac
				n := winhost.NewNetwork(h)
				p := &probe.Prober{
					Dial: n.Dial, Lookup: n.Lookup, Timeout: 2 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
					NoWMIPort: true, Authenticate: New(withTickets(t, "admin", h), Options{}).Begin,
				}
				r := p.Probe(t.Context(), probe.Target{Name: h.DNSName}, probe.Operations())
				for _, f := range r.Findings {
					if s, ok := f.Trail.Failed(); ok {
						t.Errorf("%s: %s %s %s", f.Rule.ID, s.Stage, s.Outcome, s.Detail)
					}
				}
				if left := h.Left(); left != (winhost.Left{}) {
					t.Errorf("left %+v", left)
				}
			})
		})
	}
}
