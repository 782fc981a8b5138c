package rpc

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

func TestAppendPDU(t *testing.T) {
	tests := []struct {
		name        string
		body, token []byte
		want        string
	}{
		{
			name: "without a body",
			want: "05 00 00 03 10000000 1000 0000 04030201",
		},
		{
			name: "with a body",
			body: unhex("aabb"),
			want: "05 00 00 03 10000000 1200 0000 04030201 aabb",
		},
		{
			name:  "with a token behind a sec_trailer",
			body:  unhex("aabbccdd"),
			token: unhex("eeff"),
			want:  "05 00 00 03 10000000 1e00 0200 04030201 aabbccdd 0a 06 00 00 01000000 eeff",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := appendPDU([]byte("before"), typeRequest, 0x01020304, tt.body, tt.token)
			if diff := cmp.Diff(append([]byte("before"), unhex(tt.want)...), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadPDU(t *testing.T) {
	tests := []struct {
		name, in string
		want     pdu
	}{
		{
			name: "without a body",
			in:   "05 00 02 03 10000000 1000 0000 07000000",
			want: pdu{typ: 2, flags: 3, order: le, callID: 7},
		},
		{
			name: "version 5.1, other characters and floating point",
			in:   "05 01 02 01 11030000 1200 0000 07000000 aabb",
			want: pdu{typ: 2, flags: 1, order: le, callID: 7, body: unhex("aabb")},
		},
		{
			name: "big-endian",
			in:   "05 00 0c 03 00000000 0012 0000 00000007 aabb",
			want: pdu{typ: 12, flags: 3, order: be, callID: 7, body: unhex("aabb")},
		},
		{
			name: "with a token",
			in:   "05 00 0c 03 10000000 1d00 0300 07000000 aabb 0a06000001000000 ccddee",
			want: pdu{typ: 12, flags: 3, order: le, callID: 7, body: unhex("aabb"), auth: unhex("ccddee")},
		},
		{
			name: "with a token and nothing else",
			in:   "05 00 0c 03 10000000 1b00 0300 07000000 0a06000001000000 ccddee",
			want: pdu{typ: 12, flags: 3, order: le, callID: 7, body: []byte{}, auth: unhex("ccddee")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rest := bytes.NewReader(append(unhex(tt.in), "next"...))
			got, err := readPDU(rest)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(pdu{})); diff != "" {
				t.Error(diff)
			}
			if rest.Len() != len("next") {
				t.Errorf("%d bytes are left, want those of the next PDU", rest.Len())
			}
		})
	}
}

// The first bytes tell; nothing more is waited for.
func TestReadPDURefuses(t *testing.T) {
	tests := []struct{ name, in string }{
		{"version 4", "04 00"},
		{"version 5.2", "05 02"},
		{"HTTP", "4854"},
		{"a TLS alert", "1503"},
		{"SMB2 in its frame", "0000"},
		{"data representation 2", "05 00 02 03 20000000 1000 0000 01000000"},
		{"data representation 15", "05 00 02 03 f0000000 1000 0000 01000000"},
		{"length 0", "05 00 02 03 10000000 0000 0000 01000000"},
		{"length 15", "05 00 02 03 10000000 0f00 0000 01000000"},
		{"length 5841", "05 00 02 03 10000000 d116 0000 01000000"},
		{"length 65535", "05 00 02 03 10000000 ffff 0000 01000000"},
		{"a little-endian length in a big-endian PDU", "05 00 02 03 00000000 2000 0000 01000000"},
		{"a token as long as the body", "05 00 02 03 10000000 2000 1000 01000000"},
		{"a token that leaves no room for its trailer", "05 00 02 03 10000000 2000 0900 01000000"},
		{"a token of one byte that leaves no room", "05 00 02 03 10000000 1800 0100 01000000"},
		{"a token of 65535 bytes", "05 00 02 03 10000000 2000 ffff 01000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := readPDU(bytes.NewReader(unhex(tt.in)))
			if !errors.Is(err, wire.ErrGarbled) {
				t.Errorf("%+v, error %v; want ErrGarbled", p, err)
			}
		})
	}
}

func TestReadPDUHangup(t *testing.T) {
	m := message{typ: typeResponse, flags: whole, call: 1, body: make([]byte, maxFrag-16)}.bytes()
	if p, err := readPDU(bytes.NewReader(m)); err != nil || len(p.body) != maxFrag-16 {
		t.Fatalf("the longest fragment: %v", err)
	}
	for _, n := range []int{0, 1, 2, 15, 16, 17, len(m) - 1} {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := readPDU(bytes.NewReader(m[:n])); !errors.Is(err, want) {
			t.Errorf("hung up after %d bytes: %v, want %v", n, err, want)
		}
	}
}
