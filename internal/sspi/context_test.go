package sspi

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A system is a Windows whose every answer is told beforehand.
type system struct {
	acquired  Status
	steps     []answer // of InitializeSecurityContext, in turn
	sized     Status
	sizes     Sizes
	keyed     Status
	key       []byte
	protected Status
	shortened int // by how much tokens come out shorter

	mu       sync.Mutex
	asked    []Step
	done     []string
	deleted  int
	contexts int // that were deleted with it
}

type answer struct {
	token   []byte
	granted uint32
	status  Status
}

const all = ^uint32(0)

// healthy is a system that takes one token of the host.
func healthy() *system {
	return &system{
		steps: []answer{{[]byte("first"), 0, ContinueNeeded}, {[]byte("last"), all, OK}},
		sizes: Sizes{Signature: 28, Sealing: 76}, key: bytes.Repeat([]byte{7}, 32),
	}
}

func (s *system) calls() *Calls {
	return &Calls{
		Acquire: func(Package) (Handle, Status) { return Handle{1, 2}, s.acquired },
		Initialize: func(step Step) (Progress, Status) {
			if step.Context != nil {
				at := *step.Context
				step.Context = &at
			}
			s.asked = append(s.asked, step)
			a := s.steps[0]
			s.steps = s.steps[1:]
			return Progress{Context: Handle{3, 4}, Token: a.token, Granted: a.granted}, a.status
		},
		Sizes:      func(Handle) (Sizes, Status) { return s.sizes, s.sized },
		SessionKey: func(Handle) ([]byte, Status) { return s.key, s.keyed },
		Protect: func(context Handle, p Protection, buffers []Buffer) Status {
			s.mu.Lock()
			defer s.mu.Unlock()
			what := fmt.Sprintf("%d of %v:", p, context)
			for i := range buffers {
				what += fmt.Sprintf(" %x:%s", buffers[i].Type, buffers[i].Data)
				if buffers[i].Type == Token && (p == Sign || p == Seal) {
					n := len(buffers[i].Data) - s.shortened
					what = strings.ReplaceAll(what, "\x00", "")
					buffers[i].Data = append(buffers[i].Data[:0], bytes.Repeat([]byte("t"), n)...)
				}
			}
			s.done = append(s.done, what)
			return s.protected
		},
		Delete: func(_ Handle, context *Handle) {
			s.deleted++
			if context != nil {
				s.contexts++
			}
		},
	}
}

// One token of ours, one of the host's, and perhaps a last of ours: then it is
// complete, and signs and seals.
func TestContext(t *testing.T) {
	s := healthy()
	x, token, err := s.calls().Begin(Kerberos, "host/ws-001", RPC)
	if err != nil || string(token) != "first" {
		t.Fatalf("%q, %v", token, err)
	}
	if x.Size(true) != 0 {
		t.Error("it has a size before it is complete")
	}
	if _, err := x.Seal(Buffer{Data, []byte("x")}); err == nil {
		t.Error("it seals before it is complete")
	}
	if _, err := x.SessionKey(); err == nil {
		t.Error("it has a key before it is complete")
	}
	if token, err = x.Continue([]byte("of the host")); err != nil || string(token) != "last" {
		t.Fatalf("%q, %v", token, err)
	}
	if s.asked[0].Context != nil || s.asked[0].Token != nil || s.asked[0].Credential != (Handle{1, 2}) || s.asked[0].Target != "host/ws-001" ||
		*s.asked[1].Context != (Handle{3, 4}) || string(s.asked[1].Token) != "of the host" {
		t.Errorf("asked %+v", s.asked)
	}
	if x.Size(false) != 28 || x.Size(true) != 76 {
		t.Errorf("sizes %d, %d", x.Size(false), x.Size(true))
	}
	sealed, err := x.Seal(Buffer{SignedOnly, []byte("header")}, Buffer{Data, []byte("stub")}, Buffer{SignedOnly, []byte("trailer")})
	if err != nil || len(sealed) != 76 {
		t.Errorf("%d bytes, %v", len(sealed), err)
	}
	if err := x.Unseal([]byte("sealed"), Buffer{Data, []byte("stub")}); err != nil {
		t.Error(err)
	}
	if signature, err := x.Sign(Buffer{Data, []byte("list")}); err != nil || len(signature) != 28 {
		t.Errorf("%d bytes, %v", len(signature), err)
	}
	if err := x.Verify([]byte("signature"), Buffer{Data, []byte("list")}); err != nil {
		t.Error(err)
	}
	want := []string{
		"2 of {3 4}: 10000001:header 1:stub 10000001:trailer 2:", "3 of {3 4}: 1:stub 2:sealed",
		"0 of {3 4}: 1:list 2:", "1 of {3 4}: 1:list 2:signature",
	}
	if fmt.Sprint(s.done) != fmt.Sprint(want) {
		t.Errorf("%q", s.done)
	}
	if key, err := x.SessionKey(); err != nil || len(key) != 16 {
		t.Errorf("%d bytes, %v", len(key), err)
	}
	if _, err := x.Continue([]byte("one more")); !errors.Is(err, ErrHostToken) {
		t.Errorf("a second token: %v", err)
	}
	x.Close()
	x.Close()
	if s.deleted != 1 || s.contexts != 1 {
		t.Errorf("deleted %d times, %d contexts", s.deleted, s.contexts)
	}
	if _, err := x.Seal(Buffer{Data, []byte("x")}); err == nil {
		t.Error("it seals after it was closed")
	}
	if _, err := x.Continue([]byte("x")); err == nil {
		t.Error("it goes on after it was closed")
	}
}

