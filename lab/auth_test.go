//go:build lab && linux

package lab_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/gpreach/gpreach/internal/auth"
)

// password is one of the lab's.
func password(t *testing.T, of string) string {
	t.Helper()
	p := os.Getenv("GPREACH_LAB_PASSWORD_" + of)
	if p == "" {
		t.Fatal("not in a lab; see the top of lab_test.go")
	}
	return p
}

// labFile is one of the lab's files.
func labFile(elem ...string) string {
	return filepath.Join(append([]string{os.Getenv("GPREACH_LAB_DIR")}, elem...)...)
}

// secretFile is a file that only its owner may read.
func secretFile(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// withPassword reads a credential from a password file.
func withPassword(t *testing.T, user, password string) *auth.Credential {
	t.Helper()
	return credential(t, auth.Source{User: user, PasswordFile: secretFile(t, []byte(password+"\n"))})
}

func credential(t *testing.T, s auth.Source) *auth.Credential {
	t.Helper()
	c, err := auth.Read(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// kerberos makes a krb5.conf for the rest of the test.
func kerberos(t *testing.T, libdefaults, kdcs string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "krb5.conf")
	conf := "[libdefaults]\n" + libdefaults + "\n[realms]\nCORP.EXAMPLE = {\n" + kdcs + "\n}\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KRB5_CONFIG", file)
}

func hasKDC(t *testing.T, c *auth.Credential) bool {
	t.Helper()
	err := c.HasKDC(t.Context())
	if err != nil && !errors.Is(err, auth.ErrNoKDC) {
		t.Error(err)
	}
	return err == nil
}

// proves verifies a credential and gets a ticket by it.
func proves(t *testing.T, c *auth.Credential) {
	t.Helper()
	if err := c.HasKDC(t.Context()); err != nil {
		t.Fatal("no KDC", err)
	}
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	ticket, err := c.Ticket(t.Context(), "cifs/"+dcName)
	if err != nil {
		t.Fatal(err)
	}
	if ticket.Service != "cifs/"+dcName || time.Until(ticket.End) < time.Hour {
		t.Errorf("a ticket for %s until %s", ticket.Service, ticket.End)
	}
}

func TestCredentialProves(t *testing.T) {
	gpadmin := password(t, "GPADMIN")
	utf16le := binary.LittleEndian
	wide := utf16le.AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(gpadmin + "\r\n")) {
		wide = utf16le.AppendUint16(wide, unit)
	}
	tests := []struct {
		name   string
		source auth.Source
	}{
		{"password", auth.Source{User: "gpadmin@corp.example", PasswordFile: secretFile(t, []byte(gpadmin))}},
		{"password in UTF-16", auth.Source{User: "gpadmin@CORP.EXAMPLE", PasswordFile: secretFile(t, wide)}},
		{"DOMAIN and name, prompt", auth.Source{User: `corp\gpadmin`, Prompt: func(string) ([]byte, error) { return []byte(gpadmin), nil }}},
		{"another case", auth.Source{User: "GPAdmin@corp.example", PasswordFile: secretFile(t, []byte(gpadmin))}},
		{"Administrator", auth.Source{User: "Administrator@corp.example", PasswordFile: secretFile(t, []byte(password(t, "ADMINISTRATOR")))}},
		{"keytab", auth.Source{User: "gpadmin@corp.example", Keytab: labFile("keys", "gpadmin.keytab")}},
		{"RC4 alone, password", auth.Source{User: "rc4only@corp.example", PasswordFile: secretFile(t, []byte(password(t, "OTHER")))}},
		{"RC4 alone, keytab", auth.Source{User: "rc4only@corp.example", Keytab: labFile("keys", "rc4only.keytab")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := credential(t, tt.source)
			proves(t, c)
			if got := c.Stats(); got.AS != 1 || got.TGS != 1 {
				t.Errorf("it took %+v", got)
			}
		})
	}
}

