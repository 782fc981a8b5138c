package rpc

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

func TestMapRequest(t *testing.T) {
	p := saying()
	if ports, err := NewConn(p).Map(TaskScheduler); !hangup(err) {
		t.Fatalf("%d, %v", ports, err)
	}
	want := unhex("05 00 00 03 10000000 8c00 0000 01000000" + // request, length 140, call 1
		"74000000 0000 0300" + // alloc_hint 116, context 0, ept_map
		"00000000" + "02000000" + // no object, a tower:
		"4b000000 4b000000" + // of 75 bytes
		"0500" + floorTask + floorNDR20 + floorCO + floor0 + "0100 09 0400 00000000" + "00" +
		strings.Repeat("00", 20) + "04000000") // no entry_handle, at most four towers
	if diff := cmp.Diff(want, p.asked.Bytes()); diff != "" {
		t.Error(diff)
	}
}

const (
	noHandle = "00000000 00000000000000000000000000000000"
	handle   = "00000000 0123456789abcdef0123456789abcdef"
	pipe     = "0500" + floorTask + floorNDR20 + floorCO + "0100 0f 0d00 5c706970655c617473766300 00" + "0100 11 0500 5c5c575300"
	udp      = "0500" + floorTask + floorNDR20 + "0100 0a 0200 0000" + "0100 08 0200 c207" + floorHost
	another  = "0500" + floorNDR20 + floorNDR20 + floorCO + floor49671 + floorHost
)

// mapped is the body of an ept_map response with these towers, C706 appendix O.
func mapped(order binary.ByteOrder, status uint32, towers ...[]byte) []byte {
	n := uint32(len(towers))
	b := pack(order, noHandle, n, uint32(4), uint32(0), n)
	for i := range n {
		b = append(b, pack(order, 3+i)...)
	}
	for _, octets := range towers {
		b = append(b, twr(order, octets)...)
	}
	return append(b, pack(order, status)...)
}

// twr is a twr_t and the padding after it.
func twr(order binary.ByteOrder, octets []byte) []byte {
	return pack(order, uint32(len(octets)), uint32(len(octets)), octets, make([]byte, -len(octets)&3))
}

