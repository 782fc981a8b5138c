package winhost

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/oiweiwei/go-msrpc/dcerpc"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// A scripted logon accepts its second token.
type scripted struct {
	userNamed
	tokens *int
}

func (s scripted) Accept([]byte) ([]byte, bool, error) {
	if *s.tokens++; *s.tokens == 1 {
		return nil, false, logon.ErrRefused
	}
	return nil, true, nil
}

// verified is a PDU with a verifier of that kind, level and logon.
func verified(pduKind, kind, level byte, id uint32) *pdu {
	auth := binary.LittleEndian.AppendUint32([]byte{kind, level, 0, 0}, id)
	return &pdu{kind: pduKind, flags: firstFrag | lastFrag, call: 2, order: binary.LittleEndian, header: make([]byte, headerLen), body: make([]byte, 8), auth: append(auth, 'A')}
}

// After an AUTH3 that failed, or that is of another type or level than the bind, no other
// is accepted: nobody may try passwords on one connection.
func TestOneAuth3(t *testing.T) {
	const kind, level, id = logon.TypeNTLM, levelIntegrity, 7
	for _, tt := range []struct {
		name   string
		first  *pdu
		tokens int // that the mechanism has had before
		fail   bool
		done   bool
	}{
		{"right", verified(auth3, kind, level, id), 1, false, true},
		{"wrong", verified(auth3, kind, level, id), 0, false, false},
		{"of another type", verified(auth3, logon.TypeKerberos, level, id), 1, false, false},
		{"of another level", verified(auth3, kind, levelPrivacy, id), 1, false, false},
		{"refused by the host", verified(auth3, kind, level, id), 1, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := admitting(t)
			a := &association{Mechanism: scripted{tokens: &tt.tokens}, kind: kind, level: level, id: id}
			v := &session{RPC: h.RPC(), logons: map[uint32]*association{id: a}}
			v.FailLogon = tt.fail
			v.finish(tt.first)
			if a.done != tt.done {
				t.Errorf("done %t", a.done)
			}
			v.FailLogon = false
			v.finish(verified(auth3, kind, level, id))
			if a.done != tt.done {
				t.Errorf("done %t after another AUTH3", a.done)
			}
		})
	}
}

