//go:build lab && linux

package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const realm = "CORP.EXAMPLE"

// as returns the flags by which gpreach logs on with an account and its password.
func as(t *testing.T, account string) []string {
	t.Helper()
	return []string{"--user", account + "@" + realm, "--password-file", secretFile(t, []byte(password(t, strings.ToUpper(account))+"\r\n"))}
}

// forgive takes back what wrong passwords did to an account.
func forgive(t *testing.T, account string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "samba-tool", "user", "unlock", account, "-H", "ldap://"+dcName, "-U", "CORP/Administrator")
	cmd.Env = append(os.Environ(), "PASSWD="+password(t, "ADMINISTRATOR"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("samba-tool: %v\n%s", err, out)
	}
}

// access runs a check with a credential and returns, of each rule that can be
// logged on to, how it ended: its verdict, access and outcomes with the credential.
func access(t *testing.T, target string, args ...string) (credential, sketch string, code int) {
	t.Helper()
	stdout, stderr, code := run(t, append([]string{"check", target, "--for", "rsop", "-o", "ndjson"}, args...)...)
	var r struct {
		Credential string
		Warnings   []string
		Findings   []struct {
			Rule, Verdict, Access string
			Trail                 []struct{ Stage, Peer, Outcome, Detail string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if unused := strings.Contains(stderr, "gpreach: the credential was used at no host"); code != 4 && unused != (r.Credential == "none") {
		t.Errorf("used by %s, and standard error has: %s", r.Credential, stderr)
	}
	var out []string
	for _, f := range r.Findings[:2] {
		line := strings.TrimPrefix(f.Rule, "RemoteEventLogSvc-") + " " + f.Verdict + " " + f.Access
		for _, s := range f.Trail {
			if s.Outcome != "ok" {
				line += fmt.Sprintf(" %s=%s", s.Stage, s.Outcome)
			}
		}
		out = append(out, line)
	}
	return r.Credential, strings.Join(append(out, r.Warnings...), "; "), code
}

const (
	granted   = "NP-In-TCP reachable granted; In-TCP reachable granted"
	notOnPipe = "NP-In-TCP reachable denied call=denied; In-TCP reachable granted"
	noLogon   = "NP-In-TCP reachable untested; In-TCP reachable untested; the credential was not used at an address: Kerberos needs a name, and NTLM needs --allow-ntlm"
)

// What a real domain lets in, by each way to hold a credential.
func TestCheckWithCredential(t *testing.T) {
	utf16 := []byte{0xff, 0xfe}
	for _, r := range password(t, "ADMINISTRATOR") + "\r\n" {
		utf16 = append(utf16, byte(r), 0)
	}
	admin := []string{"--user", `CORP\Administrator`, "--password-file", secretFile(t, utf16)}
	tests := []struct {
		name, target string
		flags        []string
		credential   string
		want         string
	}{
		{"administrator", dcName, as(t, "administrator"), "kerberos", granted},
		{"DOMAIN\\name, and UTF-16", dcName, admin, "kerberos", granted},
		{"a short name", "dc1", admin, "kerberos", granted},
		{"delegated administrator", dcName, as(t, "gpadmin"), "kerberos", notOnPipe},
		{"keytab", dcName, []string{"--user", "gpadmin@" + realm, "--keytab", labFile("keys", "gpadmin.keytab")}, "kerberos", notOnPipe},
		{"ccache", dcName, []string{"--ccache", kinit(t)}, "kerberos", notOnPipe},
		{"an address", dcAddr, as(t, "gpadmin"), "none", noLogon},
		{"an address and a ticket", dcAddr, []string{"--ccache", kinit(t)}, "none", strings.Replace(noLogon, "NTLM needs --allow-ntlm", "NTLM a password, with --allow-ntlm", 1)},
		{"an address by NTLM", dcAddr, append(as(t, "gpadmin"), "--allow-ntlm"), "ntlm", notOnPipe},
		{"administrator by NTLM", dcAddr, append(admin, "--allow-ntlm"), "ntlm", granted},
		{"a name by Kerberos, with NTLM allowed", dcName, append(admin, "--allow-ntlm"), "kerberos", granted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			credential, got, code := access(t, tt.target, tt.flags...)
			if credential != tt.credential || got != tt.want || code != 1 {
				t.Errorf("exit %d, by %s: %s\nwant by %s: %s", code, credential, got, tt.credential, tt.want)
			}
		})
	}
}

// An account that is not let in ends the run before any host is asked: exit 4, and
// nothing on standard output.
func TestRefusedAccounts(t *testing.T) {
	for account, want := range map[string]string{
		"disabled": "The account is disabled", "expired": "The account has expired", "mustchange": "must be changed",
		"offhours": "at this hour", "locked": "locked out", "nobody": "has no account of this name",
	} {
		t.Run(account, func(t *testing.T) {
			flags := []string{"--user", account + "@" + realm, "--password-file", secretFile(t, []byte(password(t, "OTHER")))}
			for _, command := range [][]string{{"check", dcName, "-o", "ndjson"}, {"preflight", dcName}, {"check", dcAddr, "--allow-ntlm"}} {
				stdout, stderr, code := run(t, append(command, flags...)...)
				if code != 4 || stdout != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, "no host was probed") {
					t.Errorf("%s: exit %d, stdout %q, stderr %s", command[0], code, stdout, stderr)
				}
			}
		})
	}
	t.Run("another realm", func(t *testing.T) {
		stdout, stderr, code := run(t, "check", dcName, "--user", "gpadmin@NOWHERE.EXAMPLE", "--password-file", secretFile(t, []byte("x")))
		if code != 4 || stdout != "" || !strings.Contains(stderr, "No KDC of realm NOWHERE.EXAMPLE is known") {
			t.Errorf("exit %d, stdout %q, stderr %s", code, stdout, stderr)
		}
	})
}

// A wrong password is tried once, however many hosts there are, by Kerberos and by
// NTLM; and a locked account is not tried at any of them.
func TestWrongPasswordAtManyHosts(t *testing.T) {
	var hosts []string
	for i := 1; i <= 10; i++ {
		hosts = append(hosts, fmt.Sprintf("ws-%03d.corp.example", i), fmt.Sprintf("10.77.0.%d", 100+i))
	}
	relay(t, dcAddr, "10.77.0.101", "10.77.0.102", "10.77.0.103")
	t.Cleanup(func() { forgive(t, "lockme") })
	wrong := secretFile(t, []byte("not the password"))
	withoutKDC := secretFile(t, []byte("[libdefaults]\n dns_lookup_kdc = false\n"))
	tests := []struct {
		name, krb5 string
		flags      []string
		refused    string
	}{
		{"Kerberos", "", []string{"--user", "lockme@" + realm}, "The password is wrong"},
		{"Kerberos, with NTLM allowed", "", []string{"--user", `CORP\lockme`, "--allow-ntlm"}, "The password is wrong"},
		{"NTLM, as no KDC is known", withoutKDC, []string{"--user", `CORP\lockme`, "--allow-ntlm"}, "STATUS_LOGON_FAILURE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forgive(t, "lockme")
			if tt.krb5 != "" {
				t.Setenv("KRB5_CONFIG", tt.krb5)
			}
			args := append([]string{"check", "--password-file", wrong, "-o", "ndjson"}, tt.flags...)
			stdout, stderr, code := run(t, append(args, hosts...)...)
			if code != 4 || stdout != "" || !strings.Contains(stderr, tt.refused) {
				t.Errorf("exit %d, stdout %q, stderr %s", code, stdout, stderr)
			}
			if got := badPasswords(t, "lockme"); got != "0x00000001" {
				t.Errorf("badPwdCount %s, want 1", got)
			}
		})
	}
	t.Run("a locked account", func(t *testing.T) {
		forgive(t, "lockme")
		for range 5 {
			run(t, "check", dcName, "--user", "lockme@"+realm, "--password-file", wrong)
		}
		if got := badPasswords(t, "lockme"); got != "0x00000005" {
			t.Fatalf("badPwdCount %s after five runs with a wrong password", got)
		}
		for _, flags := range [][]string{{"--user", "lockme@" + realm}, {"--user", `CORP\lockme`, "--allow-ntlm"}} {
			args := append([]string{"check", dcName, dcAddr, "-o", "ndjson", "--password-file", secretFile(t, []byte(password(t, "LOCKME")))}, flags...)
			if stdout, stderr, code := run(t, args...); code != 4 || stdout != "" || !strings.Contains(stderr, "lock") {
				t.Errorf("exit %d, stdout %q, stderr %s", code, stdout, stderr)
			}
		}
		t.Setenv("KRB5_CONFIG", withoutKDC)
		stdout, stderr, code := run(t, "check", dcAddr, "-o", "ndjson", "--password-file", secretFile(t, []byte(password(t, "LOCKME"))), "--user", `CORP\lockme`, "--allow-ntlm")
		if code != 4 || stdout != "" || !strings.Contains(stderr, "STATUS_ACCOUNT_LOCKED_OUT") {
			t.Errorf("NTLM: exit %d, stdout %q, stderr %s", code, stdout, stderr)
		}
	})
}

