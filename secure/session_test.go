package secure

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
	"github.com/oiweiwei/go-msrpc/ssp/spnego"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/sspi"
	"github.com/gpreach/gpreach/probe"
)

func ticketed(service string) (*auth.Ticket, error) { return ticketFor(service), nil }

// bySessionTo is a logon to a service by a session that Windows has a ticket for.
func bySessionTo(v *visit, pkg sspi.Package, class string) *logon {
	service := class + "/ws-001.corp.example"
	return &logon{service: service, session: v.session(pkg, class, service)}
}

// What Windows says instead of a token, as an outcome.
func TestFromSession(t *testing.T) {
	for status, want := range map[sspi.Status]struct {
		outcome probe.Outcome
		code    uint32
		unknown bool
	}{
		sspi.TargetUnknown: {probe.Unsupported, krbServiceUnknown, true}, sspi.LogonDenied: {probe.LogonFailed, 0x8009030C, false},
		sspi.TimeSkew: {probe.LogonFailed, krbSkew, false}, sspi.WrongPrincipal: {probe.Unsupported, 0x80090322, false},
		sspi.NoAuthority: {probe.Timeout, 0x80090311, false}, sspi.NoCredentials: {probe.Unsupported, 0x8009030E, false},
		0x80070775: {probe.LockedOut, 0xC0000234, false}, 0xC0000234: {probe.LockedOut, 0xC0000234, false},
		0x80070533: {probe.LogonFailed, 0x80070533, false}, 0xC0000193: {probe.LogonFailed, 0xC0000193, false},
		0xC000006E: {probe.AccessDenied, krbPolicy, false},
	} {
		w := &windows{ticket: ticketed, status: func(service string) sspi.Status {
			if service == "host/dc1.corp.example" {
				return sspi.OK
			}
			return status
		}}
		c := sessionOf(t, w)
		_, _, err := c.Context(t.Context(), sspi.Kerberos, "cifs/ws-001", sspi.SMB)
		unknown, err := fromSession(err)
		f, ok := errors.AsType[*probe.Failure](err)
		if !ok || f.Outcome != want.outcome || f.Code != want.code || unknown != want.unknown || !strings.Contains(f.Text, "SSPI status") {
			t.Errorf("%v: %t, %+v", status, unknown, f)
		}
		if w.left() != 0 {
			t.Errorf("%v: %d handles are left", status, w.left())
		}
	}
	for _, tt := range []struct {
		err  error
		want probe.Outcome
	}{
		{auth.ErrStopped, probe.Canceled},
		{&auth.SessionError{Err: context.DeadlineExceeded, Text: "Windows did not answer."}, probe.Timeout},
		{&auth.SessionError{Err: sspi.ErrUnproved}, probe.Unsupported},
		{&auth.SessionError{Err: auth.ErrNoKDC}, probe.Unsupported},
	} {
		if _, err := fromSession(tt.err); !isFailure(err, tt.want) {
			t.Errorf("%v: %v", tt.err, err)
		}
	}
	if _, err := fromSession(context.Canceled); err != context.Canceled { //nolint:errorlint // it is handed on
		t.Error(err)
	}
}

func isFailure(err error, want probe.Outcome) bool {
	f, ok := errors.AsType[*probe.Failure](err)
	return ok && f.Outcome == want
}

