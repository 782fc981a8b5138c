package exporter

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// What a host says of itself reaches metrics, service discovery, the page and
// the log as harmless text, or not at all.
func TestHostileHosts(t *testing.T) {
	const name = "ws-001.corp.example"
	for _, kind := range slices.Concat(winhost.HostileChallenge(), winhost.HostileAlive()) {
		t.Run(kind.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := winhost.Client(name, netip.MustParseAddr("10.77.0.101"))
				h.Ports[135] = winhost.Port{Serve: kind.Instead(h.Ports[135].Serve)}
				n := winhost.NewNetwork(h)
				s := settingsFor(name)
				s.Probing.Debug = true
				var log bytes.Buffer
				e := New(Config{
					Settings: s,
					Prober: func(p Probing) *probe.Prober {
						return &probe.Prober{
							Dial: n.Dial, Lookup: n.Lookup, Vantage: "gpmc01", NoWMIPort: true,
							Timeout: p.Timeout, Deadline: p.Deadline, SMBPort: 445, MapperPort: 135,
						}
					},
					Own: func() ([]netip.Addr, error) { return nil, nil },
					Log: slog.New(slog.NewTextHandler(&log, nil)),
				})
				sweepAll(t, e)
				for _, path := range []string{
					"/metrics", "/probe?target=" + name, "/probe?debug=true&target=" + name, "/targets",
					"/data/fleet.json", "/", "/host/" + name,
				} {
					body := get(t, e, path)
					if i := strings.IndexFunc(body, harmful); i >= 0 {
						t.Errorf("%s has %q", path, body[i:min(len(body), i+40)])
					}
				}
				if text := log.String(); strings.ContainsFunc(text, harmful) {
					t.Errorf("the log has %q", text)
				}
				e.Close()
				time.Sleep(time.Hour) // until the host has noticed that it was left
			})
		})
	}
}

// harmful reports control characters and those that change how text is read.
func harmful(c rune) bool {
	return c != '\n' && c != '\t' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == unicode.ReplacementChar)
}
