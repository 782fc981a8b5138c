package auth

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gpreach/gpreach/internal/sspi"
)

// A fakeWindows is a Windows that says the same of every token, and counts.
type fakeWindows struct {
	controller error
	saved      []string // targets of other credentials
	savedError error
	says       func(target string) sspi.Status
	hangs      chan struct{} // until it is closed nothing is answered; may be nil

	asked, deleted atomic.Int64
}

func (w *fakeWindows) calls() *sspi.Calls {
	return &sspi.Calls{
		User:  func() (string, error) { return `CORP\admin`, nil },
		Saved: func() ([]string, error) { return w.saved, w.savedError },
		DomainController: func() (string, error) {
			return "dc.corp.example", w.controller
		},
		Acquire: func(sspi.Package) (sspi.Handle, sspi.Status) { return sspi.Handle{Lower: 1}, sspi.OK },
		Initialize: func(s sspi.Step) (sspi.Progress, sspi.Status) {
			w.asked.Add(1)
			if w.hangs != nil {
				<-w.hangs
			}
			if status := w.says(s.Target); status != sspi.OK {
				return sspi.Progress{}, status
			}
			return sspi.Progress{Context: sspi.Handle{Lower: 2}, Token: []byte("token for " + s.Target)}, sspi.ContinueNeeded
		},
		Delete: func(sspi.Handle, *sspi.Handle) { w.deleted.Add(1) },
	}
}

// of says one thing of the domain controller, and another of hosts.
func of(controller, host sspi.Status) func(string) sspi.Status {
	return func(target string) sspi.Status {
		if target == "host/dc.corp.example" {
			return controller
		}
		return host
	}
}

func sessionOf(t *testing.T, w *fakeWindows) *Credential {
	t.Helper()
	c, err := ReadSession(w.calls())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A logon session has a name and nothing else, and is verified once by a token that
// goes nowhere.
func TestSession(t *testing.T) {
	w := &fakeWindows{says: of(sspi.OK, sspi.OK)}
	c := sessionOf(t, w)
	if c.User() != `CORP\admin` || c.HasPassword() || !c.OfSession() || !c.HasNTLM() || !hasKDC(t, c) {
		t.Errorf("%s, %t, %t, %t", c.User(), c.HasPassword(), c.OfSession(), c.HasNTLM())
	}
	if _, _, err := c.Context(t.Context(), sspi.Kerberos, "host/ws-001", sspi.RPC); !errors.Is(err, errUnverified) { // though a KDC is known
		t.Errorf("before Verify: %v", err)
	}
	for range 2 {
		if err := c.Verify(t.Context()); err != nil || w.asked.Load() != 1 || w.deleted.Load() != 1 {
			t.Fatalf("%v, asked %d times, deleted %d", err, w.asked.Load(), w.deleted.Load())
		}
	}
	x, token, err := c.Context(t.Context(), sspi.Kerberos, "host/ws-001", sspi.RPC)
	if err != nil || string(token) != "token for host/ws-001" {
		t.Fatalf("%q, %v", token, err)
	}
	x.Close()
	c.Stop("enough")
	if _, _, err := c.Context(t.Context(), sspi.Kerberos, "host/ws-002", sspi.RPC); !errors.Is(err, ErrStopped) || w.asked.Load() != 2 {
		t.Errorf("after the stop: %v, asked %d times", err, w.asked.Load())
	}
	if stats := c.Stats(); stats != (Stats{}) {
		t.Errorf("%+v: nothing of it is our own", stats)
	}
	for _, service := range []string{"", "host", "host/a b", "host/" + strings.Repeat("x", maxName)} {
		if _, _, err := sessionOf(t, w).Context(t.Context(), sspi.NTLM, service, sspi.SMB); err == nil {
			t.Errorf("%q is a service", service)
		}
	}
}

// Of what Windows says of the domain controller all is an error of Verify, and what
// is about the account stops the credential.
func TestSessionRefused(t *testing.T) {
	for status, want := range map[sspi.Status]struct {
		text    string
		stopped bool
	}{
		sspi.LogonDenied:   {"its password may have changed since (then log on again), or it is locked, disabled or expired", true},
		0x80070775:         {"locked out", true},
		0xC0000072:         {"disabled", true},
		0x80070701:         {"has expired", true},
		0x80070532:         {"password has expired", true},
		0xC000006A:         {"log on again", true},
		0xC0000064:         {"no account", true},
		0x8007052F:         {"policy", true},
		sspi.NoCredentials: {"nothing to get one by", false}, sspi.NoAuthority: {"No domain controller", false},
		sspi.TimeSkew: {"clock", false}, sspi.TargetUnknown: {"knows no service host/dc.corp.example", false},
		sspi.WrongPrincipal: {"twice", false}, sspi.PackageNotFound: {"no Kerberos", false}, sspi.SmartcardRequired: {"smart card", false},
		sspi.NoKerberosKey: {"of a kind", false}, sspi.DowngradeDetected: {"attack", false}, 0x80090302: {"no token", false},
	} {
		w := &fakeWindows{says: of(status, sspi.OK)}
		c := sessionOf(t, w)
		for again := range 2 { // once, however often it is wanted
			failed, ok := errors.AsType[*SessionError](c.Verify(t.Context()))
			switch {
			case again == 1 && want.stopped && !ok: // the stop, told again
			case !ok || failed.Status != status || !strings.Contains(failed.Error(), want.text) || !strings.HasSuffix(failed.Error(), ")"):
				t.Errorf("%v: %v", status, failed)
			}
		}
		if w.asked.Load() != 1 || w.deleted.Load() != 1 || (c.Why() != "") != want.stopped {
			t.Errorf("%v: asked %d times, stopped by %q", status, w.asked.Load(), c.Why())
		}
		if _, _, err := c.Context(t.Context(), sspi.Kerberos, "host/ws-001", sspi.RPC); err == nil || w.asked.Load() != 1 {
			t.Errorf("%v: a host was asked: %v", status, err)
		}
	}
}

// Of what Windows says of a host only what is about the account stops the run; the
// rest is told again to who asks again.
func TestSessionRefusesHost(t *testing.T) {
	for status, stopped := range map[sspi.Status]bool{
		sspi.TargetUnknown: false, sspi.TimeSkew: false, sspi.WrongPrincipal: false, sspi.NoAuthority: false, sspi.InternalError: false,
		0xC000006E: false, 0x8007052F: false, 0xC0000413: false, // policies, of that host
		sspi.LogonDenied: true, 0xD0000234: true, 0x80070533: true,
	} {
		w := &fakeWindows{says: of(sspi.OK, status)}
		c := sessionOf(t, w)
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, _, err := c.Context(t.Context(), sspi.Kerberos, "HOST/ws-001", sspi.RPC)
			if failed, ok := errors.AsType[*SessionError](err); !stopped && (!ok || failed.Status != status) || err == nil {
				t.Errorf("%v: %v", status, err)
			}
		}
		asked := int64(2)
		if status == sspi.NoAuthority { // it passes
			asked = 3
		}
		if (c.Why() != "") != stopped || w.asked.Load() != asked || w.deleted.Load() != asked {
			t.Errorf("%v: stopped by %q, asked %d times, deleted %d", status, c.Why(), w.asked.Load(), w.deleted.Load())
		}
	}
}