// kinit makes a ccache by the tool that everyone has.
func kinit(t *testing.T, services ...string) string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "ccache")
	cmd := exec.CommandContext(t.Context(), "kinit", "-c", cache, "-kt", labFile("keys", "gpadmin.keytab"), "gpadmin@CORP.EXAMPLE")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kinit: %v\n%s", err, out)
	}
	for _, s := range services {
		if out, err := exec.CommandContext(t.Context(), "kvno", "-c", cache, s).CombinedOutput(); err != nil {
			t.Fatalf("kvno: %v\n%s", err, out)
		}
	}
	return cache
}

func TestCredentialOfCCache(t *testing.T) {
	c := credential(t, auth.Source{CCache: "FILE:" + kinit(t, "cifs/ws-001.corp.example")})
	if c.User() != "gpadmin@CORP.EXAMPLE" || c.HasPassword() {
		t.Errorf("user %q, has a password: %t", c.User(), c.HasPassword())
	}
	if err := c.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.Ticket(t.Context(), "CIFS/ws-001.corp.example"); err != nil {
		t.Error(err)
	}
	if got := c.Stats(); got != (auth.Stats{}) {
		t.Errorf("a ticket of the ccache took %+v", got)
	}
	proves(t, c)
	if got := c.Stats(); got != (auth.Stats{TGS: 1, Requests: 1}) {
		t.Errorf("another ticket took %+v", got)
	}
}

// What real KDCs say of accounts, and what becomes of the credential.
func TestCredentialRefused(t *testing.T) {
	tests := []struct {
		user, password string
		code           int32
		status         uint32
		text           string
	}{
		{"nobody@corp.example", "x", 6, 0, "no account of this name"},
		{"disabled@corp.example", password(t, "OTHER"), 18, 0xC0000072, "The account is disabled."},
		{"expired@corp.example", password(t, "OTHER"), 18, 0xC0000193, "The account has expired."},
		{"locked@corp.example", password(t, "OTHER"), 18, 0, "locked out"}, // Samba does not tell it from others
		{"offhours@corp.example", password(t, "OTHER"), 18, 0xC000006F, "may not log on at this hour"},
		{"mustchange@corp.example", password(t, "OTHER"), 23, 0xC0000224, "must be changed"},
	}
	for _, tt := range tests {
		t.Run(tt.user, func(t *testing.T) {
			c := withPassword(t, tt.user, tt.password)
			var refused *auth.KDCError
			if err := c.Verify(t.Context()); !errors.As(err, &refused) {
				t.Fatal(err)
			}
			if refused.Code != tt.code || refused.NTStatus != tt.status || !strings.Contains(refused.Text, tt.text) || refused.KDC != dcAddr+":88" {
				t.Errorf("%s: code %d, status %08X: %s", refused.KDC, refused.Code, refused.NTStatus, refused.Text)
			}
			if !refused.Stops() || c.Why() == "" {
				t.Error("the credential would be used again")
			}
			if _, err := c.Ticket(t.Context(), "cifs/"+dcName); !errors.Is(err, auth.ErrStopped) {
				t.Errorf("a ticket afterwards: %v", err)
			}
		})
	}
}

// badPasswords is how often the directory has seen a wrong password of a user.
func badPasswords(t *testing.T, user string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "rpcclient", "-U", "CORP/Administrator", dcName, "-c", "queryuser "+user)
	cmd.Env = append(os.Environ(), "PASSWD="+password(t, "ADMINISTRATOR"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rpcclient: %v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		if key, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.Contains(key, []byte("bad_password_count")) {
			return string(bytes.TrimSpace(value))
		}
	}
	t.Fatalf("rpcclient does not tell:\n%s", out)
	return ""
}

