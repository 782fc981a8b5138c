package rpc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

func TestChallengeRequest(t *testing.T) {
	p := saying()
	if ch, err := NewConn(p).Challenge(EndpointMapper); !hangup(err) {
		t.Fatalf("%+v, %v", ch, err)
	}
	want := unhex("05 00 0b 03 10000000 7800 2800 01000000" + // bind, length 120, token of 40
		"d016 d016 00000000 01000000 0000 01 00" + mapperHex + ndr20Hex +
		"0a 06 00 00 01000000" + // NTLM, privacy, no padding, context 1
		"4e544c4d53535000 01000000 358208e2" + // NEGOTIATE_MESSAGE
		"0000 0000 00000000 0000 0000 00000000" + // no domain, no workstation
		"0a 00 0000 000000 0f") // version
	if diff := cmp.Diff(want, p.asked.Bytes()); diff != "" {
		t.Error(diff)
	}
}

const (
	// Unicode, NTLM, target info, version; and less.
	flagsFull      = "0502 82e2"
	flagsNoVersion = "0502 82e0"
	flagsNoInfo    = "0502 02e2"
	version        = "0a 00 6758 000000 0f" // 10.0.22631
	beforeFlags    = "4e544c4d53535000 02000000 0800 0800 38000000"
	afterFlags     = "1122334455667788 0000000000000000"
	targetName     = "43004f0052005000"
)

// challenge is a CHALLENGE_MESSAGE, [MS-NLMP] section 2.2.1.2, with this target
// information behind the target name, at 64.
func challenge(flags string, info []byte) []byte {
	n := uint16(len(info))
	return pack(le, beforeFlags, flags, afterFlags, n, n, "40000000", version, targetName, info)
}

// pair is an AV_PAIR.
func pair(id uint16, value string) []byte {
	w := words(value)
	return pack(le, id, uint16(2*len(w)), w)
}

const eol = "0000 0000"

func TestChallenge(t *testing.T) {
	all := pack(le, pair(2, "CORP"), pair(1, "WS-001"), pair(4, "corp.example"), pair(3, "ws-001.corp.example"), pair(5, "example"),
		"0700 0800 0102030405060708", eol)
	full := Challenge{"WS-001", "CORP", "ws-001.corp.example", "corp.example", 10, 0, 22631}
	versionless, infoless := full, Challenge{Major: 10, Build: 22631}
	versionless.Major, versionless.Build = 0, 0
	n := uint16(len(all))
	lying := func(length, most uint16, offset uint32) []byte {
		return pack(le, beforeFlags, flagsFull, afterFlags, length, most, offset, version, targetName, all)
	}
	tests := []struct {
		name string
		in   []byte
		want *Challenge
		err  error
	}{
		{"names and version", challenge(flagsFull, all), &full, nil},
		{"no version", challenge(flagsNoVersion, all), &versionless, nil},
		{"no version, and no room for one", pack(le, beforeFlags, flagsNoVersion, afterFlags, "0400 0400 30000000", eol), &Challenge{}, nil},
		{"no target information", challenge(flagsFull, nil), &infoless, nil},
		{"no target information, and an offset to nowhere", pack(le, beforeFlags, flagsNoInfo, afterFlags, "ffff ffff ffffffff", version), &infoless, nil},
		{"only the end", challenge(flagsFull, unhex(eol)), &infoless, nil},
		{"no end", challenge(flagsFull, all[:len(all)-4]), &full, nil},
		{"more behind the end", challenge(flagsFull, append(all, pair(1, "OTHER")...)), &full, nil},
		{"a maximum length that lies", lying(n, 0, 64), &full, nil},
		{"empty names", challenge(flagsFull, pack(le, pair(1, ""), pair(3, ""), eol)), &infoless, nil},
		{
			"controls, half a character, an odd length",
			challenge(flagsFull, pack(le, pair(1, "\x1b[2J"), "0300 0300 3dd8 41", eol)),
			&Challenge{NetBIOSComputer: "\x1b[2J", DNSComputer: "\uFFFD", Major: 10, Build: 22631}, nil,
		},

		{"beyond the end", lying(n+1, n+1, 64), nil, wire.ErrGarbled},
		{"65535 bytes", lying(0xffff, 0xffff, 64), nil, wire.ErrGarbled},
		{"offset at 4294967295", lying(n, n, 0xffffffff), nil, wire.ErrGarbled},
		{"offset just beyond the end", lying(0, 0, 64+uint32(n)+1), nil, wire.ErrGarbled},
		{"a name beyond the information", challenge(flagsFull, unhex("0100 0800 43004f00")), nil, wire.ErrGarbled},
		{"half an AV_PAIR", challenge(flagsFull, unhex("0000 00")), nil, wire.ErrGarbled},
		{"a byte behind the last name", challenge(flagsFull, append(pair(1, "WS-001"), 0)), nil, wire.ErrGarbled},
		{"NEGOTIATE_MESSAGE", pack(le, "4e544c4d53535000 01000000", make([]byte, 60)), nil, wire.ErrGarbled},
		{"SPNEGO", pack(le, "605e06062b060105 0502a054", make([]byte, 60)), nil, wire.ErrGarbled},
		{"nothing", []byte{}, nil, wire.ErrGarbled},
		{"no token", nil, nil, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := message{typ: typeBindAck, flags: whole, call: 1, body: ack(le, address135, 1, 0, 0, ndr20Hex), token: tt.in}
			got, err := NewConn(saying(m.bytes())).Challenge(EndpointMapper)
			if diff := cmp.Diff(tt.want, got); diff != "" || !same(err, tt.err) {
				t.Errorf("error %v, want %v\n%s", err, tt.err, diff)
			}
		})
	}
}

