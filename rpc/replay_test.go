package rpc

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/transcript"
	"github.com/gpreach/gpreach/internal/wire"
)

const conversations = "../testdata/conversations/"

// The conversations that lab/record_test.go had with a Samba domain controller.
func TestSamba(t *testing.T) {
	tests := map[string]func(*testing.T, *Conn){
		"mapper.txt": func(t *testing.T, c *Conn) {
			if err := c.Bind(EndpointMapper); err != nil {
				t.Error("bind to the mapper:", err)
			}
			if ports, err := c.Map(EventLog); err != nil || !slices.Equal(ports, []uint16{49153}) {
				t.Errorf("EventLog: %d, %v", ports, err)
			}
			if ports, err := c.Map(TaskScheduler); !same(err, ErrNotRegistered) {
				t.Errorf("Task Scheduler: %d, %v", ports, err)
			}
			if err := c.Bind(ObjectExporter); !same(err, &Rejected{2, 1}) {
				t.Error("IObjectExporter:", err)
			}
		},
		"eventlog.txt": func(t *testing.T, c *Conn) {
			if err := c.Bind(EventLog); err != nil {
				t.Error("bind to EventLog:", err)
			}
		},
		"identify.txt": func(t *testing.T, c *Conn) {
			got, err := c.Challenge(EndpointMapper)
			want := &Challenge{"DC1", "CORP", "dc1.corp.example", "corp.example", 6, 1, 0}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v\n%s", err, diff)
			}
		},
	}
	for name, talk := range tests {
		t.Run(name, func(t *testing.T) {
			turns, err := transcript.ReadFile(conversations + name)
			if err != nil {
				t.Fatal(err)
			}
			player := &transcript.Player{Turns: turns}
			if talk(t, NewConn(player)); len(player.Turns) > 0 {
				t.Errorf("%d turns are left", len(player.Turns))
			}
		})
	}
}

// What a real Windows 10 and its own client said. That client offers NDR64 and
// feature negotiation too, so its host's answers are not all answers to us.
func TestWindows10(t *testing.T) {
	pdus, ok := transcript.Windows10(t)
	if !ok {
		return
	}
	answer := func(name string) (*Conn, *pdu) {
		t.Helper()
		p, err := readPDU(bytes.NewReader(pdus[name]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c := NewConn(saying(pdus[name]))
		c.callID = p.callID - 1
		return c, p
	}

	t.Run("our bind has its client's first context", func(t *testing.T) {
		theirs := pdus["win10_epm_ntv_bind"]
		ours := appendPDU(nil, typeBind, 2, appendBind(nil, 0, EndpointMapper), nil)
		for _, field := range [][2]int{{0, 8}, {10, 24}, {25, 72}} { // but frag_length and n_context_elem
			if diff := cmp.Diff(theirs[field[0]:field[1]], ours[field[0]:field[1]]); diff != "" {
				t.Errorf("bytes %d:\n%s", field, diff)
			}
		}
	})
	t.Run("its mapper's bind_ack has three results", func(t *testing.T) {
		_, p := answer("win10_epm_ntv_bind_ack")
		if err := parseBindAck(p); !same(err, wire.ErrGarbled) {
			t.Errorf("%v, want ErrGarbled", err)
		}
		p.body = slices.Clone(p.body[:44])
		p.body[16] = 1 // the first is about NDR 2.0
		if err := parseBindAck(p); !same(err, &Rejected{2, 2}) {
			t.Errorf("the first alone: %v, want the transfer syntax rejected", err)
		}
	})
	t.Run("its IObjectExporter's bind_ack accepts", func(t *testing.T) {
		_, p := answer("win10_oxid_bind_ack")
		if err := parseBindAck(p); !same(err, wire.ErrGarbled) {
			t.Errorf("two results: %v, want ErrGarbled", err)
		}
		p.body = slices.Clone(p.body[:44])
		p.body[16] = 1
		if err := parseBindAck(p); err != nil {
			t.Error("the first alone:", err)
		}
	})
	t.Run("our tower is its client's", func(t *testing.T) {
		theirs := bytes.Clone(towerIn(t, pdus["win10_epm_ntv_ept_map_request"]))
		copy(theirs[64:], []byte{0, 0}) // it asks for port 135
		if diff := cmp.Diff(theirs, appendTower(nil, TaskScheduler)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("its tower of Task Scheduler", func(t *testing.T) {
		octets := towerIn(t, pdus["win10_epm_ntv_ept_map_response"])
		if port, err := towerPort(octets, TaskScheduler); port != 49671 || err != nil {
			t.Errorf("%d, %v; want 49671", port, err)
		}
		if port, err := towerPort(octets, EventLog); port != 0 || err != nil {
			t.Errorf("asked for EventLog: %d, %v", port, err)
		}
		// The same in NDR 2.0, as this host would have answered us.
		if ports, err := parseMapResponse(stub{mapped(le, 0, octets), le}, TaskScheduler); !slices.Equal(ports, []uint16{49671}) {
			t.Errorf("%d, %v; want 49671", ports, err)
		}
		c, _ := answer("win10_epm_ntv_ept_map_response")
		if ports, err := c.Map(TaskScheduler); !same(err, wire.ErrGarbled) {
			t.Errorf("in NDR64: %d, %v; want ErrGarbled", ports, err)
		}
	})
	t.Run("our ServerAlive2 is its client's", func(t *testing.T) {
		c, p := answer("win10_oxid_ServerAlive2_response")
		got, err := c.ServerAlive2()
		want := &Alive{5, 7, []string{"WORKSTATION6", "172.18.39.6"}, []uint16{9, 0x1e, 0x10, 0x0a, 0x16, 0x1f, 0x0e}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("error %v\n%s", err, diff)
		}
		ours := appendPDU(nil, typeRequest, p.callID, unhex("00000000 0000 0500"), nil)
		if diff := cmp.Diff(pdus["win10_oxid_ServerAlive2_request"], ours); diff != "" {
			t.Error(diff)
		}
	})
}

// towerIn is the tower of 75 bytes in an NDR64 message: max_count, tower_length, octets.
func towerIn(t *testing.T, m []byte) []byte {
	t.Helper()
	_, behind, ok := bytes.Cut(m, unhex("4b00000000000000 4b000000"))
	if !ok || len(behind) < 75 {
		t.Fatalf("no tower in %x", m)
	}
	return behind[:75]
}
