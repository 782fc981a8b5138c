package probe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// What is known of a host after some time is what a probe says that had no more
// time; and in the end it is what the probe says.
func TestSoFar(t *testing.T) {
	_, situations := winhost.Fleet()
	for _, s := range situations {
		if strings.HasPrefix(s.Host, "lossy.") {
			continue // which of two connections loses its SYN is chance
		}
		for _, after := range []time.Duration{
			300 * time.Microsecond, 1700 * time.Microsecond, 3300 * time.Microsecond, 7700 * time.Microsecond, 17300 * time.Microsecond,
			53 * time.Millisecond, 370 * time.Millisecond, 730 * time.Millisecond, 1130 * time.Millisecond, 1370 * time.Millisecond, 1730 * time.Millisecond,
		} {
			bubble(t, func(t *testing.T) {
				target := probe.Target{Name: s.Host, DNSHostName: s.DNSHostName}
				network, _ := winhost.Fleet()
				cut := prober(network)
				cut.Deadline = after
				want := cut.Probe(t.Context(), target, nil)
				resolved, _ := want.Resolution()
				look := after + resolved.Elapsed // a deadline begins with the first dial

				network, _ = winhost.Fleet()
				p := prober(network)
				peeked := make(chan *probe.Report, 1)
				var soFar func() *probe.Report
				p.Begun = func(f func() *probe.Report) {
					soFar = f
					time.AfterFunc(look, func() { peeked <- f() })
				}
				whole := p.Probe(t.Context(), target, nil)
				if got := sketch(soFar()); !whole.Excluded && got != sketch(whole) {
					t.Errorf("%s, in the end:\n%s\nwant:\n%s", s.Host, got, sketch(whole))
				}
				got := <-peeked
				if whole.Elapsed < look {
					want = whole
				}
				checkWording(t, got)
				if sketch(got) != sketch(want) {
					t.Errorf("%s after %v:\n%s\nwant:\n%s", s.Host, look, sketch(got), sketch(want))
				}
			})
		}
	}
}
