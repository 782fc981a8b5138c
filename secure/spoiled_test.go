package secure

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// mutations is how many hosts are met that spoil what they say on a path.
var mutations = flag.Int("mutations", 100, "spoiled conversations on each path")

// A spoiledConn changes the PDUs that a host sends.
type spoiledConn struct {
	net.Conn
	change func(pdu []byte) []byte // nil ends the connection

	rest []byte
	end  error
}

func (c *spoiledConn) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.end != nil {
			return 0, c.end
		}
		head := make([]byte, 16)
		if _, c.end = io.ReadFull(c.Conn, head); c.end != nil {
			continue
		}
		pdu := make([]byte, binary.LittleEndian.Uint16(head[8:]))
		copy(pdu, head)
		if _, c.end = io.ReadFull(c.Conn, pdu[len(head):]); c.end != nil {
			continue
		}
		if c.rest = c.change(pdu); c.rest == nil {
			c.end = io.EOF
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// spoil changes a message here and there: bits, bytes, lengths, an early end.
func spoil(r *rand.Rand, m []byte) []byte {
	if len(m) == 0 {
		return m
	}
	at := r.IntN(len(m))
	switch r.IntN(8) {
	case 0, 1:
		m[at] ^= 1 << r.IntN(8)
	case 2:
		m[at] = byte(r.Uint32())
	case 3:
		for i := at; i < min(at+1+r.IntN(8), len(m)); i++ {
			m[i] = byte(0xff * r.IntN(2))
		}
	case 4:
		return append(m[:at:at], append(make([]byte, 1+r.IntN(64)), m[at:]...)...)
	case 5:
		return append(m[:at:at], m[min(at+1+r.IntN(64), len(m)):]...)
	case 6:
		if at &^= 3; at+4 <= len(m) {
			binary.LittleEndian.PutUint32(m[at:], [...]uint32{0xffffffff, 0x7fffffff, 0x80000000, 0x10000, 0, 1}[r.IntN(6)])
		}
	case 7:
		if r.IntN(4) == 0 {
			return m[:at]
		}
		return append(m, m[:at]...)
	}
	return m
}

// TestSpoiled meets hosts that say on one path other than they should: on the wire,
// where signatures tell, and in what they sign. Nothing crashes or hangs, no other host
// is dialled, little memory is taken, and the credential stays in use.
func TestSpoiled(t *testing.T) {
	const budget = 2 << 20
	for _, port := range []uint16{135, 52419, 49668} {
		for _, signed := range []bool{false, true} {
			t.Run(fmt.Sprintf("port %d, signed %t", port, signed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					seen := map[probe.Outcome]int{}
					most := uint64(0)
					h := winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.101"))
					h.RTT = 2 * time.Millisecond
					h.Admit(winhost.Account{Name: "admin", Password: secretWord, Rights: winhost.Administrator})
					ways := [2]struct { // by turns
						c        *auth.Credential
						target   string
						messages int // that an honest host says
					}{{c: withTickets(t, "admin", h), target: h.DNSName}, {c: withPassword(t), target: h.Addrs[0].String()}}
					for i := range ways {
						w := &ways[i]
						r := changedProbe(t, h, w.c, w.target, port, signed, func(m []byte) []byte { w.messages++; return m })
						if r.Status(probe.Refresh) != probe.StatusReady || w.messages == 0 {
							t.Fatalf("an honest host: %+v, %d messages", r.Operations, w.messages)
						}
					}
					spoiled := 0
					for seed := range *mutations {
						w, random := ways[seed%2], rand.New(rand.NewPCG(uint64(seed), 6))
						turn, n := random.IntN(w.messages), 0
						var before, after runtime.MemStats
						runtime.ReadMemStats(&before)
						r := changedProbe(t, h, w.c, w.target, port, signed, func(m []byte) []byte {
							if n++; n-1 != turn {
								return m
							}
							spoiled++
							return spoil(random, m)
						})
						runtime.ReadMemStats(&after)
						most = max(most, after.TotalAlloc-before.TotalAlloc)
						for _, f := range r.Findings {
							if s, ok := f.Trail.Failed(); ok {
								seen[s.Outcome]++
							}
						}
						if why := w.c.Why(); why != "" {
							t.Fatalf("seed %d: stopped: %s", seed, why)
						}
					}
					t.Logf("%d spoiled of %d and %d messages; at most %d KiB; %v", spoiled, ways[0].messages, ways[1].messages, most>>10, seen)
					if most > budget || seen[probe.Garbled] == 0 || spoiled != *mutations {
						t.Errorf("at most %d KiB; %v", most>>10, seen)
					}
				})
			})
		}
	}
}

// changedProbe asks a host that says some things otherwise: each stub that it signs on a port,
// or each PDU of a logon there.
func changedProbe(t *testing.T, h *winhost.Host, c *auth.Credential, target string, port uint16, signed bool, change func([]byte) []byte) *probe.Report {
	t.Helper()
	honest := h.Ports[port]
	defer func() { h.Ports[port] = honest }()
	if signed {
		services := map[uint16]*winhost.RPC{135: h.RPCSS(), 52419: h.Winmgmt(), 49668: h.Schedule()}
		services[port].Spoil = change
		h.Ports[port] = winhost.Port{Serve: services[port].Serve}
	}
	n := winhost.NewNetwork(h)
	dials := 0
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := n.Dial(ctx, network, address)
		at, _ := netip.ParseAddrPort(address)
		if at.Addr() != h.Addrs[0] {
			t.Errorf("%s is dialled", address)
		}
		if at.Port() == port {
			dials++
		}
		if err != nil || signed || at.Port() != port || port != 52419 && dials < 2 {
			return conn, err
		}
		return &spoiledConn{Conn: conn, change: change}, nil
	}
	p := &probe.Prober{
		Dial: dial, Lookup: n.Lookup, Timeout: 2 * time.Second, Deadline: 30 * time.Second, SMBPort: 445, MapperPort: 135,
		NoWMIPort: true, NoIdentify: true, Authenticate: New(c, Options{AllowNTLM: true, Rehearse: true}).Begin,
	}
	return p.Probe(t.Context(), probe.Target{Name: target}, []probe.Operation{probe.Refresh})
}
