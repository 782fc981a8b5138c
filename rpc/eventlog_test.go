package rpc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

func TestOpenEventLogRequest(t *testing.T) {
	p := saying()
	if h, err := NewConn(p).OpenEventLog("System"); !hangup(err) {
		t.Fatalf("%x, %v", h, err)
	}
	want := pack(le, "05 00 00 03 10000000 5000 0000 01000000 38000000 0000 0700",
		"00000200 5c00 0100", "0c00 0e00 04000200", "07000000 00000000 06000000", words("System"),
		"0000 0000 00000000", "01000000 01000000")
	if diff := cmp.Diff(want, p.asked.Bytes()); diff != "" {
		t.Error(diff)
	}
}

func TestEventLogNames(t *testing.T) {
	for _, name := range []string{"", "A", "Microsoft-Windows-GroupPolicy/Operational", string(make([]rune, 10_000))} {
		if n := len(appendOpenEventLog(nil, name)); n%4 != 0 || n > maxFrag/2 {
			t.Errorf("%d bytes for a name of %d characters", n, len(name))
		}
	}
}

func TestEventLog(t *testing.T) {
	handle := LogHandle{4: 0xaa, 19: 0xbb}
	tests := []struct {
		name string
		in   []byte
		want LogHandle
		err  error
	}{
		{"opened", pack(le, handle, "00000000"), handle, nil},
		{"denied", pack(le, LogHandle{}, "220000c0"), LogHandle{}, &Status{"ElfrOpenELW", 0xC0000022}},
		{"no such log", pack(le, LogHandle{}, "390000c0"), LogHandle{}, &Status{"ElfrOpenELW", 0xC0000039}},
		{"cut short", pack(le, handle, "0000"), LogHandle{}, wire.ErrGarbled},
		{"nothing", nil, LogHandle{}, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NewConn(saying(response(le, tt.in))).OpenEventLog("System")
			if got != tt.want || !same(err, tt.err) {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
	if err := NewConn(saying(response(le, pack(le, LogHandle{}, "00000000")))).CloseEventLog(handle); err != nil {
		t.Error(err)
	}
	if err := NewConn(saying(response(le, pack(le, handle, "080000c0")))).CloseEventLog(handle); !same(err, &Status{"ElfrCloseEL", 0xC0000008}) {
		t.Error(err)
	}
}

func FuzzEventLog(f *testing.F) {
	f.Add(pack(le, LogHandle{4: 0xaa}, "00000000"), false)
	f.Add(pack(be, LogHandle{}, uint32(0xC0000022)), true)
	f.Fuzz(func(t *testing.T, in []byte, big bool) {
		_, err := parseLogHandle(stub{in, order(big)}, "ElfrOpenELW")
		checkError(t, "ElfrOpenELW", err)
	})
}
