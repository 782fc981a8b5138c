package rpc

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gpreach/gpreach/internal/transcript"
)

// Whatever a host says, nothing panics and each error is of exactly one class.
func checkError(t *testing.T, what string, err error) {
	t.Helper()
	if of := classesOf(err); err != nil && len(of) != 1 {
		t.Fatalf("%s: error %q is %q", what, err, of)
	}
}

func checkPorts(t *testing.T, ports []uint16, err error) {
	t.Helper()
	checkError(t, "Map", err)
	distinct := slices.Compact(slices.Sorted(slices.Values(ports)))
	if err == nil && (len(ports) < 1 || len(ports) > maxTowers || len(distinct) != len(ports) || distinct[0] == 0) ||
		err != nil && ports != nil {
		t.Fatalf("ports %d, error %v", ports, err)
	}
}

func checkAlive(t *testing.T, said int, a *Alive, err error) {
	t.Helper()
	checkError(t, "ServerAlive2", err)
	if (a == nil) != (err != nil) {
		t.Fatalf("ServerAlive2: %+v, error %v", a, err)
	}
	if a == nil {
		return
	}
	units := 3 * len(a.Security)
	for _, address := range a.Addresses {
		if !utf8.ValidString(address) {
			t.Fatalf("address %q", address)
		}
		units += 2 + utf8.RuneCountInString(address)
	}
	if 2*units > said {
		t.Fatalf("%+v out of %d bytes", a, said)
	}
}

func checkChallenge(t *testing.T, said int, ch *Challenge, err error) {
	t.Helper()
	checkError(t, "Challenge", err)
	if err != nil {
		return
	}
	for _, name := range []string{ch.NetBIOSComputer, ch.NetBIOSDomain, ch.DNSComputer, ch.DNSDomain} {
		if !utf8.ValidString(name) || 2*utf8.RuneCountInString(name) > said {
			t.Fatalf("name %q out of %d bytes", name, said)
		}
	}
}

// recorded is what the server said in each recorded conversation.
func recorded(f *testing.F) [][]byte {
	f.Helper()
	names, err := filepath.Glob(conversations + "*.txt")
	if err != nil || len(names) == 0 {
		f.Fatal("no recorded conversations: ", err)
	}
	var said [][]byte
	for _, name := range names {
		turns, err := transcript.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var server []byte
		for _, turn := range turns {
			if !turn.Client {
				server = append(server, turn.Bytes...)
			}
		}
		said = append(said, server)
	}
	return said
}

// FuzzPDU is a host that says anything to everything that it is asked.
func FuzzPDU(f *testing.F) {
	for _, said := range recorded(f) {
		f.Add(said)
	}
	accepted := message{typ: typeBindAck, flags: whole, call: 1, body: ack(le, address135, 1, 0, 0, ndr20Hex)}.bytes()
	call := func(m message) []byte { return append(slices.Clone(accepted), m.bytes()...) }
	f.Add(call(message{typ: typeResponse, flags: whole, call: 2, body: pack(le, uint64(0), mapped(le, 0, tower(1)))}))
	f.Add(call(message{typ: typeResponse, flags: flagFirst, call: 2, body: pack(le, uint64(0), "0000")}))
	f.Add(call(message{typ: typeFault, flags: whole, call: 2, body: pack(le, uint64(0), uint32(5))}))
	f.Add(unhex("05 00 0d 03 10000000 1200 0000 01000000 0800"))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		for r := bytes.NewReader(said); ; {
			p, err := readPDU(r)
			if checkError(t, "readPDU", err); err != nil {
				break
			}
			if n := headerLen + len(p.body) + len(p.auth); n > maxFrag || n > len(said) {
				t.Fatalf("a PDU of %d bytes out of %d", n, len(said))
			}
		}
		c := NewConn(saying(said))
		checkError(t, "Bind", c.Bind(EndpointMapper))
		for _, s := range []Syntax{EventLog, TaskScheduler} {
			ports, err := c.Map(s)
			checkPorts(t, ports, err)
		}
		checkError(t, "Bind", c.Bind(ObjectExporter))
		a, err := c.ServerAlive2()
		checkAlive(t, len(said), a, err)
		ch, err := NewConn(saying(said)).Challenge(EndpointMapper)
		checkChallenge(t, len(said), ch, err)
	})
}

func order(big bool) binary.ByteOrder {
	if big {
		return be
	}
	return le
}

func FuzzBindAck(f *testing.F) {
	f.Add(ack(le, address135, 1, 0, 0, ndr20Hex), false)
	f.Add(ack(le, address49667, 1, 2, 1, noneHex), false)
	f.Add(ack(be, address135, 1, 0, 0, "8a885d04 1ceb 11c9 9fe808002b104860 00000002"), true)
	f.Fuzz(func(t *testing.T, body []byte, big bool) {
		err := parseBindAck(&pdu{order: order(big), body: body})
		checkError(t, "bind_ack", err)
		if err == nil && !bytes.Contains(body, NDR20.UUID[8:]) {
			t.Fatal("accepted without NDR 2.0")
		}
	})
}

func FuzzMapResponse(f *testing.F) {
	f.Add(mapped(le, 0, tower(49671)), false)
	f.Add(mapped(be, 0, tower(49671)), true)
	f.Add(mapped(le, 0, tower(1), tower(1), unhex(pipe), tower(2)), false)
	f.Add(mapped(le, 0x16C9A0D6), false)
	f.Add(mapped(le, 5), false)
	f.Fuzz(func(t *testing.T, in []byte, big bool) {
		ports, err := parseMapResponse(stub{in, order(big)}, TaskScheduler)
		checkPorts(t, ports, err)
		for _, port := range ports {
			if !bytes.Contains(in, pack(be, "0200", port)) {
				t.Fatalf("port %d is in no floor", port)
			}
		}
	})
}

func FuzzServerAlive2(f *testing.F) {
	f.Add(alive(le, 0, words(7, "WS-001", 0, 7, "10.77.0.101", 0, 0), words(9, 0xffff, 0, 0x0a, 0xffff, 0, 0)), false)
	f.Add(alive(be, 0, words(7, "WS-001", 0, 0), words(9, 0xffff, 0, 0)), true)
	f.Add(alive(le, 5, words(0, 0), words(0, 0)), false)
	f.Add(pack(le, words(5, 7), "00000000 00000000 00000000"), false)
	f.Fuzz(func(t *testing.T, in []byte, big bool) {
		a, err := parseServerAlive2(stub{in, order(big)})
		checkAlive(t, len(in), a, err)
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(challenge(flagsFull, pack(le, pair(1, "WS-001"), pair(2, "CORP"), pair(3, "ws-001.corp.example"), pair(4, "corp.example"), eol)))
	f.Add(challenge(flagsNoVersion, unhex(eol)))
	f.Add(challenge(flagsNoInfo, nil))
	f.Fuzz(func(t *testing.T, token []byte) {
		ch, err := parseChallenge(token)
		checkChallenge(t, len(token), ch, err)
	})
}

func FuzzTower(f *testing.F) {
	f.Add(unhex(taskTower))
	f.Add(unhex(pipe))
	f.Add(unhex(udp))
	f.Add(unhex("0800 0000 0000"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		port, err := towerPort(octets, TaskScheduler)
		checkError(t, "tower", err)
		if port != 0 && (err != nil || !bytes.Contains(octets, TaskScheduler.UUID[:]) || !bytes.Contains(octets, pack(be, "0200", port))) {
			t.Fatalf("port %d, error %v", port, err)
		}
	})
}
