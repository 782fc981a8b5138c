package secure

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// recorded is what Samba said in a conversation of testdata, message by message.
func recorded(t testing.TB, name string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for line := range strings.FieldsSeq(string(text)) {
		out = append(out, pack(line))
	}
	return out
}

// A host says its messages, each when it is asked something, whatever that is, and
// hangs up.
type host struct {
	net.Conn
	first func(asked []byte) // told of what it is asked first; may be nil

	mu    sync.Mutex
	turn  sync.Cond
	says  [][]byte // not asked for yet
	ready []byte
	gone  bool
}

func newHost(says ...[]byte) *host {
	h := &host{says: says}
	h.turn.L = &h.mu
	return h
}

func (h *host) Read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.ready) == 0 && len(h.says) > 0 && !h.gone {
		h.turn.Wait()
	}
	switch {
	case h.gone:
		return 0, net.ErrClosed
	case len(h.ready) == 0:
		return 0, io.EOF
	}
	n := copy(b, h.ready)
	h.ready = h.ready[n:]
	return n, nil
}

func (h *host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first != nil {
		h.first(b)
		h.first = nil
	}
	if len(b) > 4 && len(h.says) > 0 { // SMB's frame header is written by itself
		h.ready, h.says = append(h.ready, h.says[0]...), h.says[1:]
		h.turn.Broadcast()
	}
	return len(b), nil
}

func (h *host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
	h.turn.Broadcast()
	return nil
}

func (*host) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(10, 77, 0, 101), Port: 445} }
func (*host) SetDeadline(time.Time) error      { return nil }
func (*host) SetReadDeadline(time.Time) error  { return nil }
func (*host) SetWriteDeadline(time.Time) error { return nil }

// ascent is where the credential climbs on, without a prober.
func ascent(object rpc.Syntax) *probe.Ascent {
	return &probe.Ascent{
		Target: probe.Target{Name: "ws-001.corp.example"}, Address: netip.MustParseAddr("10.77.0.101"), Port: 49671,
		Rule: probe.Rule{Object: object, Pipe: "eventlog", Route: probe.ByPipe},
	}
}

// patience is with hosts whose message was cut short, and who say no more.
const patience = 10 * time.Millisecond

// contextID is the auth_context_id of the recorded conversations.
const contextID = "\x17\x06\x0f\x0d"

// logOnTo logs on to a host by SMB and opens the pipe, as far as the host lets
// go-smb2.
func logOnTo(t testing.TB, patience time.Duration, v *visit, by *logon, said ...[]byte) error {
	h := newHost(said...)
	p := &pipeClimb{visit: v, ascent: ascent(rpc.EventLogPipe), talk: guard.Begin(t.Context(), v.credential.Stopped()), conn: guard.NewSMB(h)}
	defer p.talk.End()
	p.talk.Hold(p.conn)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, do := range []func() error{func() error { return p.logOn(by) }, p.open, p.bind, p.call} {
		if err := p.try(do)(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// bindTo binds to a host at packet privacy and asks for a channel, as far as the host lets go-msrpc.
func bindTo(t testing.TB, patience time.Duration, v *visit, by *logon, said ...[]byte) error {
	h := newHost(said...)
	h.first = func(asked []byte) {
		// The context id of the recorded answers is the one that was recorded.
		at := len(asked) - int(binary.LittleEndian.Uint16(asked[10:])) - 4
		for i := range h.says {
			h.says[i] = bytes.ReplaceAll(h.says[i], []byte(contextID), asked[at:at+4])
		}
	}
	r := &rpcClimb{visit: v, ascent: ascent(rpc.EventLog), by: by, talk: guard.Begin(t.Context(), v.credential.Stopped()), conn: guard.NewRPC(h)}
	defer r.talk.End()
	r.talk.Hold(r.conn)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	step := &probe.Step{}
	if err := r.try(r.bind)(ctx, step); err != nil {
		return err
	}
	err := r.try(func(ctx context.Context, _ *probe.Step) error { return r.query(ctx, "System") })(ctx, step)
	r.close()
	return err
}

// The recorded conversations lead as far as what they prove was proved to another
// run: no further, and never to an ok.
func TestReplayed(t *testing.T) {
	v := &visit{Logons: New(withPassword(t), Options{AllowNTLM: true})}
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"SMB by NTLM", logOnTo(t, time.Minute, v, &logon{service: "cifs/x"}, recorded(t, "smb_ntlm.hex")...), wire.ErrGarbled},
		{"EventLog by NTLM", bindTo(t, time.Minute, v, &logon{service: "host/x"}, recorded(t, "rpc_ntlm.hex")...), wire.ErrGarbled},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
	}
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"SMB by Kerberos", logOnTo(t, time.Minute, v, &logon{proof: &proof{ticket: ticketFor("cifs/x")}}, recorded(t, "smb_kerberos.hex")...)},
		{"EventLog by Kerberos", bindTo(t, time.Minute, v, &logon{proof: &proof{ticket: ticketFor("host/x")}}, recorded(t, "rpc_kerberos.hex")...)},
	} {
		if f, ok := errors.AsType[*probe.Failure](tt.err); !ok || f.Outcome != probe.WrongHost {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
	}
}

