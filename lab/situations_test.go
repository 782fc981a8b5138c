//go:build lab && linux

package lab_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/winhost"
)

// simulatedFleet is a host in each situation that a credential meets, in the order of winhost.LogonFleet: ws-001 and
// on, members of the lab's domain, each with the keys of its own account there, and with the addresses from this on.
func simulatedFleet(addr netip.Addr) ([]*winhost.Host, error) {
	keytab, err := os.ReadFile(labFile("keys", "hosts.keytab"))
	if err != nil {
		return nil, err
	}
	d := winhost.LogonFleet()
	var hosts []*winhost.Host
	for i, s := range d.Situations {
		h := d.Host(s.Host)
		h.Rename(fmt.Sprintf("ws-%03d.corp.example", i+1), addr)
		addr = addr.Next()
		h.Accounts[0].Name, h.Accounts[0].Password = "gpadmin", os.Getenv("GPREACH_LAB_PASSWORD_GPADMIN")
		if err := h.UseKeytab(keytab); err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// asWindows is a firewall that drops what the hosts' own would, and lets through what is served or refused.
func asWindows(hosts []*winhost.Host) string {
	var open, all []string
	for _, h := range hosts {
		all = append(all, h.Addrs[0].String())
		for number, p := range h.Ports {
			if p.Serve != nil || p.Fate == winhost.Refuse {
				open = append(open, fmt.Sprintf("%s . %d", h.Addrs[0], number))
			}
		}
	}
	return fmt.Sprintf("ip daddr . tcp dport { %s } accept\n\t\tip daddr { %s } drop", strings.Join(open, ", "), strings.Join(all, ", "))
}

// The whole ladder in each situation that a credential meets, by the program itself over the kernel's sockets, with
// tickets of the real KDC and by NTLM. What it finds and says, and what is left behind on each host, is to the letter
// what package secure's TestLogonSituations finds in memory: the golden files are that test's.
func TestSituations(t *testing.T) {
	fleets, all := map[string][]*winhost.Host{}, []*winhost.Host(nil)
	for by, first := range map[string]string{"kerberos": idleAddr, "ntlm": namelessAddr} {
		hosts, err := simulatedFleet(netip.MustParseAddr(first))
		if err != nil {
			t.Fatal(err)
		}
		fleets[by], all = hosts, append(all, hosts...)
	}
	firewall(t, asWindows(all))
	for by, hosts := range fleets {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			situations(t, by, hosts)
		})
	}
}

// situations asks a fleet by one mechanism: eight hosts at a time, for of more at once Samba's KDC lets some connect only
// at the second try, a second later.
func situations(t *testing.T, by string, hosts []*winhost.Host) {
	t.Helper()
	golden, err := os.ReadFile(filepath.Join("..", "secure", "testdata", "situations_"+by+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, h := range hosts {
		target := h.DNSName
		if by == "ntlm" {
			target = h.Addrs[0].String()
		}
		targets = append(targets, target)
	}
	end := startSimulation(t, fleetEnv+"="+hosts[0].Addrs[0].String())
	args := append(as(t, "gpadmin"), "-o", "ndjson", "--allow-ntlm", "--timeout", "4s", "--deadline", "1m", "--concurrency", "8")
	stdout, stderr, code := run(t, append(append([]string{"check"}, targets...), args...)...)
	left := strings.Split(strings.TrimSpace(end()), "\n")
	told := strings.Split(strings.TrimRight(string(golden), "\n"), "\n\n")
	if code != 1 || len(left) != len(hosts) || len(told) != len(hosts) {
		t.Fatalf("exit %d, %d of %d hosts tell what is left, %d are in the golden file\n%s", code, len(left), len(hosts), len(told), stderr)
	}
	seen := describedAll(t, by, stdout)
	for i, s := range winhost.LogonFleet().Situations {
		t.Run(s.Name, func(t *testing.T) {
			got := fmt.Sprintf("%s: %s\n%s", s.Name, s.About, seen[targets[i]])
			if left[i] != fmt.Sprintf("%+v", winhost.Left{}) {
				got += fmt.Sprintf("  left behind: %s\n", left[i])
			}
			if diff := cmp.Diff(told[i]+"\n", got); diff != "" {
				t.Errorf("%s: -memory +lab\n%s", targets[i], diff)
			}
		})
	}
}

// describedAll is, by target, what lines of NDJSON say of the operations and of the rules with access, with the steps
// that are not ok.
func describedAll(t *testing.T, by, ndjson string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(ndjson) {
		var r report
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		if r.Credential != by {
			t.Errorf("%s: logged on by %q", r.Target, r.Credential)
		}
		var b strings.Builder
		for _, o := range r.Operations {
			fmt.Fprintf(&b, "  %s %s: %s\n", o.Operation, o.Status, o.Reason)
		}
		for _, f := range r.Findings {
			if strings.Contains(f.Rule, "-RPCSS-") {
				continue
			}
			fmt.Fprintf(&b, "  %s %s %s\n", f.Rule, f.Verdict, f.Access)
			for _, s := range f.Trail {
				if s.Outcome != "ok" {
					fmt.Fprintf(&b, "    %s %s %s\n", s.Stage, s.Outcome, s.Detail)
				}
			}
			fmt.Fprintf(&b, "    %s\n", f.Reason)
			if f.Fix != "" {
				fmt.Fprintf(&b, "    %s\n", f.Fix)
			}
		}
		all[r.Target] = b.String()
	}
	return all
}
