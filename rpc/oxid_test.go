package rpc

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

func TestServerAlive2Request(t *testing.T) {
	p := saying()
	if a, err := NewConn(p).ServerAlive2(); !hangup(err) {
		t.Fatalf("%+v, %v", a, err)
	}
	want := unhex("05 00 00 03 10000000 1800 0000 01000000 00000000 0000 0500")
	if diff := cmp.Diff(want, p.asked.Bytes()); diff != "" {
		t.Error(diff)
	}
}

// alive is the body of a ServerAlive2 response, [MS-DCOM] section 3.1.2.5.1.6,
// with these string and security bindings.
func alive(order binary.ByteOrder, status uint32, bindings, security []uint16) []byte {
	n := uint16(len(bindings) + len(security))
	pad := make([]byte, 2*(n&1))
	return pack(order, words(5, 7), uint32(0x20000), uint32(n), n, uint16(len(bindings)), bindings, security, pad, uint32(0), status)
}

func TestServerAlive2(t *testing.T) {
	both := words(7, "WS-001", 0, 7, "10.77.0.101", 0, 0)
	logons := words(9, 0xffff, 0, 0x0a, 0xffff, "CORP", 0, 0)
	full := &Alive{Major: 5, Minor: 7, Addresses: []string{"WS-001", "10.77.0.101"}, Security: []uint16{9, 10}}
	array := func(n uint32, entries, security uint16, units ...uint16) []byte {
		return pack(le, words(5, 7), uint32(0x20000), n, entries, security, units, "00000000 00000000")
	}
	tests := []struct {
		name string
		in   []byte
		want *Alive
		err  error
	}{
		{"names and addresses", alive(le, 0, both, logons), full, nil},
		{"an odd number of units", alive(le, 0, both, words(9, 0xffff, 0, 0x0a, 0xffff, "NTLM+", 0, 0)), full, nil},
		{"no addresses", alive(le, 0, words(0), logons), &Alive{Major: 5, Minor: 7, Security: []uint16{9, 10}}, nil},
		{"no bindings", alive(le, 0, words(0), words(0)), &Alive{Major: 5, Minor: 7}, nil},
		{"the smallest array of the specification", alive(le, 0, words(0, 0), words(0, 0)), &Alive{Major: 5, Minor: 7}, nil},
		{"no array", pack(le, words(5, 1), "00000000 00000000 00000000"), &Alive{Major: 5, Minor: 1}, nil},
		{"units between the lists", alive(le, 0, append(both, words("left over")...), logons), full, nil},
		{
			"an empty address, one of half a character, and controls",
			alive(le, 0, words(7, 0, 7, 0xd83d, 0, 31, "\x1b]0;x\a", 0, 0), words(0)),
			&Alive{Major: 5, Minor: 7, Addresses: []string{"", "\uFFFD", "\x1b]0;x\a"}}, nil,
		},
		{"more behind it", append(alive(le, 0, both, logons), "more"...), full, nil},

		{"access denied", alive(le, 5, words(0), words(0)), nil, &Status{"ServerAlive2", 5}},
		{"a status without an array", pack(le, words(5, 7), "00000000 00000000", uint32(0x800706BA)), nil, &Status{"ServerAlive2", 0x800706BA}},

		{"strings without an end", alive(le, 0, words(7, "WS-001", 0), words(0)), nil, wire.ErrGarbled},
		{"a string without an end", alive(le, 0, words(7, "WS-001"), words(0)), nil, wire.ErrGarbled},
		{"no strings, and no end of them", alive(le, 0, nil, words(0)), nil, wire.ErrGarbled},
		{"security without an end", alive(le, 0, words(0), words(9, 0xffff, 0)), nil, wire.ErrGarbled},
		{"security with a name without an end", alive(le, 0, words(0), words(9, 0xffff, "CORP")), nil, wire.ErrGarbled},
		{"security without wAuthzSvc", alive(le, 0, words(0), words(9)), nil, wire.ErrGarbled},
		{"no security, and no end of it", alive(le, 0, words(0), nil), nil, wire.ErrGarbled},
		{"wNumEntries beyond the array", array(2, 3, 1, 0, 0, 0), nil, wire.ErrGarbled},
		{"array beyond wNumEntries", array(3, 2, 1, 0, 0, 0), nil, wire.ErrGarbled},
		{"an array of 4294967295", array(0xffffffff, 2, 1, 0, 0), nil, wire.ErrGarbled},
		{"an array of 65538, which is not 2", array(0x10002, 2, 1, 0, 0), nil, wire.ErrGarbled},
		{"wSecurityOffset beyond the array", array(2, 2, 3, 0, 0), nil, wire.ErrGarbled},
		{"an array beyond the end", array(65535, 65535, 1, 0, 0), nil, wire.ErrGarbled},
		{"the other byte order", alive(be, 0, both, logons), nil, wire.ErrGarbled},
		{"nothing", nil, nil, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NewConn(saying(response(le, tt.in))).ServerAlive2()
			if diff := cmp.Diff(tt.want, got); diff != "" || !same(err, tt.err) {
				t.Errorf("error %v, want %v\n%s", err, tt.err, diff)
			}
		})
	}
	got, err := NewConn(saying(response(be, alive(be, 0, both, logons)))).ServerAlive2()
	if diff := cmp.Diff(full, got); diff != "" || err != nil {
		t.Errorf("big-endian: error %v\n%s", err, diff)
	}
}

// Of what no host has, neither so many addresses nor so long a one, a part is kept.
func TestServerAlive2Long(t *testing.T) {
	tests := []struct {
		name     string
		bindings []uint16
		want     []string
	}{
		{"addresses", slices.Repeat(words(7, "a", 0), maxAddresses+1), slices.Repeat([]string{"a"}, maxAddresses)},
		{"characters", words(7, strings.Repeat("a", maxAddress+1), 0, 7, "b", 0), []string{strings.Repeat("a", maxAddress), "b"}},
	}
	for _, tt := range tests {
		got, err := NewConn(saying(response(le, alive(le, 0, append(tt.bindings, 0), words(0))))).ServerAlive2()
		if err != nil || !slices.Equal(got.Addresses, tt.want) {
			t.Errorf("%s: %+v, error %v", tt.name, got, err)
		}
	}
}

func TestServerAlive2Cut(t *testing.T) {
	for _, in := range [][]byte{
		alive(le, 0, words(7, "WS-001", 0, 0), words(9, 0xffff, 0, 0)),
		alive(le, 0, words(7, strings.Repeat("long", 200), 0, 0), words(0)),
		alive(le, 5, words(0), words(0)),
	} {
		whole := response(le, in)
		checkCuts(t, whole, len(whole), func(c *Conn) error {
			_, err := c.ServerAlive2()
			return err
		})
	}
}