// What is asked for: never delegation, by Kerberos always the host's proof, sealing
// and DCE style for RPC alone.
func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		pkg  Package
		use  Use
		want uint32
	}{
		{Kerberos, SMB, 0x1080E}, {Kerberos, RPC, 0x10A1E}, {NTLM, SMB, 0x1080C}, {NTLM, RPC, 0x1081C},
	} {
		if got := flags(tt.pkg, tt.use); got != tt.want {
			t.Errorf("%s, %d: %#x", tt.pkg, tt.use, got)
		}
	}
}

// What goes wrong at the beginning leaves nothing behind.
func TestBeginFails(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil   func(*system)
		want    error
		deleted int
	}{
		"no credential": {func(s *system) { s.acquired = NoCredentials }, NoCredentials, 0},
		"unknown":       {func(s *system) { s.steps = []answer{{status: TargetUnknown}} }, TargetUnknown, 1},
		"no token":      {func(s *system) { s.steps[0].token = nil }, InternalError, 1},
		"complete without the host": {func(s *system) {
			s.steps = []answer{{[]byte("first"), all, OK}}
		}, ErrUnproved, 1},
	} {
		s := healthy()
		tt.spoil(s)
		x, token, err := s.calls().Begin(Kerberos, "cifs/ws-001", SMB)
		if x != nil || token != nil || !errors.Is(err, tt.want) || s.deleted != tt.deleted {
			t.Errorf("%s: %v, %q, %v, deleted %d", name, x, token, err, s.deleted)
		}
	}
}

// What a host may say, and what Windows may make of it.
func TestContinueFails(t *testing.T) {
	for name, tt := range map[string]struct {
		token []byte
		spoil func(*system)
		want  error
		asked int // how often Windows was asked at all
	}{
		"nothing":           {nil, func(*system) {}, ErrHostToken, 1},
		"too much":          {make([]byte, maxHostToken+1), func(*system) {}, ErrHostToken, 1},
		"refused":           {[]byte("x"), func(s *system) { s.steps[1].status = WrongPrincipal }, WrongPrincipal, 2},
		"another round":     {[]byte("x"), func(s *system) { s.steps[1].status = ContinueNeeded }, ErrUnproved, 2},
		"no mutual proof":   {[]byte("x"), func(s *system) { s.steps[1].granted &^= MutualAuth }, ErrUnproved, 2},
		"no integrity":      {[]byte("x"), func(s *system) { s.steps[1].granted &^= Integrity }, ErrUnproved, 2},
		"no sealing":        {[]byte("x"), func(s *system) { s.steps[1].granted &^= Confidentiality }, ErrUnproved, 2},
		"not of DCE style":  {[]byte("x"), func(s *system) { s.steps[1].granted &^= DCEStyle }, ErrUnproved, 2},
		"no sizes":          {[]byte("x"), func(s *system) { s.sized = InternalError }, InternalError, 2},
		"sizes of nothing":  {[]byte("x"), func(s *system) { s.sizes.Sealing = 0 }, InternalError, 2},
		"sizes of too much": {[]byte("x"), func(s *system) { s.sizes.Signature = 1 << 20 }, InternalError, 2},
	} {
		s := healthy()
		tt.spoil(s)
		x, _, err := s.calls().Begin(Kerberos, "host/ws-001", RPC)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err = x.Continue(tt.token); !errors.Is(err, tt.want) || len(s.asked) != tt.asked {
			t.Errorf("%s: %v, asked %d times", name, err, len(s.asked))
		}
		if _, err := x.SessionKey(); err == nil {
			t.Errorf("%s: there is a key", name)
		}
		if _, err := x.Seal(Buffer{Data, []byte("x")}); err == nil {
			t.Errorf("%s: it seals", name)
		}
		x.Close()
		if s.deleted != 1 || s.contexts != 1 {
			t.Errorf("%s: deleted %d times, %d contexts", name, s.deleted, s.contexts)
		}
	}
}

// A server of SMB need not seal: a context that cannot is complete there.
func TestUnsealed(t *testing.T) {
	for _, tt := range []struct {
		use  Use
		want error
	}{{SMB, nil}, {RPC, ErrUnproved}} {
		s := healthy()
		s.steps[1].granted &^= Confidentiality
		s.sizes.Sealing = 0
		x, _, err := s.calls().Begin(NTLM, "cifs/10.77.0.101", tt.use)
		if err == nil {
			_, err = x.Continue([]byte("challenge"))
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%d: %v", tt.use, err)
		}
	}
}

