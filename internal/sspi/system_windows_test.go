package sspi

import (
	"bytes"
	"errors"
	"testing"
)

// What Windows answers where there is no domain: it is asked in earnest.
func TestSystem(t *testing.T) {
	calls := System()
	user, err := calls.User()
	if t.Logf("user %q", user); err != nil || user == "" {
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
		t.Logf("NTLM: %v", status)
		return
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
