package sspi

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/alexbrainman/sspi"
	"golang.org/x/sys/windows"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// hostChallenge is what a Windows host offers: sealing, signing, 128 bits, and its
// names, [MS-NLMP] section 2.2.1.2.
const hostChallenge = "4e544c4d53535000 02000000 0800080038000000 35828a62 0123456789abcdef 0000000000000000 1c001c0040000000 0a00614a0000000f" +
	"43004f0052005000 0200080043004f0052005000 0700080080b8ab03f4b6dc01 00000000"

// isWine reports whether this Windows is wine.
func isWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// actingAs are the calls of Windows, where NTLM's credential is an account's that no
// directory knows of.
func actingAs(t *testing.T, user, password string) *Calls {
	t.Helper()
	identity := &sspi.SEC_WINNT_AUTH_IDENTITY{Flags: sspi.SEC_WINNT_AUTH_IDENTITY_UNICODE}
	text := func(s string) (*uint16, uint32) {
		u, err := windows.UTF16FromString(s)
		if err != nil {
			t.Fatal(err)
		}
		return &u[0], uint32(len(u) - 1)
	}
	identity.User, identity.UserLength = text(user)
	identity.Domain, identity.DomainLength = text("CORP")
	identity.Password, identity.PasswordLength = text(password)
	name, _ := text(string(NTLM))
	calls := System()
	calls.Acquire = func(Package) (h Handle, _ Status) {
		return h, Status(sspi.AcquireCredentialsHandle(nil, name, sspi.SECPKG_CRED_OUTBOUND, nil, (*byte)(unsafe.Pointer(identity)),
			0, 0, (*sspi.CredHandle)(&h), new(syscall.Filetime)))
	}
	return calls
}

// Windows talks NTLM with the simulated host: the keys are the same, and what the one
// signs or seals the other verifies or opens.
func TestTalk(t *testing.T) {
	const user, password = "tester", "correct horse"
	challenge, err := hex.DecodeString(strings.ReplaceAll(hostChallenge, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	h := &logon.Host{
		Challenge: func([]byte) []byte { return challenge },
		Domains:   []string{"CORP"},
		Password:  func(name string) (string, bool) { return password, name == user },
	}
	host, calls := h.Begin(logon.TypeNTLM), actingAs(t, user, password)
	if isWine() {
		t.Log("wine tells at the second call nothing of what it grants, and no session key")
		initialize := calls.Initialize
		calls.Initialize = func(s Step) (Progress, Status) {
			p, status := initialize(s)
			p.Granted = s.Flags
			return p, status
		}
	}
	x, token, err := calls.Begin(NTLM, "host/ws-001", RPC)
	if isWine() && errors.Is(err, PackageNotFound) {
		t.Skip("wine has NTLM only where Samba's ntlm_auth is")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	answer, _, err := host.Accept(token)
	if err != nil {
		t.Fatal(err)
	}
	if token, err = x.Continue(answer); err != nil {
		t.Fatal(err)
	}
	if _, done, err := host.Accept(token); err != nil || !done {
		t.Fatalf("the host: %t, %v", done, err)
	}
	if x.Size(false) != host.SignatureLen(false) || x.Size(true) != host.SignatureLen(true) {
		t.Errorf("sizes %d, %d", x.Size(false), x.Size(true))
	}
	switch key, err := x.SessionKey(); {
	case isWine() && errors.Is(err, Unsupported):
	case err != nil || !bytes.Equal(key, host.SessionKey()):
		t.Errorf("key %x, %v", key, err)
	}

	list := Buffer{Data, []byte("mechTypes")}
	signature, err := x.Sign(list)
	if err != nil || host.Open(logon.Message{Body: list.Data}, signature) != nil {
		t.Errorf("signature %x, %v", signature, err)
	}
	if signature, err = host.Protect(logon.Message{Body: list.Data}); err == nil {
		err = x.Verify(signature, list)
	}
	if err != nil {
		t.Error(err)
	}
	for _, stub := range []string{"the stub of a call", ""} {
		m := logon.Message{Header: []byte("header"), Body: []byte(stub), Trailer: []byte("trailer"), Sealed: true, Whole: true}
		parts := []Buffer{{SignedOnly, m.Header}, {Data, m.Body}, {SignedOnly, m.Trailer}}
		token, err := x.Seal(parts...)
		if sealed := stub != "" && string(m.Body) != stub; err != nil || len(token) != 16 || sealed != (stub != "") {
			t.Errorf("%q: sealed %x, %x, %v", stub, m.Body, token, err)
		}
		if err := host.Open(m, token); err != nil || string(m.Body) != stub {
			t.Errorf("%q: the host: %q, %v", stub, m.Body, err)
		}
		if token, err = host.Protect(m); err != nil {
			t.Fatal(err)
		}
		if err := x.Unseal(token, parts...); err != nil || string(m.Body) != stub || string(m.Header)+string(m.Trailer) != "headertrailer" {
			t.Errorf("%q: %q, %v", stub, m.Body, err)
		}
	}
	if token, err = host.Protect(logon.Message{Body: []byte("a stub"), Sealed: true}); err != nil {
		t.Fatal(err)
	}
	if err := x.Unseal(token, Buffer{Data, []byte("b stub")}); !errors.Is(err, MessageAltered) {
		t.Errorf("what was altered on the way: %v", err)
	}
}
