package winhost

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"testing"
	"testing/synctest"
	"time"

	smb2 "github.com/cloudsoda/go-smb2"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// smbRequest is a request of a session, with a body of 64 zero bytes.
func smbRequest(command uint16, id, session uint64) []byte {
	m := append(unhex(smb2Header), make([]byte, 64)...)
	binary.LittleEndian.PutUint16(m[12:], command)
	binary.LittleEndian.PutUint64(m[24:], id)
	binary.LittleEndian.PutUint64(m[40:], session)
	return m
}

// loggedOn is a connection on which somebody has logged on.
func loggedOn(h *Host, dialect uint16) *smbConn {
	return &smbConn{
		SMB: SMB{Host: h}, dialect: dialect, session: 7, files: map[uint64]*pipeEnd{}, logon: userNamed("admin"),
		signer: newSigner(dialect, []byte("sixteen bytes ok"), make([]byte, 64)), ids: sequence{next: 1, end: 2},
	}
}

func smbStatus(reply []byte) uint32 {
	if reply == nil {
		return 1 // the connection is closed
	}
	return binary.LittleEndian.Uint32(reply[8:])
}

// What is not signed is counted; denied where signing is required; and in SMB 3.1.1 an
// unsigned TREE_CONNECT ends the connection.
func TestUnsigned(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialect uint16
		signing bool
		command uint16
		want    uint32
	}{
		{"2.1", 0x0210, false, smbTreeConnect, badNetworkName},
		{"2.1, signing required", 0x0210, true, smbTreeConnect, deniedStatus},
		{"3.0.2", 0x0302, false, smbTreeConnect, badNetworkName},
		{"3.1.1", newestSMB, false, smbTreeConnect, 1},
		{"3.1.1, another request", newestSMB, false, smbLogoff, 0},
		{"3.1.1, another request, signing required", newestSMB, true, smbLogoff, deniedStatus},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := admitting(t)
			v := loggedOn(h, tt.dialect)
			v.signing = tt.signing
			if got := smbStatus(v.next(smbRequest(tt.command, 1, 7))); got != tt.want {
				t.Errorf("status %#x, want %#x", got, tt.want)
			}
			if h.Met().Unsigned != 1 {
				t.Errorf("met %+v", h.Met())
			}
		})
	}
}

// A client that does not insist on signing leaves its requests unsigned, and is seen.
func TestUnsignedClient(t *testing.T) {
	for _, signing := range []bool{true, false} {
		h, _ := admitting(t)
		d := &smb2.Dialer{
			Negotiator: smb2.Negotiator{RequireMessageSigning: signing},
			Initiator:  &smb2.NTLMInitiator{User: "reader", Password: testPassword, Domain: "CORP"},
		}
		ctx, cancel := context.WithCancel(t.Context())
		s, err := d.DialConn(ctx, connected(t, SMB{Host: h}.Serve), "ws-001.corp.example")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WithContext(ctx).Logoff(); err != nil {
			t.Error(err)
		}
		cancel()
		if got := h.Met(); got.Logons != 1 || got.Failed != 0 || got.Unsigned > 0 == signing {
			t.Errorf("signing %t: met %+v", signing, got)
		}
	}
}

// A session is named by who uses it, and a MessageId is used once, upwards, and only if
// it was granted.
func TestSMBIdentifiers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request []byte
		want    uint32
	}{
		{"right", smbRequest(smbLogoff, 1, 7), 0},
		{"another session", smbRequest(smbLogoff, 1, 8), sessionDeleted},
		{"no session", smbRequest(smbLogoff, 1, 0), sessionDeleted},
		{"a logon in another session", smbRequest(smbSessionSetup, 1, 8), sessionDeleted},
		{"a MessageId again", smbRequest(smbLogoff, 0, 7), 1},
		{"a MessageId that was not granted", smbRequest(smbLogoff, 2, 7), 1},
		{"a MessageId of the far future", smbRequest(smbLogoff, 1<<63, 7), 1},
		{"a charge that was not granted", append(append(smbRequest(smbLogoff, 1, 7)[:6:6], 2, 0), smbRequest(smbLogoff, 1, 7)[8:]...), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := admitting(t)
			reply := loggedOn(h, 0x0210).next(tt.request)
			if got := smbStatus(reply); got != tt.want {
				t.Errorf("status %#x, want %#x", got, tt.want)
			}
			if reply != nil && !bytes.Equal(reply[40:48], tt.request[40:48]) {
				t.Errorf("session %x", reply[40:48])
			}
		})
	}
	h, _ := admitting(t)
	v := loggedOn(h, 0x0210)
	m := smbRequest(smbRead, 1, 7)
	m[14] = 3 // credits that it asks for
	for _, id := range []uint64{1, 2, 4} {
		binary.LittleEndian.PutUint64(m[24:], id)
		if v.next(m) == nil {
			t.Errorf("MessageId %d of those that were granted", id)
		}
	}
	if v.next(smbRequest(smbRead, 3, 7)) != nil {
		t.Error("a MessageId that was passed over")
	}
	v = loggedOn(h, oldestSMB)
	m = smbRequest(smbRead, 1, 7)
	m[6] = 2
	if reply := v.next(m); reply == nil || reply[6] != 2 {
		t.Errorf("a charge in SMB 2.0.2: %x", reply)
	}
}

// setUpWith is a SESSION_SETUP with a token.
func setUpWith(id, session uint64, token []byte) []byte {
	m := smbRequest(smbSessionSetup, id, session)[:smb2HeaderLen+24]
	binary.LittleEndian.PutUint16(m[smb2HeaderLen+12:], smb2HeaderLen+24)
	binary.LittleEndian.PutUint16(m[smb2HeaderLen+14:], uint16(len(token)))
	return append(m, token...)
}