// relay makes addresses of the lab answer as another does: on TCP 445 and 135, and
// on the ports of RPC. It is a host that is not who it should be.
func relay(t *testing.T, to string, from ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var rules bytes.Buffer
	fmt.Fprintf(&rules, "create table ip relay\ntable ip relay {\nchain prerouting {\ntype nat hook prerouting priority dstnat\n")
	for _, addr := range from {
		fmt.Fprintf(&rules, "ip daddr %s tcp dport { 135, 445, 49152-49200 } dnat to %s\n", addr, to)
	}
	rules.WriteString("}\n}\n")
	nft := onDC(ctx, t, "nft", "-f", "-")
	nft.Stdin = &rules
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := onDC(ctx, t, "nft", "delete", "table", "ip", "relay").CombinedOutput(); err != nil {
			t.Errorf("nft: %v\n%s", err, out)
		}
		stop()
	})
}

// A host that is not the one that was meant cannot use its ticket; it gets no NTLM
// instead, and stops nothing but itself. Samba does not tell why, as Windows would.
func TestAnotherHost(t *testing.T) {
	relay(t, dcAddr, "10.77.0.101")
	const another = "NP-In-TCP reachable denied authenticate=logon-failed; In-TCP reachable untested bind=unsupported"
	for _, flags := range [][]string{as(t, "administrator"), append(as(t, "administrator"), "--allow-ntlm")} {
		credential, got, code := access(t, "ws-001.corp.example", append(flags, "--no-identify")...)
		if credential != "kerberos" || got != another || code == 4 {
			t.Errorf("exit %d, by %s: %s, want %s", code, credential, got, another)
		}
	}
	stdout, _, code := run(t, append([]string{"check", "ws-001.corp.example", dcName, "--for", "rsop", "-o", "json"}, as(t, "administrator")...)...)
	if code != 1 || strings.Count(stdout, `"access":"granted"`) != 2 {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

// A name that the KDC does not know is said so, and is logged on to by NTLM only
// where that is allowed.
func TestUnknownService(t *testing.T) {
	const name = "gc._msdcs.corp.example" // a name of the domain controller's address that is no service's
	if addrs, err := net.DefaultResolver.LookupHost(t.Context(), name); err != nil || len(addrs) != 1 || addrs[0] != dcAddr {
		t.Fatalf("%s is %v, %v", name, addrs, err)
	}
	credential, got, _ := access(t, name, as(t, "administrator")...)
	want := "NP-In-TCP reachable untested authenticate=unsupported; In-TCP reachable untested authenticate=unsupported; " + name + " answers as " + dcName
	if credential != "none" || got != want {
		t.Errorf("by %s: %s\nwant %s", credential, got, want)
	}
	credential, got, _ = access(t, name, append(as(t, "administrator"), "--allow-ntlm")...)
	want = "NP-In-TCP reachable granted authenticate=unsupported; In-TCP reachable granted; " + name + " answers as " + dcName
	if credential != "ntlm" || got != want {
		t.Errorf("by %s: %s\nwant %s", credential, got, want)
	}
}

// Where no KDC is known NTLM is for addresses alone, and a name is said to have no
// ticket, which is nobody's refusal.
func TestWithoutKDC(t *testing.T) {
	t.Setenv("KRB5_CONFIG", secretFile(t, []byte("[libdefaults]\n dns_lookup_kdc = false\n")))
	admin := []string{"--user", `CORP\Administrator`, "--password-file", secretFile(t, []byte(password(t, "ADMINISTRATOR"))), "--allow-ntlm"}
	for target, want := range map[string]string{
		dcAddr: "ntlm: " + granted,
		dcName: "none: NP-In-TCP reachable untested authenticate=unsupported; In-TCP reachable untested authenticate=unsupported",
	} {
		credential, got, code := access(t, target, admin...)
		if got = credential + ": " + got; got != want || code == 4 {
			t.Errorf("%s: exit %d, %s; want %s", target, code, got, want)
		}
	}
	stdout, _, _ := run(t, append([]string{"check", dcAddr, dcName, "--for", "rsop", "-o", "json"}, admin...)...)
	if !strings.Contains(stdout, "The directory gives no ticket for this host: The realm of") && !strings.Contains(stdout, "The directory gives no ticket for this host: No KDC of realm") {
		t.Error(stdout)
	}
}

// No secret is in anything that gpreach writes: results in every format, logs,
// errors, what a scraper or the page sees, and where every goroutine stands.
func TestNoSecretAnywhere(t *testing.T) {
	secret := password(t, "GPADMIN")
	var all strings.Builder
	note := func(what, text string) {
		if text == "" {
			t.Errorf("%s is empty", what)
		}
		all.WriteString(text)
	}
	for _, format := range []string{"table", "ndjson", "json", "html"} {
		file := filepath.Join(t.TempDir(), "results")
		for _, flags := range [][]string{nil, {"--allow-ntlm"}} {
			args := append([]string{"check", dcName, dcAddr, "--log-level", "debug", "-o", format, "--output-file", file}, as(t, "gpadmin")...)
			_, stderr, _ := run(t, append(args, flags...)...)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			note(format, string(content))
			note(format+" log", stderr)
		}
	}
	_, stderr, _ := run(t, append([]string{"check", dcName, "--no-such-flag"}, as(t, "gpadmin")...)...)
	note("usage", stderr)
	_, stderr, _ = run(t, "check", dcName, "--user", "nobody@"+realm, "--password-file", secretFile(t, []byte(secret)))
	note("a refused account", stderr)
	_, stderr, _ = run(t, "check", dcName, "--user", "gpadmin@"+realm, "--password-file", secretFile(t, []byte(secret+"\n"+secret)))
	note("a spoilt file", stderr)
	_, stderr, _ = run(t, "check", dcName, "--user", "gpadmin@"+realm, "--password-file", secret)
	note("a secret in place of its file", stderr)
	for what, text := range serveAs(t, "gpadmin", "password_file: "+secretFile(t, []byte(secret)), syscall.SIGQUIT) { // it tells where every goroutine stands
		note(what, text)
	}
	if text := all.String(); strings.Contains(text, secret) {
		i := strings.Index(text, secret)
		t.Errorf("the password is in %q", text[max(0, i-200):i])
	}
}
