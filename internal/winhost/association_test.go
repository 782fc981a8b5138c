package winhost

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	"github.com/oiweiwei/go-msrpc/midl/uuid"
	"github.com/oiweiwei/go-msrpc/ndr"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// withVerifier adds a verifier to a PDU in hex: type, level, the logon's number, token.
func withVerifier(pdu, kind, level, id, token string) string {
	b := tidy(pdu)
	token = tidy(token)
	length := len(b)/2 + trailerLen + len(token)/2
	le := func(n int) string { return hex.EncodeToString(binary.LittleEndian.AppendUint16(nil, uint16(n))) }
	return b[:16] + le(length) + le(len(token)/2) + b[24:] + kind + level + "0000" + id + token
}

// What a logon that fails is answered, [MS-RPCE] sections 3.3.1.5.2 and 2.2.2.
func TestFailedLogons(t *testing.T) {
	const id, tokenHex = "07000000", "4e544c4d53535000 01000000 078208a2 0000000000000000 0000000000000000 0a006358 0000000f"
	log := bindHex(eventLogHex, ndrHex)
	alter := pduHex("0e", "02000000", "d016d016 73670000 01000000 0100 0100"+eventLogHex+ndrHex)
	nonsense := strings.Repeat("41", 16)
	signedCall := withVerifier(callHex("0000", ""), "0a", "05", id, "01000000 0000000000000000 00000000")
	denied, nak8, nak9 := faultHex("05000000"), nakHex("01000000", "0800"), nakHex("01000000", "0900")
	for _, tt := range []struct {
		name   string
		change func(*RPC)
		ask    []string
		want   string
	}{
		{"an authentication type that there is not", nil, []string{withVerifier(log, "0e", "06", id, nonsense)}, nak8},
		{"a token that is none", nil, []string{withVerifier(log, "0a", "06", id, nonsense)}, nak9},
		{"a ticket that is none", nil, []string{withVerifier(log, "10", "06", id, nonsense)}, nak9},
		{"SPNEGO that is none", nil, []string{withVerifier(log, "09", "06", id, nonsense)}, nak9},
		{"NTLM is turned off on the port", func(s *RPC) { s.NoNTLM = true }, []string{withVerifier(log, "0a", "06", id, tokenHex)}, nak8},
		{"NTLM is turned off on the host", func(s *RPC) { s.Host.NoNTLM = true }, []string{withVerifier(log, "0a", "06", id, tokenHex)}, nak8},
		{"bind_nak of the test's choice", func(s *RPC) { s.NakLogon = new(uint16) }, []string{withVerifier(log, "0a", "06", id, tokenHex)}, nakHex("01000000", "0000")},
		{"an anonymous bind is another matter", func(s *RPC) { s.NakLogon = new(uint16) }, []string{log, callHex("0000", "")}, denied},
		{"a second token that is none", nil, []string{withVerifier(log, "0a", "06", id, tokenHex), withVerifier(alter, "0a", "06", id, nonsense)}, faultHex("05000000")},
		{"and none after it", nil, []string{
			withVerifier(log, "0a", "06", id, tokenHex), withVerifier(alter, "0a", "06", id, nonsense), withVerifier(alter, "0a", "06", id, nonsense),
		}, denied},
		{"a call before the logon is finished", nil, []string{withVerifier(log, "0a", "05", id, tokenHex), signedCall}, denied},
		{"a call of a logon that there is not", nil, []string{log, signedCall}, denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := admitting(t)
			s := h.RPC(eventService())
			if tt.change != nil {
				tt.change(s)
			}
			if diff := cmpHex(tt.want, talk(t, connected(t, s.Serve), tt.ask...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func cmpHex(want, got string) string {
	if want = tidy(want); got != want {
		return "got " + got + ", want " + want
	}
	return ""
}

// An echo is an operation of a test's own, which returns its stub.
type echo struct {
	sent, got []byte
}

func (*echo) OpNum() int                                            { return 0 }
func (*echo) OpName() string                                        { return "echo" }
func (*echo) UnmarshalNDRRequest(context.Context, ndr.Reader) error { return nil }
func (*echo) MarshalNDRResponse(context.Context, ndr.Writer) error  { return nil }
func (e *echo) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	_, err := w.Write(e.sent)
	return err
}

func (e *echo) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	e.got = make([]byte, len(e.sent))
	_, err := r.Read(e.got)
	return err
}

// echoing is a port that echoes for who has logged on, and its interface to go-msrpc.
func echoing(h *Host) (*RPC, *dcerpc.SyntaxID) {
	s := h.RPC(Interface{Syntax: interfaceOf(wbemServices), Raw: func(_ uint16, stub []byte) ([]byte, uint32) {
		return bytes.Clone(stub), 0
	}})
	u := new(uuid.UUID)
	if err := u.DecodeBinary(wbemServices[:]); err != nil {
		return nil, nil
	}
	return s, &dcerpc.SyntaxID{IfUUID: u}
}

const echoPort = 49999

// A stub of 20 kB is cut into fragments both ways, each of them protected, in every way
// of logging on, and with fragments of any size.
func TestFragmentsAreProtected(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			for _, size := range []int{0, 100, 1000} {
				h, n := admitting(t)
				s, syntax := echoing(h)
				s.Fragment = size
				h.Ports[echoPort] = Port{Serve: s.Serve}
				ctx, conn, options := dialAs(t, n, h, echoPort, w, "reader", testPassword)
				c, err := conn.Bind(ctx, append(options, dcerpc.WithAbstractSyntax(syntax))...)
				if err != nil {
					t.Fatal(err)
				}
				for _, length := range []int{1, 20_000, 17} {
					e := &echo{sent: bytes.Repeat([]byte("0123456789abcde"), length)[:length]}
					if err := c.Invoke(ctx, e); err != nil || !bytes.Equal(e.got, e.sent) {
						t.Errorf("fragments of %d: %d bytes: %v", size, length, err)
					}
				}
			}
		})
	}
}

