package secure

import (
	"errors"
	"testing"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/wire"
)

// challengeOf is an NTLM challenge with these flags, [MS-NLMP] section 2.2.1.2.
func challengeOf(flags uint32) []byte {
	return pack("4e544c4d53535000 02000000", "0800 0800 38000000", flags, "0123456789abcdef 0000000000000000",
		"0400 0400 40000000", "0a00614a0000000f", "43004f0052005000", "00000000")
}

// A challenge that would have a weak answer has none.
func TestWeakChallenges(t *testing.T) {
	const strong = ntlmAlways | ntlmSign | ntlmSeal | 4 // REQUEST_TARGET
	c := withPassword(t)
	if _, err := accept(c, challengeOf(strong)); err != nil {
		t.Errorf("a strong challenge: %v", err)
	}
	for name, missing := range map[string]uint32{
		"Unicode": ntlmUnicode, "NTLM": ntlmNTLM, "extended session security": ntlmExtended,
		"target information": ntlmTargetInfo, "128 bits": ntlm128, "key exchange": ntlmKeyExch,
	} {
		if token, err := accept(c, challengeOf(strong&^missing)); token != nil || !errors.Is(err, wire.ErrGarbled) {
			t.Errorf("without %s: %x, %v", name, token, err)
		}
	}
	if err := checkChallenge(challengeOf(strong&^ntlmSeal), ntlmAlways|ntlmSign|ntlmSeal); err == nil {
		t.Error("RPC without sealing")
	}
	at := func(i int, v ...byte) []byte {
		b := challengeOf(strong)
		copy(b[i:], v)
		return b
	}
	for _, token := range [][]byte{
		nil, challengeOf(strong)[:47], at(0, 'X'), at(8, 3), at(12, 0xff, 0xff), at(16, 0xff, 0xff, 0xff, 0xff),
		at(40, 0xff), at(44, 0xff, 0xff, 0xff, 0x7f), at(66, 0xff), at(66, 1), at(64, 1), []byte("NTLMSSP\x00\x01\x00\x00\x00 and so on and so on and so on and so on"),
	} {
		if answer, err := accept(c, token); answer != nil || !errors.Is(err, wire.ErrGarbled) {
			t.Errorf("to %x: %x, %v", token, answer, err)
		}
	}
}

// After the stop nothing is answered, and not as nobody either.
func TestNoAnswerAfterStop(t *testing.T) {
	c := withPassword(t)
	c.Stop("enough")
	if token, err := accept(c, challengeOf(ntlmAlways|4)); token != nil || !errors.Is(err, auth.ErrStopped) {
		t.Errorf("%x, %v", token, err)
	}
}

func accept(c *auth.Credential, token []byte) ([]byte, error) {
	n := New(c, Options{AllowNTLM: true}).byNTLM("cifs/10.77.0.101")
	if _, err := n.InitSecContext(); err != nil {
		return nil, err
	}
	return n.AcceptSecContext(token)
}