// A request is of the type, the level and the logon of the bind, or nobody's.
func TestVerifierOfAnother(t *testing.T) {
	for _, tt := range []struct {
		name        string
		kind, level byte
		id, want    uint32
	}{
		{"the bind's", logon.TypeNTLM, levelIntegrity, 7, unknownContext}, // behind the verifier
		{"another type", logon.TypeSPNEGO, levelIntegrity, 7, accessDenied},
		{"another level", logon.TypeNTLM, levelPrivacy, 7, accessDenied},
		{"a lower level", logon.TypeNTLM, 2, 7, accessDenied},
		{"another logon", logon.TypeNTLM, levelIntegrity, 8, accessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := pair(&net.TCPAddr{}, &net.TCPAddr{}, 0)
			defer client.Close()
			h, _ := admitting(t)
			v := &session{RPC: h.RPC(), conn: server, logons: map[uint32]*association{
				7: {Mechanism: userNamed("admin"), kind: logon.TypeNTLM, level: levelIntegrity, id: 7, done: true},
			}}
			if !v.call(verified(request, tt.kind, tt.level, tt.id)) {
				t.Fatal("the connection has ended")
			}
			got, err := readReply(client)
			if want := faultHex(hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, tt.want))); cmpHex(want, got) != "" || err != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

// A bind and what continues it are of one type and one level, and their verifiers stand
// where they must.
func TestVerifiersOfBinds(t *testing.T) {
	const id, hello = "07000000", "4e544c4d53535000 01000000 078208a2 0000000000000000 0000000000000000 0a006358 0000000f"
	log := bindHex(eventLogHex, ndrHex)
	alter := pduHex("0e", "02000000", "d016d016 73670000 01000000 0100 0100"+eventLogHex+ndrHex)
	begun := withVerifier(log, "0a", "06", id, hello)
	for _, tt := range []struct {
		name string
		ask  []string
		want string
	}{
		{"alter_context of another type", []string{begun, withVerifier(alter, "09", "06", id, hello)}, faultHex("05000000")},
		{"alter_context of another level", []string{begun, withVerifier(alter, "0a", "05", id, hello)}, faultHex("05000000")},
		{"a bind whose verifier is not aligned", []string{withVerifier(log+"0000", "0a", "06", id, hello)}, nakHex("01000000", "0000")},
		{"an alter_context", []string{begun, withVerifier(alter+"00", "0a", "06", id, hello)}, faultHex("0b00011c")},
		{"a call", []string{begun, withVerifier(callHex("0000", "00"), "0a", "06", id, hello)}, faultHex("0b00011c")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := admitting(t)
			if diff := cmpHex(tt.want, talk(t, connected(t, h.EventLog().Serve), tt.ask...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An alter_context of a logon that is over is held to the bind's type and level too.
func TestAlterContextAfterLogon(t *testing.T) {
	for _, tt := range []struct {
		name        string
		kind, level byte
		want        bool
	}{
		{"the bind's", logon.TypeNTLM, levelIntegrity, true},
		{"another type", logon.TypeSPNEGO, levelIntegrity, false},
		{"another level", logon.TypeNTLM, levelPrivacy, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := pair(&net.TCPAddr{}, &net.TCPAddr{}, 0)
			defer client.Close()
			h, _ := admitting(t)
			v := &session{RPC: h.RPC(), conn: server, logons: map[uint32]*association{
				7: {Mechanism: userNamed("admin"), kind: logon.TypeNTLM, level: levelIntegrity, id: 7, done: true},
			}}
			ok, goOn := v.logOn(verified(alterContext, tt.kind, tt.level, 7), v.writer())
			if ok != tt.want || !goOn {
				t.Errorf("taken %t, goes on %t", ok, goOn)
			}
		})
	}
}

// A hearing conn keeps what was read first.
type hearing struct {
	net.Conn
	first []byte
}

func (h *hearing) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if h.first == nil {
		h.first = bytes.Clone(b[:n])
	}
	return n, err
}

// Who says once more what a client has said is no client: KRB_AP_ERR_REPEAT.
func TestReplayedBind(t *testing.T) {
	for _, w := range []way{ways()[5], ways()[7]} {
		t.Run(w.name, func(t *testing.T) {
			h, n := admitting(t)
			var heard []*hearing
			s := h.Schedule()
			h.Ports[clientSchedule] = Port{Serve: func(c net.Conn) {
				heard = append(heard, &hearing{Conn: c})
				s.Serve(heard[len(heard)-1])
			}}
			ctx, conn, options := dialAs(t, n, h, clientSchedule, w, "admin", testPassword)
			if got, err := askTasks(ctx, conn, options); got != "ok" {
				t.Fatal(got, err)
			}
			again := connected(t, s.Serve)
			write(t, again, string(heard[0].first))
			answer, err := readReply(again)
			if err != nil || !strings.Contains(answer, "a603020122") { // error-code 34
				t.Errorf("%s, %v", answer, err)
			}
			if met := h.Met(); met.Failed != 1 {
				t.Errorf("met %+v", met)
			}
		})
	}
}

// A host that wants headers signed does not take a client that does not.
func TestWantHeaderSign(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			h, n := admitting(t)
			s := h.Schedule()
			s.WantHeaderSign = true
			h.Ports[clientSchedule] = Port{Serve: s.Serve}
			for _, unsigned := range []bool{false, true} {
				ctx, conn, options := dialAs(t, n, h, clientSchedule, w, "admin", testPassword)
				if unsigned {
					options = append(options, dcerpc.NoHeaderSign())
				}
				_, err := askTasks(ctx, conn, options)
				if refused := err != nil && strings.Contains(err.Error(), "bind"); refused != unsigned {
					t.Errorf("unsigned headers %t: %v", unsigned, err)
				}
			}
		})
	}
}

// A ticket that is not for the host, or whose time has not come there, is answered by a
// KRB-ERROR in the bind_ack, after which nobody logs on; a host that blocks NTLM says so
// in SPNEGO too.
func TestRefusalsInABind(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Host)
		krb    bool
		want   string // in what go-msrpc says
	}{
		{"the host's clock is ahead", func(h *Host) { h.Clock = time.Hour }, true, "(37)"},
		{"the host has another key", func(h *Host) { h.Keys = []logon.Key{logon.NewKey()} }, true, "(41)"},
		{"NTLM is blocked", func(h *Host) { h.NoNTLM = true }, false, "authentication type was not recognized"},
	} {
		for _, w := range ways() {
			if w.krb != tt.krb {
				continue
			}
			t.Run(tt.name+", "+w.name, func(t *testing.T) {
				h, n := admitting(t)
				ctx, conn, options := dialAs(t, n, h, clientSchedule, w, "admin", testPassword)
				tt.change(h)
				if _, err := askTasks(ctx, conn, options); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %s", err, tt.want)
				}
				if met := h.Met(); tt.krb != (met == Met{Logons: 1, Failed: 1}) {
					t.Errorf("met %+v", met)
				}
			})
		}
	}
}
