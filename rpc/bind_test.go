package rpc

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	mapperHex = "0883afe11f5dc91191a408002b14a0fa 0300 0000"
	ndr20Hex  = "045d888aeb1cc9119fe808002b104860 0200 0000"
	ndr64Hex  = "33057171babe37498319b5dbef9ccc36 0100 0000"
	noneHex   = "00000000000000000000000000000000 0000 0000"
)

// The first bind of a connection is a bind, each further one an alter_context
// with a context of its own, on the same association.
func TestBindRequest(t *testing.T) {
	p := saying(
		message{typ: typeBindAck, flags: whole, call: 1, body: ack(le, address135, 1, 0, 0, ndr20Hex)}.bytes(),
		message{typ: typeAlterContextResp, flags: whole, call: 2, body: ack(le, "0000 0000", 1, 2, 1, noneHex)}.bytes(),
		message{typ: typeAlterContextResp, flags: whole, call: 3, body: ack(le, "0000 0000", 1, 0, 0, ndr20Hex)}.bytes(),
		message{typ: typeFault, flags: whole, call: 4, body: pack(le, "00000000 0200 00 00 02000000 00000000")}.bytes(),
	)
	c := NewConn(p)
	if err := c.Bind(EndpointMapper); err != nil {
		t.Error("bind:", err)
	}
	if err := c.Bind(ObjectExporter); !same(err, &Rejected{2, 1}) {
		t.Error("alter_context that is rejected:", err)
	}
	if err := c.Bind(EventLog); err != nil {
		t.Error("alter_context:", err)
	}
	if _, err := c.call(7, unhex("aabbcc")); !same(err, &Fault{2}) {
		t.Error("call:", err)
	}
	want := unhex("05 00 0b 03 10000000 4800 0000 01000000" + // rpc_vers, PTYPE bind, first and last, drep, length 72, call 1
		"d016 d016 00000000 01000000" + // fragments of 5840, a new association, one context:
		"0000 01 00" + mapperHex + ndr20Hex + // 0, with one transfer syntax
		"05 00 0e 03 10000000 4800 0000 02000000 d016 d016 00000000 01000000" +
		"0100 01 00 c4fefc9960521b10bbcb00aa0021347a 0000 0000" + ndr20Hex +
		"05 00 0e 03 10000000 4800 0000 03000000 d016 d016 00000000 01000000" +
		"0200 01 00 f7afbef6191ebb4f9f8fb89e2018337c 0100 0000" + ndr20Hex +
		"05 00 00 03 10000000 1b00 0000 04000000" +
		"03000000 0200 0700 aabbcc") // alloc_hint, context 2, opnum 7
	if diff := cmp.Diff(want, p.asked.Bytes()); diff != "" {
		t.Error(diff)
	}
}

// Secondary addresses, with the padding after them.
const (
	address135   = "0400 31333500 0000"
	address49667 = "0600 343936363700"
)

// ack is the body of a bind_ack with one result, as C706 section 12.6.4.4 has it.
func ack(order binary.ByteOrder, address string, results uint8, result, reason uint16, transfer string) []byte {
	b := pack(order, uint16(5840), uint16(5840), uint32(0x3eb))
	if order == be { // the length of the address
		address = address[2:4] + address[0:2] + address[4:]
	}
	return append(b, pack(order, address, results, "000000", result, reason, transfer)...)
}