// spnegoNTLM begins a logon by NTLM in SPNEGO, and has no other mechanism.
const spnegoNTLM = "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a0428" +
	"4e544c4d53535000 01000000 078208a2 0000000000000000 0000000000000000 0a006358 0000000f"

// Each logon that fails has its own status, and Refusal is that of a refused account.
func TestSMBRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		noNTLM bool
		token  string
		want   uint32
	}{
		{"NTLM", false, spnegoNTLM, moreProcessing},
		{"NTLM is blocked", true, spnegoNTLM, ntlmBlocked},
		{"no token of SPNEGO's", false, "4142434445", invalidParameter},
		{"no token of SPNEGO's, and NTLM is blocked", true, "4142434445", invalidParameter},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := admitting(t)
			h.NoNTLM = tt.noNTLM
			fresh := &smbConn{SMB: SMB{Host: h}, dialect: 0x0210, ids: sequence{end: 2}}
			if got := smbStatus(fresh.next(setUpWith(0, 9, raw(t, tt.token)))); got != sessionDeleted {
				t.Errorf("the first leg in a session: status %#x", got)
			}
			v := &smbConn{SMB: SMB{Host: h, Refusal: 0xc0000234}, dialect: 0x0210, ids: sequence{end: 2}}
			reply := v.next(setUpWith(0, 0, raw(t, tt.token)))
			if got := smbStatus(reply); got != tt.want {
				t.Errorf("status %#x, want %#x", got, tt.want)
			}
			if tt.want != moreProcessing {
				return
			}
			if got := smbStatus(v.next(setUpWith(1, v.session+1, raw(t, tt.token)))); got != sessionDeleted {
				t.Errorf("the second leg in another session: status %#x", got)
			}
		})
	}
	for err, want := range map[error]uint32{
		logon.ErrRefused: 0xc0000234, logon.ErrNoTicket: logonFailure, logon.ErrSignature: deniedStatus, logon.ErrToken: invalidParameter,
	} {
		v := &smbConn{SMB: SMB{Refusal: 0xc0000234}}
		if got := v.refusal(err); got != want {
			t.Errorf("%v: status %#x, want %#x", err, got, want)
		}
	}
}

// pipeRequest is a READ or WRITE of a file.
func pipeRequest(command uint16, file uint64, length uint32, data []byte) []byte {
	m := smbRequest(command, 0, 7)
	body := m[smb2HeaderLen:]
	le := binary.LittleEndian
	le.PutUint16(body[2:], uint16(len(m)))
	le.PutUint32(body[4:], length)
	le.PutUint64(body[16:], file)
	return append(m, data...)
}

// openedPipe opens the event log's pipe.
func openedPipe(t *testing.T, v *smbConn) uint64 {
	t.Helper()
	if status, _ := v.create(logon.ToUTF16("eventlog")); status != 0 {
		t.Fatalf("status %#x", status)
	}
	for id := range v.files {
		return id
	}
	return 0
}

// A message that the client has no room for is read in parts; and when the server has
// closed the pipe it is broken.
func TestReadPipe(t *testing.T) {
	h, _ := admitting(t)
	v := loggedOn(h, 0x0210)
	defer v.close()
	id := openedPipe(t, v)
	ask := raw(t, bindHex("dc3f27822ae318c33f78827929dc23ea 00000000", ndrHex))
	if status, _ := v.write(pipeRequest(smbWrite, id, uint32(len(ask)), ask)); status != 0 {
		t.Fatalf("status %#x", status)
	}
	var answer []byte
	for _, want := range []uint32{bufferOverflow, bufferOverflow, 0} {
		status, body := v.read(pipeRequest(smbRead, id, 24, nil))
		if status != want {
			t.Fatalf("status %#x, want %#x", status, want)
		}
		answer = append(answer, body[16:]...)
	}
	if len(answer) != 60 || answer[2] != bindAck {
		t.Errorf("answer %x", answer)
	}
	if status, _ := v.write(pipeRequest(smbWrite, id, 4, []byte("junk"))); status != 0 {
		t.Fatalf("status %#x", status)
	}
	if status, _ := v.read(pipeRequest(smbRead, id, 1024, nil)); status != 0 { // bind_nak, with which the connection ends
		t.Errorf("status %#x", status)
	}
	if status, _ := v.read(pipeRequest(smbRead, id, 1024, nil)); status != pipeBroken {
		t.Errorf("status %#x", status)
	}
}

// A client that writes and does not read loses the pipe, and its connection ends with it.
func TestWritePipeWithoutReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Client("ws-001.corp.example", here)
		h.Admit(Account{"admin", testPassword, Administrator})
		v := loggedOn(h, 0x0210)
		defer v.close()
		id := openedPipe(t, v)
		call := raw(t, callHex("0000", "")) // answered by a fault, before any bind
		many := bytes.Repeat(call, 1000)
		began := time.Now()
		status := uint32(0)
		for range 1000 {
			if status, _ = v.write(pipeRequest(smbWrite, id, uint32(len(many)), many)); status != 0 {
				break
			}
		}
		if status != ioTimeout || time.Since(began) != pipePatient || len(v.files) != 0 {
			t.Errorf("status %#x after %v, %d files", status, time.Since(began), len(v.files))
		}
		if left := h.Left(); left != (Left{}) {
			t.Errorf("left %+v", left)
		}
		if status, _ := v.write(pipeRequest(smbWrite, id, 4, call)); status != fileClosed {
			t.Errorf("status %#x", status)
		}
		if status := pipeStatus(net.ErrClosed); status != pipeBroken {
			t.Errorf("status %#x", status)
		}
	})
}