// Who changes a bit of a request on its way gets fault 0x721, and no answer.
func TestChangedRequests(t *testing.T) {
	for _, w := range ways() {
		if w.kind == dcerpc.AuthTypeGSSNegotiate && !w.seal {
			continue // as without SPNEGO
		}
		for name, at := range map[string]func(p []byte) int{
			"header":    func([]byte) int { return 16 }, // alloc_hint
			"stub":      func([]byte) int { return 24 },
			"signature": func(p []byte) int { return len(p) - 1 },
		} {
			t.Run(w.name+", "+name, func(t *testing.T) {
				h, n := admitting(t)
				s, syntax := echoing(h)
				h.Ports[echoPort] = Port{Serve: func(c net.Conn) { s.Serve(&meddling{Conn: c, at: at}) }}
				ctx, conn, options := dialAs(t, n, h, echoPort, w, "reader", testPassword)
				c, err := conn.Bind(ctx, append(options, dcerpc.WithAbstractSyntax(syntax))...)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Invoke(ctx, &echo{sent: make([]byte, 64)}); err == nil || said(err) != "fault 0x721" {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// A meddling conn changes a bit of each request.
type meddling struct {
	net.Conn
	at func([]byte) int
}

func (m *meddling) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if n > headerLen && b[2] == request {
		b[m.at(b[:n])] ^= 1
	}
	return n, err
}

// The end of a connection gives nothing back.
func TestLeft(t *testing.T) {
	h, n := admitting(t)
	w := ways()[1]
	ctx, conn, options := dialAs(t, n, h, clientEventLog, w, "reader", testPassword)
	if got, err := askLog(ctx, conn, options); got != "ok" {
		t.Fatal(got, err)
	}
	conn.Close(ctx)
	ctx, conn, options = dialAs(t, n, h, mapperPort, w, "dcom", testPassword)
	_, got, err := askActivation(ctx, conn, options)
	if got != "ok" {
		t.Fatal(got, err)
	}
	if want := (Left{Handles: 2, References: 5}); h.Left() != want {
		t.Errorf("left %+v, want %+v", h.Left(), want)
	}
}

// Whom the host does not know, or who is wrong about his password, is told so by the
// first call: fault 5, as who has no right.
func TestWrongPasswords(t *testing.T) {
	for _, w := range ways()[:4] {
		for _, who := range [][2]string{{"admin", "wrong"}, {"stranger", testPassword}} {
			t.Run(w.name+", "+who[0], func(t *testing.T) {
				h, n := admitting(t)
				_, _, err := tasksAs(t, n, h, w, who[0], who[1])
				if said(err) != "fault 0x5" {
					t.Error(err)
				}
			})
		}
	}
}

// Objects and handles are only for who names them rightly.
func TestStrangeObjects(t *testing.T) {
	h := Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.101"))
	h.Admit(Account{"admin", testPassword, Administrator})
	ipid := h.newObject(wbemServices)
	if h.is(ipid, wbemLevel1LoginIID) || !h.is(ipid, wbemServices) {
		t.Error("an object of another kind")
	}
	if h.refer(ipid, -6) || !h.refer(ipid, 2) || !h.refer(ipid, -7) || h.refer(ipid, 1) {
		t.Error("references that there are not")
	}
	if h.Left() != (Left{}) {
		t.Errorf("left %+v", h.Left())
	}

	by := &caller{session: &session{RPC: h.Winmgmt(), handles: handles{}}}
	in := func(b ...byte) *reader { return &reader{order: binary.LittleEndian, b: b, size: len(b)} }
	out := func() *writer { return &writer{order: binary.LittleEndian} }
	this := orpcThisOf(5, 7)
	for name, do := range map[string]func() uint32{
		"EstablishPosition": func() uint32 { return establishPosition(by, in(this...), out()) },
		"NTLMLogin":         func() uint32 { return ntlmLogin(by, in(this...), out()) },
		"RemQueryInterface": func() uint32 { return queryInterface(by, in(append(this, make([]byte, 32)...)...), out()) },
		"RemAddRef":         func() uint32 { return addRef(by, in(append(this, make([]byte, 8)...)...), out()) },
		"RemRelease":        func() uint32 { return release(by, in(append(this, make([]byte, 8)...)...), out()) },
	} {
		if fault := do(); fault != disconnected {
			t.Errorf("%s of no object: fault %#x", name, fault)
		}
	}
	if fault := closeHandle(by, in(make([]byte, 20)...), out()); fault != contextMismatch {
		t.Errorf("a handle that there is not: fault %#x", fault)
	}
}

// orpcThisOf is an ORPCTHIS of a COM version.
func orpcThisOf(major, minor byte) []byte {
	return append([]byte{major, 0, minor, 0}, make([]byte, 28)...)
}

// RemQueryInterface gives out references, which are given back like others.
func TestQueryInterface(t *testing.T) {
	h := Client("ws-001.corp.example", here)
	h.Admit(Account{"admin", testPassword, Administrator})
	ipid := h.newObject(wbemServices)
	by := &caller{session: &session{RPC: h.Winmgmt()}, object: remUnknownIPID}
	w := &writer{order: binary.LittleEndian}
	w.bytes(orpcThisOf(5, 7)...)
	w.uuid(ipid)
	w.u32(5)
	w.u16(2, 0)
	w.u32(2)
	w.uuid(wbemServices)
	w.uuid(wbemLevel1LoginIID)
	out := &writer{order: binary.LittleEndian}
	if fault := queryInterface(by, &reader{order: w.order, b: w.b, size: len(w.b)}, out); fault != 0 {
		t.Fatalf("fault %#x", fault)
	}
	if got := h.Left().References; got != 2*publicRefs {
		t.Errorf("%d references", got)
	}
	if at := slices.Index(out.b, 0x3e); at < 0 || len(out.b) != 8+8+2*48+4 || binary.LittleEndian.Uint32(out.b[len(out.b)-4:]) != noInterface {
		t.Errorf("answer %x", out.b)
	}
}

// Nothing is registered, whatever is asked.
func TestRegisterTask(t *testing.T) {
	const task = `<?xml version="1.0" encoding="UTF-16"?><Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><Actions/></Task>`
	h := Client("ws-001.corp.example", here)
	h.Admit(Account{"admin", testPassword, Administrator}, Account{"nobody", testPassword, Nobody})
	for _, tt := range []struct {
		name, user, xml string
		flags, want     uint32
		left            int
	}{
		{"validated", "admin", task, validateOnly, 0, 0},
		{"not XML", "admin", "<Task", validateOnly, malformedXML, 0},
		{"another document", "admin", "<Job/>", validateOnly, malformedXML, 0},
		{"without the right", "nobody", task, validateOnly, notAllowed, 0},
		{"to be created", "admin", task, 2, notOurs, 1},
		{"to be created, and validated", "admin", task, 3, notOurs, 2},
	} {
		w := &writer{order: binary.LittleEndian}
		w.u32(0x20000)
		w.text(`\gpreach`)
		w.text(tt.xml)
		w.u32(tt.flags, 0, 0, 0, 0)
		out := &writer{order: binary.LittleEndian}
		by := &caller{session: &session{RPC: h.RPC()}, association: &association{Mechanism: userNamed(tt.user)}}
		fault := registerTask(by, &reader{order: w.order, b: w.b, size: len(w.b)}, out)
		if got := binary.LittleEndian.Uint32(out.b[8:]); fault != 0 || got != tt.want || h.Left().Tasks != tt.left {
			t.Errorf("%s: fault %#x, %#x, want %#x, left %+v", tt.name, fault, got, tt.want, h.Left())
		}
	}
}

// A userNamed is a logon of that user, and protects nothing.
type userNamed string

func (n userNamed) User() string                        { return string(n) }
func (userNamed) SessionKey() []byte                    { return nil }
func (userNamed) SignatureLen(bool) int                 { return 0 }
func (userNamed) Accept([]byte) ([]byte, bool, error)   { return nil, false, errors.ErrUnsupported }
func (userNamed) Protect(logon.Message) ([]byte, error) { return nil, nil }
func (userNamed) Open(logon.Message, []byte) error      { return nil }

// All fragments of a call are of one call and one caller.
func TestFragmentsOfOthers(t *testing.T) {
	const unprotected, protected = "00000000 0000 0000", "00000000 0000 0000 0a050000 07000000 41"
	fragment := func(flags byte, call byte, body string) *pdu {
		b := raw(t, body)
		return &pdu{kind: request, flags: flags, call: uint32(call), order: binary.LittleEndian, header: make([]byte, headerLen), body: b[:8], auth: b[8:]}
	}
	for _, tt := range []struct {
		name        string
		first, last *pdu
		want        string
	}{
		{"the same", fragment(firstFrag, 2, protected), fragment(lastFrag, 2, protected), faultHex("0300011c")}, // to a context that there is not
		{"the first is nobody's", fragment(firstFrag, 2, unprotected), fragment(lastFrag, 2, protected), faultHex("0b00011c")},
		{"the last is nobody's", fragment(firstFrag, 2, protected), fragment(lastFrag, 2, unprotected), faultHex("0b00011c")},
		{"of another call", fragment(firstFrag, 1, protected), fragment(lastFrag, 2, protected), faultHex("0b00011c")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := pair(&net.TCPAddr{}, &net.TCPAddr{}, 0)
			defer client.Close()
			h, _ := admitting(t)
			v := &session{RPC: h.RPC(), conn: server, logons: map[uint32]*association{
				7: {Mechanism: userNamed("admin"), kind: logon.TypeNTLM, level: levelIntegrity, id: 7, done: true},
			}}
			if !v.call(tt.first) || !v.call(tt.last) || v.pending != nil {
				t.Errorf("pending %+v", v.pending)
			}
			got, err := readReply(client)
			if diff := cmpHex(tt.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}
