package secure

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/oiweiwei/go-msrpc/ndr"

	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/probe"
)

// A call is an operation of ours whose reply is read.
type call interface {
	UnmarshalNDRResponse(ctx context.Context, r ndr.Reader) error
	MarshalNDRRequest(ctx context.Context, w ndr.Writer) error
	failed(err error) error
}

const (
	noExtensions = "00000000 00000000"
	extensions   = "01000000 00000200 01000000 00000000 04000200 02000000 08000200 00000000" + // two slots, one of them used
		"08000000 000102030405060708090a0b0c0d0e0f 06000000 aabbccddeeff0000"
	object = "00000200 04000000 04000000 4d454f57"
	text   = "03000000 00000000 03000000 610062000000 0000"
)

// TestReplies reads what a host may answer to each call: it is taken for what it says,
// cut short, or garbled, and no length is believed.
func TestReplies(t *testing.T) {
	tests := []struct {
		name string
		call call
		in   []any
		good bool
		want uint32 // the return value
	}{
		{"activated", &createInstance{}, []any{noExtensions, object, "00000000"}, true, 0},
		{"activated, with extensions", &createInstance{}, []any{extensions, object, "00000000"}, true, 0},
		{"denied", &createInstance{}, []any{noExtensions, "00000000", uint32(0x80070005)}, true, 0x80070005},
		{"17 extensions", &createInstance{}, []any{"01000000 00000200 11000000 00000000 04000200 12000000", object, "00000000"}, false, 0},
		{"4 billion extensions", &createInstance{}, []any{"01000000 00000200 01000000 00000000 04000200 ffffffff", object, "00000000"}, false, 0},
		{"an extension of 4 GiB", &createInstance{}, []any{"01000000 00000200 01000000 00000000 04000200 01000000 08000200 ffffffff 000102030405060708090a0b0c0d0e0f ffffffff"}, false, 0},
		{"an object of 4 GiB", &createInstance{}, []any{noExtensions, "00000200 ffffffff ffffffff 4d454f57", "00000000"}, false, 0},
		{"an object of two lengths", &createInstance{}, []any{noExtensions, "00000200 08000000 04000000 4d454f57", "00000000"}, false, 0},
		{"activated, cut short", &createInstance{}, []any{noExtensions, object}, false, 0},
		{"nothing", &createInstance{}, nil, false, 0},
		{"a namespace", &ntlmLogin{}, []any{noExtensions, object, "00000000"}, true, 0},
		{"a namespace denied", &ntlmLogin{}, []any{noExtensions, "00000000", uint32(0x80041003)}, true, 0x80041003},
		{"a namespace, cut short", &ntlmLogin{}, []any{noExtensions}, false, 0},
		{"released", &remRelease{}, []any{noExtensions, "00000000"}, true, 0},
		{"a version", &highestVersion{}, []any{"06000100", "00000000"}, true, 0},
		{"a version, cut short", &highestVersion{}, []any{"06000100"}, false, 0},
		{"a task", &enumTasks{}, []any{"01000000 01000000 00000200 01000000 04000200", text, "00000000"}, true, 0},
		{"no task", &enumTasks{}, []any{"00000000 00000000 00000000", "01000000"}, true, 1},
		{"tasks denied", &enumTasks{}, []any{"00000000 00000000 00000000", uint32(0x80070005)}, true, 0x80070005},
		{"two tasks", &enumTasks{}, []any{"02000000 02000000 00000200 02000000 04000200 08000200", text, text, "00000000"}, false, 0},
		{"4 billion tasks", &enumTasks{}, []any{"01000000 ffffffff 00000200 ffffffff 04000200", text, "00000000"}, false, 0},
		{"a name of 8 GiB", &enumTasks{}, []any{"01000000 01000000 00000200 01000000 04000200 ffffffff 00000000 ffffffff 61006200", "00000000"}, false, 0},
		{"validated", &registerTask{}, []any{"00000000 00000000", "00000000"}, true, 0},
		{"validated, with a path", &registerTask{}, []any{"00000200", text, "00000000", "00000000"}, true, 0},
		{"not valid", &registerTask{}, []any{"00000000 00000200 01000000 02000000 04000200 00000000", text, uint32(0x8004131A)}, true, 0x8004131A},
		{"not valid, cut short", &registerTask{}, []any{"00000000 00000200 01000000"}, false, 0},
	}
	for _, tt := range tests {
		err := tt.call.failed(tt.call.UnmarshalNDRResponse(t.Context(), ndr.NDR20(pack(tt.in...))))
		if tt.good != (err == nil) || err != nil && !errors.Is(err, wire.ErrGarbled) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := resultOf(tt.call); err == nil && got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

func resultOf(c call) uint32 {
	switch c := c.(type) {
	case *createInstance:
		return c.status
	case *ntlmLogin:
		return c.status
	case *remRelease:
		return c.status
	case *highestVersion:
		return c.status
	case *enumTasks:
		return c.status
	case *registerTask:
		return c.status
	}
	return 0
}

// The requests, but for the causality identifier of an ORPCTHIS.
func TestRequests(t *testing.T) {
	const this = "0500 0700 00000000 00000000"
	const unused = "00000000"
	for _, tt := range []struct {
		name string
		call call
		dcom bool
		want []byte
	}{
		{"NTLMLogin", &ntlmLogin{namespace: "a/b"}, true, pack(unused, "00000200 08000000 00000000 08000000 2f002f002e002f0061002f0062000000", "00000000 00000000 00000000")},
		{"RemRelease", &remRelease{references: []reference{{refs: 5}, {refs: 1}}}, true, pack(unused, "0200 0000 02000000", make([]byte, 16), "05000000 00000000", make([]byte, 16), "01000000 00000000")},
		{"SchRpcHighestVersion", &highestVersion{}, false, nil},
		{"SchRpcEnumTasks", &enumTasks{}, false, pack("02000000 00000000 02000000 5c000000", "00000000 00000000 01000000")},
	} {
		w := ndr.NDR20(nil)
		if err := tt.call.MarshalNDRRequest(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		got := w.Bytes()
		if tt.dcom {
			if !bytes.HasPrefix(got, pack(this)) {
				t.Errorf("%s: %x", tt.name, got)
			}
			got = got[28:]
		}
		if !bytes.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\n%s", tt.name, hex.EncodeToString(got), hex.EncodeToString(tt.want))
		}
	}
}

// The task that is rehearsed is well formed, disabled and without a trigger, and the
// call stores nothing.
func TestRehearsedTask(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(rehearsedTask))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	var task struct {
		Enabled  bool       `xml:"Settings>Enabled"`
		Demand   bool       `xml:"Settings>AllowStartOnDemand"`
		Triggers []struct{} `xml:"Triggers>*"`
		Command  string     `xml:"Actions>Exec>Command"`
	}
	task.Enabled, task.Demand = true, true
	if err := d.Decode(&task); err != nil || task.Enabled || task.Demand || len(task.Triggers) > 0 || !strings.HasSuffix(task.Command, `\gpupdate.exe`) {
		t.Errorf("%+v, %v", task, err)
	}
	w := ndr.NDR20(nil)
	if err := (&registerTask{}).MarshalNDRRequest(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	wide := func(s string) (b le) {
		n := uint32(len(s)) + 1
		b.u32(n, 0, n)
		for _, c := range s + "\x00" {
			b.u16(uint16(c))
		}
		return append(b, make([]byte, -len(b)&3)...)
	}
	want := slices.Concat(pack("00000200"), wide(rehearsedPath), wide(rehearsedTask), pack("01000000 00000000 05000000 00000000 00000000"))
	if b := w.Bytes(); !bytes.Equal(b, want) {
		t.Errorf("%x\n%x", b, want)
	}
}

func TestReturned(t *testing.T) {
	for result, want := range map[uint32]probe.Outcome{
		0: probe.OK, 1: probe.OK, 0x80070005: probe.AccessDenied, 0x80041003: probe.AccessDenied, 0x80040154: probe.NotRegistered,
		0x8004100E: probe.Unsupported, 0x80080005: probe.Unsupported, 0xFFFFFFFF: probe.Unsupported,
	} {
		f, failed := errors.AsType[*probe.Failure](returned("it", result))
		if failed != (want != probe.OK) || failed && (f.Outcome != want || f.Code != result || !strings.HasPrefix(f.Text, "it: 0x")) {
			t.Errorf("%#x: %+v", result, f)
		}
	}
}

func FuzzReplies(f *testing.F) {
	for kind, in := range [][]any{
		{extensions, object, "00000000"},
		{noExtensions, object, "00000000"},
		{noExtensions, "00000000"},
		{"06000100 00000000"},
		{"01000000 01000000 00000200 01000000 04000200", text, "00000000"},
		{"00000000 00000200 01000000 02000000 04000200 00000000", text, "1a130480"},
	} {
		f.Add(byte(kind), pack(in...))
	}
	f.Fuzz(func(t *testing.T, kind byte, in []byte) {
		calls := []call{&createInstance{}, &ntlmLogin{}, &remRelease{}, &highestVersion{}, &enumTasks{}, &registerTask{}}
		c := calls[int(kind)%len(calls)]
		if err := c.failed(c.UnmarshalNDRResponse(t.Context(), ndr.NDR20(in))); err != nil && !errors.Is(err, wire.ErrGarbled) {
			t.Fatal(err)
		}
	})
}
