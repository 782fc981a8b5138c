package rpc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/gpreach/gpreach/internal/wire"
)

func TestFault(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"access denied, as Windows sends it", "05 00 03 23 10000000 2000 0000 01000000 20000000 0000 00 00 05000000 00000000", &Fault{5}},
		{"nca_op_rng_error", "05 00 03 23 10000000 2000 0000 01000000 20000000 0000 00 00 0200011c 00000000", &Fault{0x1C010002}},
		{"without the reserved field", "05 00 03 03 10000000 1c00 0000 01000000 00000000 0000 00 00 21070000", &Fault{0x721}},
		{"with a stub", "05 00 03 03 10000000 2400 0000 01000000 00000000 0000 00 00 05000000 00000000 ffffffff", &Fault{5}},
		{"big-endian", "05 00 03 03 00000000 0020 0000 00000001 00000020 0000 00 00 1c010002 00000000", &Fault{0x1C010002}},
		{"status 0", "05 00 03 03 10000000 2000 0000 01000000 00000000 0000 00 00 00000000 00000000", &Fault{0}},
		{"half a status", "05 00 03 03 10000000 1a00 0000 01000000 00000000 0000 00 00 0500", wire.ErrGarbled},
		{"nothing", "05 00 03 03 10000000 1000 0000 01000000", wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewConn(saying(unhex(tt.in))).Map(EventLog); !same(err, tt.want) {
				t.Errorf("Map: %v, want %v", err, tt.want)
			}
			if _, err := NewConn(saying(unhex(tt.in))).ServerAlive2(); !same(err, tt.want) {
				t.Errorf("ServerAlive2: %v, want %v", err, tt.want)
			}
		})
	}
	checkCuts(t, unhex(tests[0].in), 28, func(c *Conn) error {
		_, err := c.call(0, nil)
		return err
	})
}

// What callers tell apart, each wrapped as well: an error is of one class.
func TestClasses(t *testing.T) {
	tests := []struct {
		err   error
		class string
		text  string
	}{
		{&Fault{5}, "denied", "fault 0x00000005"},
		{&Fault{0x80070005}, "denied", "fault 0x80070005"},
		{&Fault{0xC0000022}, "denied", "fault 0xC0000022"},
		{&Fault{0x1C010002}, "unsupported", "fault 0x1C010002"},
		{&Fault{0x721}, "unsupported", "fault 0x00000721"},
		{&Fault{0}, "unsupported", "fault 0x00000000"},
		{&Fault{0x16C9A0D6}, "unsupported", "fault 0x16C9A0D6"},
		{&Status{"ept_map", 5}, "denied", "ept_map status 0x00000005"},
		{&Status{"ServerAlive2", 0x80070005}, "denied", "ServerAlive2 status 0x80070005"},
		{&Status{"ept_map", 0x16C9A0CD}, "unsupported", "ept_map status 0x16C9A0CD"},
		{&BindNak{8}, "denied", "bind_nak, reason 8"},
		{&BindNak{9}, "denied", "bind_nak, reason 9"},
		{&BindNak{0}, "unsupported", "bind_nak, reason 0"},
		{&BindNak{4}, "unsupported", "bind_nak, reason 4"},
		{&BindNak{5}, "unsupported", "bind_nak, reason 5"},
		{&Rejected{2, 1}, "unsupported", "interface not supported here"},
		{&Rejected{2, 2}, "unsupported", "transfer syntax NDR 2.0 not supported"},
		{&Rejected{2, 3}, "unsupported", "local limit exceeded"},
		{&Rejected{1, 0}, "unsupported", "context rejected, result 1, reason 0"},
		{&Rejected{2, 5}, "unsupported", "context rejected, result 2, reason 5"},
		{ErrNotRegistered, "not registered", "not registered with the endpoint mapper"},
		{wire.Garbled("PDU type %d", 9), "garbled", "not the protocol: PDU type 9"},
		{io.EOF, "hangup", "EOF"},
		{io.ErrUnexpectedEOF, "hangup", "unexpected EOF"},
		{os.ErrDeadlineExceeded, "", "i/o timeout"},
		{errors.New("fault 0x00000005"), "", "fault 0x00000005"},
	}
	for _, tt := range tests {
		var want []string
		if tt.class != "" {
			want = []string{tt.class}
		}
		for _, err := range []error{tt.err, fmt.Errorf("wrapped: %w", tt.err)} {
			if got := classesOf(err); !slices.Equal(got, want) {
				t.Errorf("%#v is %q, want %q", err, got, want)
			}
		}
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("%#v says %q, want %q", tt.err, got, tt.text)
		}
	}
	if got := classesOf(nil); got != nil {
		t.Errorf("nil is %q", got)
	}
}