func TestChallengeCut(t *testing.T) {
	token := challenge(flagsFull, pack(le, pair(1, "WS-001"), pair(3, strings.Repeat("long", 20)), eol))
	for i := range token {
		if ch, err := parseChallenge(token[:i]); !same(err, wire.ErrGarbled) {
			t.Errorf("cut after %d bytes: %+v, %v", i, ch, err)
		}
	}
	m := message{typ: typeBindAck, flags: whole, call: 1, body: ack(le, address135, 1, 0, 0, ndr20Hex), token: token}.bytes()
	checkCuts(t, m, len(m), func(c *Conn) error {
		_, err := c.Challenge(EndpointMapper)
		return err
	})
}

// Answers to a bind with a token that are of another kind. A rejected context
// does not keep the host from saying who it is.
func TestChallengeAnswers(t *testing.T) {
	token := challenge(flagsFull, pack(le, pair(1, "WS-001"), eol))
	rejected := ack(le, address135, 1, 2, 1, noneHex)
	tests := []struct {
		name string
		in   message
		err  error
	}{
		{"a rejected context", message{typ: typeBindAck, flags: whole, call: 1, body: rejected, token: token}, nil},
		{"big-endian, but the token", message{typ: typeBindAck, flags: whole, order: be, call: 1, token: token}, nil},
		{"fault", message{typ: typeFault, flags: whole, call: 1, body: pack(le, "00000000 0000 00 00 05000000")}, &Fault{5}},
		{"response", message{typ: typeResponse, flags: whole, call: 1, body: rejected, token: token}, wire.ErrGarbled},
		{"first fragment of more", message{typ: typeBindAck, flags: flagFirst, call: 1, body: rejected, token: token}, wire.ErrGarbled},
		{"another call", message{typ: typeBindAck, flags: whole, call: 7, body: rejected, token: token}, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ch, err := NewConn(saying(tt.in.bytes())).Challenge(EndpointMapper)
			if !same(err, tt.err) || err == nil && ch.NetBIOSComputer != "WS-001" {
				t.Errorf("%+v, %v; want %v", ch, err, tt.err)
			}
		})
	}
}