// Messages that Windows does not protect, or not as it told.
func TestProtectionFails(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*system)
		do    func(*Context) error
		want  error
	}{
		"altered":       {func(s *system) { s.protected = MessageAltered }, func(x *Context) error { return x.Unseal([]byte("s")) }, MessageAltered},
		"out of order":  {func(s *system) { s.protected = OutOfSequence }, func(x *Context) error { return x.Verify([]byte("s")) }, OutOfSequence},
		"unsigned":      {func(*system) {}, func(x *Context) error { return x.Unseal(nil) }, ErrHostToken},
		"long token":    {func(*system) {}, func(x *Context) error { return x.Verify(make([]byte, maxTrailer+1)) }, ErrHostToken},
		"does not seal": {func(s *system) { s.protected = InternalError }, func(x *Context) error { _, err := x.Seal(); return err }, InternalError},
		"seals shorter": {func(s *system) { s.shortened = 1 }, func(x *Context) error { _, err := x.Seal(); return err }, InternalError},
		"no signature":  {func(s *system) { s.shortened = 28 }, func(x *Context) error { _, err := x.Sign(); return err }, InternalError},
		"no key":        {func(s *system) { s.keyed = InternalError }, func(x *Context) error { _, err := x.SessionKey(); return err }, InternalError},
		"a short key":   {func(s *system) { s.key = s.key[:15] }, func(x *Context) error { _, err := x.SessionKey(); return err }, ErrUnproved},
	} {
		s := healthy()
		tt.spoil(s)
		x, _, err := s.calls().Begin(NTLM, "cifs/10.77.0.101", SMB)
		if err == nil {
			_, err = x.Continue([]byte("challenge"))
		}
		if err != nil {
			t.Fatal(name, err)
		}
		if err := tt.do(x); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		x.Close()
	}
}

// Status of an account come in three clothes.
func TestStatus(t *testing.T) {
	for status, want := range map[Status]struct {
		nt      uint32
		account bool
	}{
		OK: {}, LogonDenied: {0, true}, TargetUnknown: {}, WrongPrincipal: {}, TimeSkew: {}, NoAuthority: {}, NoCredentials: {},
		0xC0000234: {0xC0000234, true}, 0xD0000234: {0xC0000234, true}, 0x80070775: {0xC0000234, true}, // locked out
		0xC0000072: {0xC0000072, true}, 0x80070533: {0xC0000072, true}, // disabled
		0x80070701: {0xC0000193, true}, 0x80070532: {0xC0000071, true}, 0x80070773: {0xC0000224, true},
		0x80070530: {0xC000006F, true}, 0x80070531: {0xC0000070, true}, 0x8007052E: {0xC000006D, true},
		0xC000006E: {0xC000006E, false}, 0x8007052F: {0xC000006E, false}, // a policy: of the host, unless nobody was asked for
		0xC0000022: {}, 0xC0000413: {}, 0x80070005: {}, 0xC000005E: {},
	} {
		if status.NTStatus() != want.nt || status.AboutAccount() != want.account || status.IsRestriction() != (want.nt == 0xC000006E) {
			t.Errorf("%v: %#x, %t", status, status.NTStatus(), status.AboutAccount())
		}
	}
	if text := TimeSkew.Error(); text != "SSPI status 0x80090324 (SEC_E_TIME_SKEW)" {
		t.Error(text)
	}
	if text := Status(0x8009035F).Error(); text != "SSPI status 0x8009035F" {
		t.Error(text)
	}
}

// Close does not wait for what is under way, which lets go of the context when it ends,
// once; and what comes after it does nothing.
func TestCloseInUse(t *testing.T) {
	s := healthy()
	calls := s.calls()
	asked, hangs := make(chan struct{}), make(chan struct{})
	initialize := calls.Initialize
	calls.Initialize = func(step Step) (Progress, Status) {
		if step.Context != nil {
			close(asked)
			<-hangs
		}
		return initialize(step)
	}
	x, _, err := calls.Begin(Kerberos, "host/ws-001", RPC)
	if err != nil {
		t.Fatal(err)
	}
	var users sync.WaitGroup
	users.Go(func() { _, _ = x.Continue([]byte("x")) })
	<-asked
	for range 8 {
		users.Go(func() {
			if _, err := x.Seal(Buffer{Data, []byte("stub")}); !errors.Is(err, errClosed) {
				t.Errorf("it seals after it was closed: %v", err)
			}
		})
		x.Close()
	}
	if s.deleted != 0 {
		t.Error("deleted in use")
	}
	close(hangs)
	users.Wait()
	if s.deleted != 1 || s.contexts != 1 {
		t.Errorf("deleted %d times, %d contexts", s.deleted, s.contexts)
	}
}