func TestWrongPasswordIsSentOnce(t *testing.T) {
	// A right one makes the count 0 again, however often this test is run.
	if err := withPassword(t, "lockme@corp.example", password(t, "LOCKME")).Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := badPasswords(t, "lockme"); got != "0x00000000" {
		t.Fatalf("badPwdCount %s before", got)
	}
	c := withPassword(t, "lockme@corp.example", "not the password")
	for range 20 {
		var refused *auth.KDCError
		if err := c.Verify(t.Context()); !errors.As(err, &refused) || refused.Code != 24 || !refused.Stops() {
			t.Fatal(err)
		}
	}
	if got := badPasswords(t, "lockme"); got != "0x00000001" {
		t.Errorf("badPwdCount %s after", got)
	}
	if err := withPassword(t, "lockme@corp.example", password(t, "LOCKME")).Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTickets(t *testing.T) {
	c := withPassword(t, "gpadmin@corp.example", password(t, "GPADMIN"))
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	for service, etype := range map[string]int32{"host/ws-001.corp.example": 18, "cifs/ws-010.corp.example": 23} {
		ticket, err := c.Ticket(t.Context(), service)
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		if ticket.Key.KeyType != 18 || ticket.Ticket.EncPart.EType != etype {
			t.Errorf("%s: session key %d, ticket %d", service, ticket.Key.KeyType, ticket.Ticket.EncPart.EType)
		}
	}
	var refused *auth.KDCError
	_, err := c.Ticket(t.Context(), "cifs/nobody.corp.example")
	if !errors.As(err, &refused) || refused.Code != 7 || refused.Stops() {
		t.Errorf("a host that nobody knows: %v", err)
	}
	if _, err := c.Ticket(t.Context(), "host/ws-001.corp.example"); err != nil {
		t.Error(err)
	}
	if got := c.Stats(); got.TGS != 3 {
		t.Errorf("it took %+v", got)
	}
}

func TestKDCs(t *testing.T) {
	silent := net.JoinHostPort(dcAddr, "89")
	gpadmin := password(t, "GPADMIN")
	t.Run("by DNS", func(t *testing.T) {
		kerberos(t, "", "")
		proves(t, withPassword(t, "gpadmin@corp.example", gpadmin))
	})
	t.Run("DNS is not to be asked", func(t *testing.T) {
		kerberos(t, "dns_lookup_kdc = false", "")
		c := withPassword(t, "gpadmin@corp.example", gpadmin)
		if err := c.Verify(t.Context()); !errors.Is(err, auth.ErrNoKDC) || hasKDC(t, c) {
			t.Error(err)
		}
	})
	t.Run("a realm of nobody", func(t *testing.T) {
		c := withPassword(t, "gpadmin@nowhere.example", gpadmin)
		if err := c.Verify(t.Context()); !errors.Is(err, auth.ErrNoKDC) || hasKDC(t, c) {
			t.Error(err)
		}
	})
	t.Run("the KDC's other realm", func(t *testing.T) {
		kerberos(t, "", "}\nOTHER.EXAMPLE = {\nkdc = "+dcName)
		c := withPassword(t, "gpadmin@other.example", gpadmin)
		var refused *auth.KDCError
		if err := c.Verify(t.Context()); !errors.As(err, &refused) || refused.Code == 0 {
			t.Error(err)
		}
	})
	t.Run("the second after one that is closed", func(t *testing.T) {
		kerberos(t, "", "kdc = "+idleAddr+"\nkdc = "+dcName)
		proves(t, withPassword(t, "gpadmin@corp.example", gpadmin))
	})
	t.Run("the second after one that is silent", func(t *testing.T) {
		firewall(t, "tcp dport 89 drop")
		kerberos(t, "", "kdc = "+silent+"\nkdc = "+dcName)
		proves(t, withPassword(t, "gpadmin@corp.example", gpadmin))
	})
	t.Run("none but one that is silent", func(t *testing.T) {
		firewall(t, "tcp dport 89 drop")
		kerberos(t, "", "kdc = "+silent)
		c := withPassword(t, "gpadmin@corp.example", gpadmin)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := c.Verify(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("none but one that is closed", func(t *testing.T) {
		kerberos(t, "", "kdc = "+idleAddr)
		var failed *auth.KDCError
		err := withPassword(t, "gpadmin@corp.example", gpadmin).Verify(t.Context())
		if !errors.As(err, &failed) || failed.Stops() || !strings.Contains(err.Error(), "refused") {
			t.Error(err)
		}
	})
}