// Ten thousand hosts that say what Samba said, but for some bytes: no crash, no
// hang, nobody is believed, and none costs much memory.
func TestMutated(t *testing.T) {
	const hosts, budget = 10_000, 1 << 20
	v := &visit{Logons: New(withPassword(t), Options{AllowNTLM: true})}
	names := [...]string{"smb_ntlm.hex", "smb_kerberos.hex", "rpc_ntlm.hex", "rpc_kerberos.hex"}
	var before, after runtime.MemStats
	most := uint64(0)
	for seed := range hosts {
		path := seed % len(names)
		said := recorded(t, names[path])
		mutate(rand.New(rand.NewPCG(uint64(seed), 5)), said[:min(3, len(said))])
		do, by := logOnTo, &logon{service: "host/ws-001"}
		if path >= 2 {
			do = bindTo
		}
		if path%2 == 1 {
			by.proof = &proof{ticket: ticketFor("host/ws-001")}
		}
		runtime.ReadMemStats(&before)
		err := do(t, patience, v, by, said...)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Fatalf("seed %d: let in by anybody", seed)
		}
		most = max(most, after.TotalAlloc-before.TotalAlloc)
	}
	if t.Logf("at most %d KiB", most>>10); most > budget {
		t.Errorf("a host made us allocate %d bytes", most)
	}
}

// mutate changes bytes of one or two messages: other bits, extreme values, and
// sometimes an early end.
func mutate(r *rand.Rand, messages [][]byte) {
	for range 1 + r.IntN(2) {
		i := r.IntN(len(messages))
		m := messages[i]
		if len(m) == 0 {
			continue
		}
		at := r.IntN(len(m))
		switch r.IntN(5) {
		case 0:
			m[at] ^= 1 << r.IntN(8)
		case 1:
			m[at] = byte(r.Uint32())
		case 2, 3:
			for j := at; j < min(len(m), at+1+r.IntN(4)); j++ {
				m[j] = byte(0xff * r.IntN(2))
			}
		case 4:
			if r.IntN(8) == 0 { // each is waited for
				messages[i] = m[:at]
			}
		}
	}
}

// Whatever a host says, no library of ours ends the process, hangs or believes it.
func FuzzLibraries(f *testing.F) {
	for path, name := range []string{"smb_ntlm.hex", "smb_kerberos.hex", "rpc_ntlm.hex", "rpc_kerberos.hex"} {
		m := recorded(f, name)
		f.Add(m[0], m[1], m[2], byte(path))
	}
	c := withPassword(f)
	f.Fuzz(func(t *testing.T, first, second, third []byte, path byte) {
		v := &visit{Logons: New(c, Options{AllowNTLM: true})}
		by := &logon{service: "host/ws-001"}
		if path&1 != 0 {
			by.proof = &proof{ticket: ticketFor("host/ws-001")}
		}
		do := logOnTo
		if path&2 != 0 {
			do = bindTo
		}
		if do(t, patience, v, by, first, second, third) == nil {
			t.Fatal("let in by anybody")
		}
	})
}