// A host proves itself to Windows by SMB, or it gets nothing more.
func TestSessionInitiator(t *testing.T) {
	w := &windows{ticket: ticketed}
	v := &visit{Logons: New(sessionOf(t, w), Options{})}
	for _, tt := range []struct {
		name   string
		token  func(first []byte) []byte
		want   probe.Outcome
		handed int // to Windows
	}{
		{"nothing", func([]byte) []byte { return nil }, probe.WrongHost, 0},
		{"its own token", bytes.Clone, probe.WrongHost, 0},
		{"NTLM", func([]byte) []byte { return challengeOf(ntlmAlways) }, probe.WrongHost, 0},
		{"an AP-REP of another key", func([]byte) []byte { return pack("6f03300101") }, probe.WrongHost, 1},
		{"an AP-REP and more", func([]byte) []byte { return pack("6f03300101 00") }, probe.WrongHost, 0},
		{"too much", func([]byte) []byte { return append(pack("6f834000 00"), make([]byte, 0x400000)...) }, probe.WrongHost, 0},
		{"skew", func([]byte) []byte { return krbErrorOf(t, 37) }, probe.LogonFailed, 0},
		{"AP_ERR_MODIFIED", func([]byte) []byte { return krbErrorOf(t, 41) }, probe.WrongHost, 0},
	} {
		by := bySessionTo(v, sspi.Kerberos, "cifs")
		i := &sessionInitiator{ctx: t.Context(), session: by.session}
		first, err := i.InitSecContext()
		if err != nil {
			t.Fatal(err)
		}
		w.handed = 0
		if _, err := i.AcceptSecContext(tt.token(first)); w.handed != tt.handed || !isFailure(err, tt.want) || !isFailure(by.refused(), tt.want) || len(i.SessionKey()) != 0 {
			t.Errorf("%s: %v, key of %d bytes, handed on %d times", tt.name, err, len(i.SessionKey()), w.handed)
		}
	}
	v.endSessions()

	by := bySessionTo(v, sspi.Kerberos, "cifs")
	i := &sessionInitiator{ctx: t.Context(), session: by.session}
	if _, err := i.InitSecContext(); err != nil {
		t.Fatal(err)
	}
	sent := w.contexts[w.opened].smb.(*kerberosInitiator).proof.sent
	framed, err := wrapToken(answer(t, key(1, 32), sent, key(2, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := i.AcceptSecContext(framed); err != nil || out == nil || !bytes.Equal(i.SessionKey(), key(2, 16).KeyValue) || by.refused() != nil {
		t.Errorf("%x, %v, key %x", out, err, i.SessionKey())
	}
	if len(i.Sum([]byte("mechTypes"))) != 28 {
		t.Error("it does not sign")
	}
	v.endSessions()
	if i.Sum([]byte("mechTypes")) != nil || w.left() != 0 {
		t.Errorf("%d handles are left", w.left())
	}
}

// A token that Windows does not take is no proof; what Windows itself cannot do is no
// fault of the host.
func TestRefusedByWindows(t *testing.T) {
	for err, want := range map[error]probe.Outcome{
		sspi.WrongPrincipal: probe.WrongHost, sspi.InvalidToken: probe.WrongHost, sspi.MessageAltered: probe.WrongHost,
		sspi.LogonDenied: probe.WrongHost, sspi.MutualAuthFailed: probe.WrongHost, sspi.Status(0xC0000234): probe.WrongHost,
		sspi.ErrUnproved: probe.WrongHost, sspi.ErrHostToken: probe.WrongHost,
		sspi.TimeSkew: probe.LogonFailed, sspi.InternalError: probe.LogonFailed, sspi.Unsupported: probe.LogonFailed,
	} {
		f, ok := errors.AsType[*probe.Failure](refusedByWindows(err))
		if !ok || f.Outcome != want || f.Text == "" || !errors.Is(f, err) {
			t.Errorf("%v: %+v", err, f)
		}
	}
	if err := refusedByWindows(context.Canceled); err != context.Canceled { //nolint:errorlint // it is handed on
		t.Error(err)
	}
	if err := refusedByWindows(&auth.SessionError{Err: context.DeadlineExceeded}); !isFailure(err, probe.Timeout) {
		t.Error(err)
	}
}

// After the stop Windows is not handed a host's token, nor asked for one of ours.
func TestSessionStopped(t *testing.T) {
	w := &windows{ticket: ticketed}
	c := sessionOf(t, w)
	v := &visit{Logons: New(c, Options{})}
	i := &sessionInitiator{ctx: t.Context(), session: bySessionTo(v, sspi.Kerberos, "cifs").session}
	if _, err := i.InitSecContext(); err != nil {
		t.Fatal(err)
	}
	c.Stop("enough")
	if _, err := i.AcceptSecContext(pack("6f03300101")); !isFailure(err, probe.Canceled) || w.handed != 0 {
		t.Errorf("handed on %d times: %v", w.handed, err)
	}
	by := bySessionTo(v, sspi.Kerberos, "host")
	if _, _, err := by.session.take(t.Context()); !isFailure(err, probe.Canceled) || !isFailure(by.refused(), probe.Canceled) {
		t.Errorf("%v", err)
	}
	v.endSessions()
	if w.left() != 0 {
		t.Errorf("%d handles are left", w.left())
	}
}

// What is begun for a host that was left meanwhile is let go of at once.
func TestBegunAfterEnd(t *testing.T) {
	w := &windows{ticket: ticketed}
	v := &visit{Logons: New(sessionOf(t, w), Options{})}
	by := bySessionTo(v, sspi.Kerberos, "host")
	v.endSessions()
	if _, _, err := by.session.take(t.Context()); !isFailure(err, probe.Canceled) || w.left() != 0 {
		t.Errorf("%v, %d handles are left", err, w.left())
	}
}

// NTLM of the session answers strong challenges alone, and by NTLMv2 alone.
func TestSessionNTLM(t *testing.T) {
	const strong, sealing = ntlmAlways | 4, ntlmSign | ntlmSeal // REQUEST_TARGET
	for _, tt := range []struct {
		class   string
		flags   uint32
		answers func() []byte // instead of what is due; may be nil
		handed  int           // to Windows
		want    string
	}{
		{"cifs", strong, nil, 1, ""},
		{"host", strong | sealing, nil, 1, ""},
		{"cifs", strong &^ ntlm128, nil, 0, "flags"},
		{"cifs", strong &^ ntlmExtended, nil, 0, "flags"},
		{"host", strong, nil, 0, "flags"},
		{"cifs", strong, func() []byte { return authenticate(24, 24) }, 1, "LmCompatibilityLevel"},
		{"host", strong | sealing, func() []byte { return authenticate(24, 24) }, 1, "LmCompatibilityLevel"},
		{"cifs", strong, func() []byte { return authenticate(1, 0) }, 1, "does not log on to itself"},
		{"cifs", strong, func() []byte { return []byte("NTLMSSP") }, 1, "not one of NTLM"},
	} {
		w := &windows{ticket: ticketed, ntlm: withPassword(t), answers: tt.answers}
		v := &visit{Logons: New(sessionOf(t, w), Options{AllowNTLM: true})}
		by := bySessionTo(v, sspi.NTLM, tt.class)
		x, _, err := by.session.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out, err := by.session.answer(t.Context(), x, named(challengeOf(tt.flags)))
		if n, _ := ntResponse(out); w.handed != tt.handed || (tt.want == "") != (err == nil) || err == nil && n <= ntlmVersion1 {
			t.Errorf("%s %#x: a response of %d bytes, %v; handed on %d times", tt.class, tt.flags, n, err, w.handed)
		}
		if err != nil && (len(out) > 0 || !strings.Contains(err.Error(), tt.want) || tt.handed > 0 && !isFailure(err, probe.LogonFailed)) {
			t.Errorf("%s %#x: %x, %v", tt.class, tt.flags, out, err)
		}
		v.endSessions()
		if w.left() != 0 {
			t.Errorf("%s %#x: %d handles are left", tt.class, tt.flags, w.left())
		}
	}
}

// named gives a challenge the name of a domain, without which go-msrpc answers none.
func named(challenge []byte) []byte {
	copy(challenge[40:], pack(uint16(16), uint16(16)))
	return append(challenge[:64], pack("0200 0800 43004f0052005000 00000000")...)
}

// authenticate is an AUTHENTICATE_MESSAGE with responses of these lengths.
func authenticate(lm, nt int) []byte {
	head := pack("4e544c4d53535000 03000000", uint16(lm), uint16(lm), uint32(64), uint16(nt), uint16(nt), uint32(64+lm), make([]byte, 36))
	return append(head, make([]byte, lm+nt)...)
}

// What this machine's policy may make Windows answer by is looked at before it is sent.
func TestNTLMVersions(t *testing.T) {
	for _, tt := range []struct {
		token []byte
		want  int
		bad   bool
	}{
		{authenticate(24, 300), 300, false},
		{authenticate(24, 24), 24, false},
		{authenticate(0, 0), 0, false},
		{authenticate(24, 300)[:100], 0, true},
		{nil, 0, true},
	} {
		if got, err := ntResponse(tt.token); (err != nil) != tt.bad || err == nil && got != tt.want {
			t.Errorf("%d bytes: %d, %v", len(tt.token), got, err)
		}
	}
}

// A host that begins the negotiation again, which it may do as often as it likes, makes
// nobody begin another logon.
func TestBegunAgain(t *testing.T) {
	w := &windows{ticket: ticketed}
	v := &visit{Logons: New(sessionOf(t, w), Options{})}
	for name, by := range map[string]*logon{
		"session": bySessionTo(v, sspi.Kerberos, "host"), "ticket": {service: "host/ws-001", proof: &proof{ticket: ticketFor("host/ws-001")}},
	} {
		ctx, _ := v.sealed(t.Context(), by)
		token, err := gssapi.InitSecurityContext(ctx, &gssapi.Token{}, gssapi.WithMechanismType(gssapi.OID(spnego.MechanismTypeSPNEGO)))
		if err != nil {
			t.Fatal(name, err)
		}
		for range 3 {
			if answer, err := gssapi.InitSecurityContext(ctx, token); err == nil {
				t.Errorf("%s: answered by %x", name, answer.Payload)
			}
		}
	}
	if w.opened != 2 { // and Verify's
		t.Errorf("%d contexts", w.opened)
	}
	v.endSessions()
}

// A host whose answers lack the sign of their headers is not believed, and gets no
// call.
func TestUnsignedHeaders(t *testing.T) {
	signed, sealed := gssapi.Integrity, gssapi.Integrity|gssapi.Confidentiality
	message := func(header, stub, trailer gssapi.Cap) *gssapi.MessageTokenEx {
		return &gssapi.MessageTokenEx{Payloads: []*gssapi.PayloadEx{
			{Capabilities: header, Payload: []byte("h")}, {Capabilities: stub, Payload: []byte("s")}, {Capabilities: trailer, Payload: []byte("t")},
		}}
	}
	parts, err := partsOf(message(signed, sealed, signed))
	if err != nil || len(parts) != 3 || parts[0].Type != sspi.SignedOnly || parts[1].Type != sspi.Data || parts[2].Type != sspi.SignedOnly || string(parts[1].Data) != "s" {
		t.Errorf("%+v, %v", parts, err)
	}
	m := &sessionMechanism{}
	for _, unsigned := range []*gssapi.MessageTokenEx{message(0, sealed, 0), message(signed, sealed, 0), message(0, sealed, signed), {}} {
		if _, err := m.WrapEx(t.Context(), unsigned); err == nil {
			t.Errorf("sends %+v", unsigned.Payloads)
		}
		if _, err := m.UnwrapEx(t.Context(), unsigned); err == nil {
			t.Errorf("believes %+v", unsigned.Payloads)
		}
		if err := m.VerifySignatureEx(t.Context(), unsigned); err == nil {
			t.Errorf("believes %+v", unsigned.Payloads)
		}
	}
}

// Two thousand hosts that say what Samba said to another, but for some bytes: none is
// believed, and nothing of Windows' is left.
func TestMutatedSession(t *testing.T) {
	const hosts, budget = 2_000, 1 << 20
	w := &windows{ticket: ticketed}
	v := &visit{Logons: New(sessionOf(t, w), Options{})}
	most := uint64(0)
	var before, after runtime.MemStats
	for seed := range hosts {
		name, do, class := "smb_kerberos.hex", logOnTo, "cifs"
		if seed%2 == 1 {
			name, do, class = "rpc_kerberos.hex", bindTo, "host"
		}
		said := recorded(t, name)
		if seed > 1 {
			mutate(rand.New(rand.NewPCG(uint64(seed), 6)), said[:min(3, len(said))])
		}
		runtime.ReadMemStats(&before)
		err := do(t, patience, v, bySessionTo(v, sspi.Kerberos, class), said...)
		runtime.ReadMemStats(&after)
		v.endSessions()
		if err == nil {
			t.Fatalf("seed %d: let in by anybody", seed)
		}
		if seed <= 1 && !isFailure(err, probe.WrongHost) {
			t.Errorf("%s: %v", name, err)
		}
		most = max(most, after.TotalAlloc-before.TotalAlloc)
	}
	if t.Logf("at most %d KiB", most>>10); most > budget || w.left() != 0 {
		t.Errorf("a host made us allocate %d bytes; %d handles are left", most, w.left())
	}
}

// Where Windows does not answer, the step ends with the host's own time.
func TestSessionDeadline(t *testing.T) {
	w := &windows{ticket: ticketed}
	c := sessionOf(t, w)
	hangs := make(chan struct{})
	w.status = func(string) sspi.Status { <-hangs; return sspi.OK }
	v := &visit{Logons: New(c, Options{})}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, _, err := bySessionTo(v, sspi.Kerberos, "cifs").session.take(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(hangs)
	v.endSessions()
}