func TestBindAck(t *testing.T) {
	const ndr20Big = "8a885d04 1ceb 11c9 9fe808002b104860 00000002"
	tests := []struct {
		name string
		body []byte
		want error
	}{
		{"accepted", ack(le, address135, 1, 0, 0, ndr20Hex), nil},
		{"accepted, big-endian", ack(be, address135, 1, 0, 0, ndr20Big), nil},
		{"accepted, address without padding", ack(le, address49667, 1, 0, 0, ndr20Hex), nil},
		{"accepted, no address", ack(le, "0000 0000", 1, 0, 0, ndr20Hex), nil},
		{"accepted, and more behind it", append(ack(le, address135, 1, 0, 0, ndr20Hex), "more"...), nil},
		{"interface not supported", ack(le, address135, 1, 2, 1, noneHex), &Rejected{2, 1}},
		{"transfer syntax not supported", ack(le, address135, 1, 2, 2, noneHex), &Rejected{2, 2}},
		{"local limit", ack(le, address135, 1, 2, 3, noneHex), &Rejected{2, 3}},
		{"rejected by the user", ack(le, address135, 1, 1, 0, noneHex), &Rejected{1, 0}},
		{"negotiate_ack", ack(le, address135, 1, 3, 3, noneHex), &Rejected{3, 3}},
		{"rejected, big-endian", ack(be, address135, 1, 2, 1, noneHex), &Rejected{2, 1}},
		{"accepted, in NDR64", ack(le, address135, 1, 0, 0, ndr64Hex), wire.ErrGarbled},
		{"accepted, in NDR 2.1", ack(le, address135, 1, 0, 0, strings.TrimSuffix(ndr20Hex, "0000")+"0100"), wire.ErrGarbled},
		{"accepted, in nothing", ack(le, address135, 1, 0, 0, noneHex), wire.ErrGarbled},
		{"accepted, little-endian UUID in a big-endian PDU", ack(be, address135, 1, 0, 0, ndr20Hex), wire.ErrGarbled},
		{"no results, nothing behind", pack(le, "d016 d016 eb030000", address135, "00000000"), wire.ErrGarbled},
		{"no results, one behind", ack(le, address135, 0, 0, 0, ndr20Hex), wire.ErrGarbled},
		{"two results", append(ack(le, address135, 2, 0, 0, ndr20Hex), pack(le, "0000 0000", ndr20Hex)...), wire.ErrGarbled},
		{"address beyond the end", ack(le, "ffff 31333500 0000", 1, 0, 0, ndr20Hex), wire.ErrGarbled},
		{"address up to the end", ack(le, "2000 31333500 0000", 1, 0, 0, ndr20Hex), wire.ErrGarbled},
		{"empty", nil, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := message{typ: typeBindAck, flags: whole, call: 1, body: tt.body}
			if strings.Contains(tt.name, "big-endian") {
				m.order = be
			}
			if err := NewConn(saying(m.bytes())).Bind(EndpointMapper); !same(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestBindAckCut(t *testing.T) {
	for _, body := range [][]byte{ack(le, address135, 1, 0, 0, ndr20Hex), ack(le, address135, 1, 2, 1, noneHex)} {
		m := message{typ: typeBindAck, flags: whole, call: 1, body: body}.bytes()
		checkCuts(t, m, len(m), func(c *Conn) error { return c.Bind(EndpointMapper) })
	}
}

// A bind_nak need not name the call: Windows answers what it cannot read.
func TestBindNak(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"18 bytes", "05 00 0d 03 10000000 1200 0000 01000000 0800", &BindNak{8}},
		{"Windows' own of 24 bytes", "05 00 0d 03 10000000 1800 0000 00000000 0400 01 0500 000000", &BindNak{4}},
		{"checksum", "05 00 0d 03 10000000 1800 0000 01000000 0900 01 0500 000000", &BindNak{9}},
		{"big-endian", "05 00 0d 03 00000000 0018 0000 00000001 0009 01 0500 000000", &BindNak{9}},
		{"no reason", "05 00 0d 03 10000000 1000 0000 01000000", wire.ErrGarbled},
		{"half a reason", "05 00 0d 03 10000000 1100 0000 01000000 08", wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := NewConn(saying(unhex(tt.in))).Bind(EndpointMapper); !same(err, tt.want) {
				t.Errorf("bind: %v, want %v", err, tt.want)
			}
			if _, err := NewConn(saying(unhex(tt.in))).Challenge(EndpointMapper); !same(err, tt.want) {
				t.Errorf("bind with a token: %v, want %v", err, tt.want)
			}
			if _, err := NewConn(saying(unhex(tt.in))).call(0, nil); !same(err, tt.want) {
				t.Errorf("call: %v, want %v", err, tt.want)
			}
		})
	}
	nak := unhex(tests[1].in)
	checkCuts(t, nak, 18, func(c *Conn) error { return c.Bind(EndpointMapper) })
}

// Answers to a bind that are of another kind.
func TestBindAnswers(t *testing.T) {
	accepted := ack(le, address135, 1, 0, 0, ndr20Hex)
	tests := []struct {
		name string
		in   message
		want error
	}{
		{"fault", message{typ: typeFault, flags: whole, call: 1, body: pack(le, "00000000 0000 00 00 05000000 00000000")}, &Fault{5}},
		{"alter_context_resp", message{typ: typeAlterContextResp, flags: whole, call: 1, body: accepted}, wire.ErrGarbled},
		{"response", message{typ: typeResponse, flags: whole, call: 1, body: accepted}, wire.ErrGarbled},
		{"our own bind", message{typ: typeBind, flags: whole, call: 1, body: accepted}, wire.ErrGarbled},
		{"first fragment of more", message{typ: typeBindAck, flags: flagFirst, call: 1, body: accepted}, wire.ErrGarbled},
		{"last fragment of more", message{typ: typeBindAck, flags: flagLast, call: 1, body: accepted}, wire.ErrGarbled},
		{"another call", message{typ: typeBindAck, flags: whole, call: 2, body: accepted}, wire.ErrGarbled},
		{"another call's fault", message{typ: typeFault, flags: whole, call: 0, body: pack(le, "00000000 0000 00 00 05000000")}, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := NewConn(saying(tt.in.bytes())).Bind(EndpointMapper); !same(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}