// Without a domain nothing is asked.
func TestSessionWithoutDomain(t *testing.T) {
	w := &fakeWindows{controller: errors.New("no such domain"), says: of(sspi.OK, sspi.OK)}
	c := sessionOf(t, w)
	if hasKDC(t, c) {
		t.Error("there is a KDC")
	}
	if err := c.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "finds no domain controller (no such domain); this machine must be a member of a domain, and on its network") || c.Why() != "" {
		t.Errorf("%v", err)
	}
	if _, _, err := c.Context(t.Context(), sspi.Kerberos, "cifs/ws-001", sspi.SMB); !errors.Is(err, ErrNoKDC) || w.asked.Load() != 0 {
		t.Errorf("a host by Kerberos: %v", err)
	}
	w.controller = nil // it is asked again
	if err := c.Verify(t.Context()); err != nil || w.asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, w.asked.Load())
	}
	for _, name := range []string{"", `CORP\` + strings.Repeat("x", maxName), "a\nb"} {
		calls := w.calls()
		calls.User = func() (string, error) { return name, nil }
		if _, err := ReadSession(calls); err == nil {
			t.Errorf("%q is a user", name)
		}
	}
}

// Where Credential Manager holds what Windows would use instead of the session, there is
// no credential: but what it holds for remote desktops is used for these alone.
func TestSavedCredentials(t *testing.T) {
	for _, tt := range []struct {
		saved []string
		err   error
		want  string
	}{
		{nil, nil, ""},
		{[]string{"TERMSRV/ws-001", "termsrv/ws-002", "Domain:target=TERMSRV/ws-003", `Domain:interactive=CORP\admin`, "Domain:batch=TaskScheduler:Task:{1}"}, nil, ""},
		{[]string{"TERMSRV/ws-001", "ws-001"}, nil, "for ws-001; remove"},
		{[]string{"domain:TARGET=ws-001", "Domain:target=", "Domain:other=ws-002"}, nil, "for ws-001, , Domain:other=ws-002; remove"},
		{[]string{"*.corp.example", "*Session", "a\nb", "d", "e"}, nil, "for *.corp.example, *Session, a?b, 2 more; remove"},
		{nil, errors.New("CredEnumerate: broken"), "CredEnumerate: broken"},
	} {
		w := &fakeWindows{saved: tt.saved, savedError: tt.err, says: of(sspi.OK, sspi.OK)}
		c, err := ReadSession(w.calls())
		if (c != nil) != (tt.want == "") || (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, %v", tt.saved, c, err)
		}
	}
}
