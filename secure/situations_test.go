package secure

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// domainCredential is the account of a Domain, by tickets or by password.
func domainCredential(t *testing.T, d *winhost.Domain, by string) *auth.Credential {
	t.Helper()
	t.Setenv("KRB5_CONFIG", os.DevNull)
	source, secret := auth.Source{CCache: filepath.Join(t.TempDir(), "secret")}, []byte(nil)
	var err error
	if by == "kerberos" {
		secret, err = d.Tickets(time.Hour)
	} else {
		source, secret = auth.Source{User: `DEMO\` + d.User, PasswordFile: source.CCache}, []byte(d.Password)
	}
	if err == nil {
		err = os.WriteFile(source.CCache+source.PasswordFile, secret, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := auth.Read(source)
	if err != nil {
		t.Fatal(err)
	}
	if by == "kerberos" {
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestLogonSituations climbs the whole ladder at a host in each situation that a
// credential meets, by Kerberos and by NTLM. The golden file has what each is found to
// be, with the sentences, and what is left behind on the host.
func TestLogonSituations(t *testing.T) {
	for _, by := range []string{"kerberos", "ntlm"} {
		t.Run(by, func(t *testing.T) {
			var all strings.Builder
			synctest.Test(t, func(t *testing.T) { climbAll(t, by, &all) })
			path := filepath.Join("testdata", "situations_"+by+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || string(want) != all.String() {
				t.Errorf("%v: not as in %s (go test ./secure -run TestLogonSituations -update writes it):\n%s", err, path, &all)
			}
		})
	}
}

func climbAll(t *testing.T, by string, all *strings.Builder) {
	t.Helper()
	d := winhost.LogonFleet()
	c := domainCredential(t, d, by)
	p := &probe.Prober{
		Dial: d.Network.Dial, Lookup: d.Network.Lookup, Timeout: 2 * time.Second, Deadline: 15 * time.Second, SMBPort: 445, MapperPort: 135,
		Authenticate: New(c, Options{AllowNTLM: true}).Begin,
	}
	var hosts []string
	for _, s := range d.Situations {
		h := d.Host(s.Host)
		target := s.Host
		if by == "ntlm" {
			target = h.Addrs[0].String()
		}
		hosts = append(hosts, h.Addrs[0].String())
		fmt.Fprintf(all, "%s: %s\n%s", s.Name, s.About, described(p.Probe(t.Context(), probe.Target{Name: target}, probe.Operations())))
		if left := h.Left(); left != (winhost.Left{}) {
			fmt.Fprintf(all, "  left behind: %+v\n", left)
		}
		all.WriteByte('\n')
	}
	for _, dialled := range d.Network.Dialled() {
		if addr, _, _ := strings.Cut(dialled, ":"); !slices.Contains(hosts, addr) {
			t.Errorf("%s is dialled", dialled)
		}
	}
	if why := c.Why(); why != "" {
		t.Errorf("stopped: %s", why)
	}
}

// described is what a report says of the operations and of the rules with access, with
// the steps that are not ok. The lab's TestSituations makes the same of NDJSON.
func described(r *probe.Report) string {
	var b strings.Builder
	for _, o := range r.Operations {
		fmt.Fprintf(&b, "  %s %s: %s\n", o.Operation, o.Status, o.Reason)
	}
	for _, f := range r.Findings {
		if f.Rule.Route == probe.ByMapper {
			continue
		}
		fmt.Fprintf(&b, "  %s %s %s\n", f.Rule.ID, f.Verdict, f.Access)
		for _, s := range f.Trail {
			if s.Outcome != probe.OK {
				fmt.Fprintf(&b, "    %s %s %s\n", s.Stage, s.Outcome, s.Detail)
			}
		}
		fmt.Fprintf(&b, "    %s\n", f.Reason)
		if f.Fix != "" {
			fmt.Fprintf(&b, "    %s\n", f.Fix)
		}
	}
	return b.String()
}
