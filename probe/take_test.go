package probe_test

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gpreach/gpreach/internal/transcript"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// A take is what a host answered to each question of a whole session. It is of
// no matter on which connection: each question is asked in one state only.
type take map[string][]byte

// question returns what makes two of a client's PDUs ask the same: the bytes
// but for the call id, and one word for NEGOTIATE, which holds random numbers.
func question(pdu []byte) string {
	if len(pdu) < 16 || pdu[0] != 5 {
		return "negotiate"
	}
	return string(pdu[:12]) + string(pdu[16:])
}

func (k take) add(turns []transcript.Turn) {
	for i, turn := range turns {
		if turn.Client && i+1 < len(turns) {
			k[question(turn.Bytes)] = turns[i+1].Bytes
		}
	}
}

// A tape is a connection that keeps what is said.
type tape struct {
	net.Conn
	recorder transcript.Recorder
}

func (c *tape) Read(b []byte) (int, error)  { return c.recorder.Read(b) }
func (c *tape) Write(b []byte) (int, error) { return c.recorder.Write(b) }

// record probes a simulated host that has all there is to find.
func record(t *testing.T, h *winhost.Host) take {
	said := take{}
	bubble(t, func(t *testing.T) {
		h.StandaloneWMI()
		n := winhost.NewNetwork(h)
		p := prober(n)
		var mu sync.Mutex
		var tapes []*tape
		p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := n.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			tapes = append(tapes, &tape{conn, transcript.Recorder{ReadWriter: conn}})
			return tapes[len(tapes)-1], nil
		}
		if r := p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, nil); r.Worst() != probe.StatusReady || r.Identity == nil {
			t.Fatalf("the host to record is\n%s", sketch(r))
		}
		for _, tape := range tapes {
			said.add(tape.recorder.Turns)
		}
	})
	return said
}

// takes returns the recorded hosts: a client, one whose mapper is big-endian,
// one whose mapper fragments its answers, a server with ports at which nothing
// listens, a client with impossible names, and Samba, which has no Task
// Scheduler, no DCOM and nothing on 24158.
func takes(t *testing.T) []take {
	t.Helper()
	client := func(change func(*winhost.RPC)) *winhost.Host {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		s := h.RPCSS()
		change(s)
		h.Ports[135] = winhost.Port{Serve: s.Serve}
		return h
	}
	server := winhost.Server("ws-001.corp.example", hostAddr)
	for _, port := range []uint16{50001, 50002} { // nothing listens there
		first := winhost.Endpoint{Interface: rpc.EventLog, Port: port}
		server.Endpoints = append([]winhost.Endpoint{first}, server.Endpoints...)
	}
	long := winhost.Client("ws-001.corp.example", hostAddr)
	long.Name, long.DNSName, long.Domain = "\x1b]0;\a\u202e", strings.Repeat("\u00fc\n", 300), "{detail}\\"
	all := []take{
		record(t, client(func(*winhost.RPC) {})),
		record(t, client(func(s *winhost.RPC) { s.BigEndian = true })),
		record(t, client(func(s *winhost.RPC) { s.Fragment = 8 })),
		record(t, server),
		record(t, long),
	}
	samba := take{}
	for _, name := range []string{"negotiate", "mapper", "identify", "eventlog"} {
		turns, err := transcript.ReadFile("../testdata/conversations/" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		samba.add(turns)
	}
	for q, answer := range samba {
		ours, asked := all[0][q]
		if !asked {
			t.Fatalf("Samba was asked %x, and we no longer ask that", q)
		}
		if answer[0] == 5 { // it was asked in another order, so under other call ids
			copy(answer[12:16], ours[12:16])
		}
	}
	return append(all, samba)
}

// split takes an answer apart into its PDUs.
func split(answer []byte) [][]byte {
	var pdus [][]byte
	for len(answer) > 0 {
		n := len(answer)
		if answer[0] == 5 {
			n = int(order(answer).Uint16(answer[8:]))
		}
		pdus = append(pdus, slices.Clone(answer[:n]))
		answer = answer[n:]
	}
	return pdus
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// order returns the byte order of a PDU's integers.
func order(pdu []byte) byteOrder {
	if len(pdu) > 4 && pdu[0] == 5 && pdu[4]>>4 == 0 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
