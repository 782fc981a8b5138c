package winhost

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	smb2 "github.com/cloudsoda/go-smb2"
)

// The examples of RFC 4493 section 4.
func TestCMAC(t *testing.T) {
	const message = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	sum := newCMAC(raw(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	for length, want := range map[int]string{
		0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		if got := hex.EncodeToString(sum(raw(t, message)[:length])); got != want {
			t.Errorf("of %d bytes: %s, want %s", length, got, want)
		}
	}
}

// smbAs logs on to a service by go-smb2, with signing.
func smbAs(t *testing.T, serve func(net.Conn), user, password string) (*smb2.Session, error) {
	t.Helper()
	d := &smb2.Dialer{
		Negotiator: smb2.Negotiator{RequireMessageSigning: true},
		Initiator:  &smb2.NTLMInitiator{User: user, Password: password, Domain: "CORP"},
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s, err := d.DialConn(ctx, connected(t, serve), "ws-001.corp.example")
	if err != nil {
		return nil, err
	}
	return s.WithContext(ctx), nil
}

// status returns the NTSTATUS that an error of go-smb2's is about.
func status(err error) string {
	if e, ok := errors.AsType[*smb2.ResponseError](err); ok {
		return fmt.Sprintf("%#x", e.Code)
	}
	return fmt.Sprint(err)
}

func TestSMBSession(t *testing.T) {
	for _, tt := range []struct {
		name           string
		change         func(*SMB)
		user, password string
		share, pipe    string
		want           string
	}{
		{"the pipe of the event log", nil, "reader", testPassword, "IPC$", "eventlog", "ok"},
		{"signing required", func(s *SMB) { s.SigningRequired = true }, "reader", testPassword, "IPC$", "eventlog", "ok"},
		{"SMB 2.0.2", func(s *SMB) { s.Dialect = 0x0202 }, "reader", testPassword, "IPC$", "eventlog", "ok"},
		{"SMB 3.0", func(s *SMB) { s.Dialect = 0x0300 }, "reader", testPassword, "IPC$", "eventlog", "ok"},
		{"another pipe", nil, "reader", testPassword, "IPC$", "atsvc", "file does not exist"},
		{"another share", nil, "admin", testPassword, "C$", "", "0xc00000cc"},
		{"a wrong password", nil, "reader", "wrong", "", "", "0xc000006d"},
		{"a stranger", nil, "stranger", testPassword, "", "", "0xc000006d"},
		{"an account that is locked", func(s *SMB) { s.Refusal = 0xc0000234 }, "reader", "wrong", "", "", "0xc0000234"},
		{"NTLM refused", func(s *SMB) { s.Host.NoNTLM = true }, "reader", testPassword, "", "", "NTLM was blocked"},
		{"the pipe refused", func(s *SMB) { s.Open = deniedStatus }, "admin", testPassword, "IPC$", "eventlog", "permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := admitting(t)
			server := SMB{Host: h}
			if tt.change != nil {
				tt.change(&server)
			}
			if got := openPipe(t, server, tt.user, tt.password, tt.share, tt.pipe); !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if left := h.Left(); left.Sessions+left.Trees+left.Files != 0 {
				t.Errorf("left %+v", left)
			}
		})
	}
}

// openPipe opens a pipe of a share and lets go of all. It says how far it came.
func openPipe(t *testing.T, server SMB, user, password, share, pipe string) string {
	t.Helper()
	s, err := smbAs(t, server.Serve, user, password)
	if err != nil {
		return status(err)
	}
	defer func() { _ = s.Logoff() }()
	tree, err := s.Mount(share)
	if err != nil {
		return status(err)
	}
	defer func() { _ = tree.Umount() }()
	f, err := tree.OpenFile(pipe, os.O_RDWR, 0o600)
	if err != nil {
		return status(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(raw(t, bindHex("dc3f27822ae318c33f78827929dc23ea 00000000", ndrHex))); err != nil {
		return status(err)
	}
	answer := make([]byte, 4096)
	n, err := f.Read(answer)
	if err != nil || n < 60 || answer[2] != bindAck {
		return fmt.Sprintf("%x, %v", answer[:n], err)
	}
	return "ok"
}

// Who signs wrongly, or not although he said that he would, is denied.
func TestSMBSignatures(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"a changed body":    func(m []byte) { m[smb2HeaderLen] ^= 1 },
		"a changed header":  func(m []byte) { m[24] ^= 0x80 },
		"another signature": func(m []byte) { m[signatureAt] ^= 1 },
		"no signature":      func(m []byte) { m[16] &^= smbSigned },
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := admitting(t)
			v := &smbConn{SMB: SMB{Host: h}, dialect: 0x0210, session: 7, signing: true, signer: newSigner(0x0210, []byte("sixteen bytes ok"), nil)}
			m := append(unhex(smb2Header), octets("0900 4800 0000 0000")...)
			binary.LittleEndian.PutUint16(m[12:], smbTreeConnect)
			binary.LittleEndian.PutUint64(m[40:], 7)
			m[16] = smbSigned
			v.signer.sign(m)
			if got := binary.LittleEndian.Uint32(v.answer(m)[8:]); got != badNetworkName {
				t.Errorf("signed rightly: status %#x", got)
			}
			change(m)
			if got := smbStatus(v.answer(m)); got != deniedStatus {
				t.Errorf("status %#x", got)
			}
		})
	}
}

// What is asked of SMB before a logon, and whatever leads out of a message, is refused.
func TestSMBBounds(t *testing.T) {
	h, _ := admitting(t)
	v := &smbConn{SMB: SMB{Host: h}, dialect: 0x0210, files: map[uint64]*pipeEnd{}}
	for command := range uint16(20) {
		m := append(unhex(smb2Header), make([]byte, 4)...)
		binary.LittleEndian.PutUint16(m[12:], command)
		if reply := v.answer(m); binary.LittleEndian.Uint32(reply[8:]) == 0 {
			t.Errorf("command %d: %x", command, reply)
		}
	}
	v.signer, v.tree = newSigner(0x0210, []byte("sixteen bytes ok"), nil), 1
	for command := smbTreeConnect + uint16(1); command < 20; command++ {
		m := append(unhex(smb2Header), make([]byte, 4)...)
		binary.LittleEndian.PutUint32(m[36:], 1)
		if status, _ := v.execute(command, m); status == 0 && command != smbTreeDisconnect {
			t.Errorf("command %d of nothing: %#x", command, status)
		}
		v.tree = 1
	}
	m := append(unhex(smb2Header), octets("1000 ffff ffff ffff ffff")...)
	if field(m, 2, 2) != nil || field(m, 2, 4) != nil || field(m, 60, 2) != nil {
		t.Error("a field that is not in the message")
	}
}
