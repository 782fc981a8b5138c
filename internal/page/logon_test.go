package page_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/report"
	"github.com/gpreach/gpreach/secure"
)

// credentialOf is the account of a Domain, by tickets or by password.
func credentialOf(t *testing.T, d *winhost.Domain, by string) *auth.Credential {
	t.Helper()
	if by == "kerberos" {
		tickets, err := d.Tickets(time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c, err := auth.OfTickets(tickets)
		if err == nil {
			err = c.Verify(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(d.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := auth.Read(auth.Source{User: `DEMO\` + d.User, PasswordFile: file})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// logonReports asks the hosts that a credential meets differently: by NTLM at their addresses.
func logonReports(t *testing.T, by string) (reports []*probe.Report) {
	t.Helper()
	d := winhost.LogonFleet()
	c := credentialOf(t, d, by)
	p := &probe.Prober{
		Dial: d.Network.Dial, Lookup: d.Network.Lookup, Vantage: "gpmc01", Timeout: 2 * time.Second, Deadline: 15 * time.Second,
		SMBPort: 445, MapperPort: 135, Authenticate: secure.New(c, secure.Options{AllowNTLM: true}).Begin,
	}
	targets := func(yield func(probe.Target) bool) {
		for i, s := range d.Situations {
			name := s.Host
			if by == "ntlm" {
				name = d.Host(s.Host).Addrs[0].String()
			}
			if !yield(probe.Target{Name: name, Source: probe.FromArgument, Index: i}) {
				return
			}
		}
	}
	for r := range p.Sweep(t.Context(), targets, probe.Plan{Asked: probe.Operations(), Concurrency: len(d.Situations)}) {
		reports = append(reports, r)
	}
	slices.SortFunc(reports, func(a, b *probe.Report) int { return a.Target.Index - b.Target.Index })
	return reports
}

var (
	trails = regexp.MustCompile(`(?s)<ol class="trail".*?</ol>`)
	rungs  = regexp.MustCompile(`<li class="(\w+)">`)
)

// The page tells from the documents alone which steps were tried with the credential:
// it says the same as the trails themselves.
func TestWhereTheCredentialBegins(t *testing.T) {
	for _, by := range []string{"kerberos", "ntlm"} {
		t.Run(by, func(t *testing.T) {
			var reports []*probe.Report
			synctest.Test(t, func(t *testing.T) { reports = logonReports(t, by) })
			divided := 0
			for _, r := range reports {
				var document bytes.Buffer
				if err := report.NDJSON(&document).Add(r); err != nil {
					t.Fatal(err)
				}
				h := page.Handler(page.Source{
					Fleet:  func() page.Fleet { return page.Fleet{} },
					Ladder: func(string) (page.Ladder, bool) { return page.Ladder{Document: document.Bytes()}, true },
				})
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/host/x", nil))
				drawn := trails.FindAllString(w.Body.String(), -1)
				if len(drawn) != len(r.Findings) {
					t.Fatalf("%s: %d trails of %d findings", r.Target.Name, len(drawn), len(r.Findings))
				}
				for i, f := range r.Findings {
					at := slices.IndexFunc(rungs.FindAllString(drawn[i], -1), func(li string) bool { return strings.Contains(li, "logon") })
					if want := slices.IndexFunc(f.Trail, probe.Step.WithCredential); at != want {
						t.Errorf("%s %s: the credential begins at %d, want %d", r.Target.Name, f.Rule.ID, at, want)
					}
					if at >= 0 {
						divided++
					}
				}
			}
			if divided < 50 {
				t.Errorf("%d trails were divided", divided)
			}
		})
	}
}
