package sspi

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What Windows answers where there is no domain: it is asked in earnest.
func TestSystem(t *testing.T) {
	calls := System()
	user, err := calls.User()
	if t.Logf("user %q, of Kerberos %q, of NTLM %q", user, credentialName(Kerberos), credentialName(NTLM)); err != nil || user == "" {
		t.Errorf("%q, %v", user, err)
	}
	if dc, err := calls.DomainController(); err == nil {
		t.Logf("domain controller %q", dc)
	} else {
		t.Logf("no domain controller: %v", err)
	}

	// A service that no domain knows, or no domain at all.
	x, _, err := calls.Begin(Kerberos, "host/no-such-host.invalid", RPC)
	t.Logf("Kerberos: %v", err)
	if _, ok := errors.AsType[Status](err); !ok {
		t.Errorf("%v, %v", x, err)
	}

	x, token, err := calls.Begin(NTLM, "cifs/127.0.0.1", SMB)
	if status, ok := errors.AsType[Status](err); ok { // as where a policy forbids it
		t.Skipf("NTLM: %v", status)
	}
	if err != nil || !bytes.HasPrefix(token, []byte("NTLMSSP\x00\x01\x00\x00\x00")) {
		t.Fatalf("%q, %v", token, err)
	}
	defer x.Close()
	if _, err := x.Seal(Buffer{Data, []byte("x")}); !errors.Is(err, errUnready) {
		t.Errorf("it seals before it is complete: %v", err)
	}
	if _, err := x.Continue([]byte("no challenge")); err == nil {
		t.Error("it takes what is no challenge")
	}
}

// What Credential Manager would use for a host is told by its target, and what is no
// domain's is not.
func TestSaved(t *testing.T) {
	const target = "gpreach-test.invalid"
	isTarget := func(said string) bool { return said == target || said == "Domain:target="+target }
	library := windows.NewLazySystemDLL("advapi32.dll")
	name, err := windows.UTF16PtrFromString(target)
	if err != nil {
		t.Fatal(err)
	}
	user, err := windows.UTF16PtrFromString(`CORP\another`)
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[uint32]bool{1: false, domainPassword: true} { // CRED_TYPE_GENERIC
		credential := struct {
			savedCredential
			Comment        *uint16
			LastWritten    windows.Filetime
			Size           uint32
			Blob           *byte
			Persist, Count uint32
			Attributes     uintptr
			Alias, User    *uint16
		}{savedCredential: savedCredential{Type: kind, TargetName: name}, Persist: 1, User: user} // CRED_PERSIST_SESSION
		if ok, _, err := library.NewProc("CredWriteW").Call(uintptr(unsafe.Pointer(&credential)), 0); ok == 0 {
			t.Fatal(err)
		}
		targets, err := System().Saved()
		if err != nil || slices.ContainsFunc(targets, isTarget) != want {
			t.Errorf("of type %d: %q, %v", kind, targets, err)
		}
		if ok, _, err := library.NewProc("CredDeleteW").Call(uintptr(unsafe.Pointer(name)), uintptr(kind), 0); ok == 0 {
			t.Error(err)
		}
	}
	targets, err := System().Saved()
	if t.Logf("other credentials are saved for %q", targets); err != nil || slices.ContainsFunc(targets, isTarget) {
		t.Error(err)
	}
}