func TestMapResponse(t *testing.T) {
	one := twr(le, tower(49671))
	tests := []struct {
		name string
		in   []byte
		want []uint16
		err  error
	}{
		{"one tower", mapped(le, 0, tower(49671)), []uint16{49671}, nil},
		{"four towers, in the mapper's order", mapped(le, 0, tower(49671), tower(135), tower(65535), tower(1)), []uint16{49671, 135, 65535, 1}, nil},
		{"the same port twice", mapped(le, 0, tower(49671), tower(49672), tower(49671)), []uint16{49671, 49672}, nil},
		{"a named pipe, datagrams and another interface too", mapped(le, 0, unhex(pipe), unhex(udp), unhex(another), tower(49671)), []uint16{49671}, nil},
		{"port 0 too", mapped(le, 0, tower(0), tower(49671)), []uint16{49671}, nil},
		{"an entry handle", pack(le, handle, "01000000 04000000 00000000 01000000", "03000000", one, "00000000"), []uint16{49671}, nil},
		{"a pointer to nothing too", pack(le, noHandle, "02000000 04000000 00000000 02000000", "00000000 03000000", one, "00000000"), []uint16{49671}, nil},
		{"more behind it", append(mapped(le, 0, tower(49671)), "more"...), []uint16{49671}, nil},

		{"not registered", mapped(le, 0x16C9A0D6), nil, ErrNotRegistered},
		{"not registered, and a tower", mapped(le, 0x16C9A0D6, tower(49671)), nil, ErrNotRegistered},
		{"no towers", mapped(le, 0), nil, ErrNotRegistered},
		{"pointers to nothing", pack(le, noHandle, "02000000 04000000 00000000 02000000", "00000000 00000000", "00000000"), nil, ErrNotRegistered},
		{"only port 0", mapped(le, 0, tower(0)), nil, ErrNotRegistered},
		{"only a named pipe", mapped(le, 0, unhex(pipe)), nil, ErrNotRegistered},
		{"only another interface", mapped(le, 0, unhex(another)), nil, ErrNotRegistered},
		{"access denied", mapped(le, 5), nil, &Status{"ept_map", 5}},
		{"another status", mapped(le, 0x16C9A0CD), nil, &Status{"ept_map", 0x16C9A0CD}},

		{"five towers", mapped(le, 0, tower(1), tower(2), tower(3), tower(4), tower(5)), nil, wire.ErrGarbled},
		{"4294967295 towers", pack(le, noHandle, "ffffffff ffffffff 00000000 ffffffff"), nil, wire.ErrGarbled},
		{"more towers than were sent", pack(le, noHandle, "02000000 04000000 00000000 01000000", "03000000", one, "00000000"), nil, wire.ErrGarbled},
		{"fewer towers than were sent", pack(le, noHandle, "00000000 04000000 00000000 01000000", "03000000", one, "00000000"), nil, wire.ErrGarbled},
		{"not from the first", pack(le, noHandle, "01000000 04000000 01000000 01000000", "03000000", one, "00000000"), nil, wire.ErrGarbled},
		{"tower_length beyond the array", pack(le, noHandle, "01000000 04000000 00000000 01000000", "03000000", "4b000000 4c000000", one[8:], "00000000"), nil, wire.ErrGarbled},
		{"array beyond tower_length", pack(le, noHandle, "01000000 04000000 00000000 01000000", "03000000", "4c000000 4b000000", one[8:], "00000000"), nil, wire.ErrGarbled},
		{"a tower beyond the end", pack(le, noHandle, "01000000 04000000 00000000 01000000", "03000000", "ff000000 ff000000", one[8:], "00000000"), nil, wire.ErrGarbled},
		{"a tower of 4294967295 bytes", pack(le, noHandle, "01000000 04000000 00000000 01000000", "03000000", "ffffffff ffffffff", one[8:], "00000000"), nil, wire.ErrGarbled},
		{"an empty tower", mapped(le, 0, nil), nil, wire.ErrGarbled},
		{"a good tower, then a garbled one", mapped(le, 0, tower(49671), unhex("ffff")), nil, wire.ErrGarbled},
		{"the other byte order", mapped(be, 0, tower(49671)), nil, wire.ErrGarbled},
		{"in NDR64", pack(le, noHandle, "00000000 0100000000000000 0400000000000000"), nil, wire.ErrGarbled},
		{"nothing", nil, nil, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NewConn(saying(response(le, tt.in))).Map(TaskScheduler)
			if diff := cmp.Diff(tt.want, got); diff != "" || !same(err, tt.err) {
				t.Errorf("error %v, want %v\n%s", err, tt.err, diff)
			}
		})
	}
}

// A tower is little-endian in whatever byte order the rest is.
func TestMapResponseBigEndian(t *testing.T) {
	tests := []struct {
		in   []byte
		want []uint16
		err  error
	}{
		{mapped(be, 0, tower(49671), unhex(pipe), tower(49672)), []uint16{49671, 49672}, nil},
		{mapped(be, 0x16C9A0D6), nil, ErrNotRegistered},
		{mapped(be, 5), nil, &Status{"ept_map", 5}},
		{mapped(le, 0, tower(49671)), nil, wire.ErrGarbled},
	}
	for _, tt := range tests {
		got, err := NewConn(saying(response(be, tt.in))).Map(TaskScheduler)
		if diff := cmp.Diff(tt.want, got); diff != "" || !same(err, tt.err) {
			t.Errorf("error %v, want %v\n%s", err, tt.err, diff)
		}
	}
}

func TestMapResponseCut(t *testing.T) {
	for _, in := range [][]byte{mapped(le, 0, tower(49671), unhex(pipe), tower(49672)), mapped(le, 0x16C9A0D6), mapped(le, 5)} {
		whole := response(le, in)
		checkCuts(t, whole, len(whole), func(c *Conn) error {
			_, err := c.Map(TaskScheduler)
			return err
		})
	}
}
