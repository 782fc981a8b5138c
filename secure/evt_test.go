package secure

import (
	"bytes"
	"errors"
	"testing"

	"github.com/oiweiwei/go-msrpc/ndr"

	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/probe"
)

func TestLogQueryRequest(t *testing.T) {
	w := ndr.NDR20(nil)
	if err := (&logQuery{channel: "System"}).MarshalNDRRequest(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	want := pack("00000200", "07000000 00000000 07000000 530079007300740065006d000000", "0000",
		"02000000 00000000 02000000 2a000000", "01010000")
	if !bytes.Equal(w.Bytes(), want) {
		t.Errorf("\n%x\n%x", w.Bytes(), want)
	}
}

const (
	handles  = "00000000 aa000000000000000000000000000001 00000000 bb000000000000000000000000000002"
	noInfo   = "00000000 00000000"
	noErrors = "00000000 00000000 00000000"
	channel  = "07000000 00000000 07000000 530079007300740065006d000000 0000"
)

func TestLogQuery(t *testing.T) {
	info := func(status uint32) []any { return []any{"01000000 00000200 01000000 04000200", status, channel} }
	tests := []struct {
		name string
		in   []any
		want probe.Outcome
	}{
		{"allowed", append(append([]any{handles}, info(0)...), noErrors, "00000000"), probe.OK},
		{"allowed, by Samba", []any{handles, noInfo, noErrors, "00000000"}, probe.OK},
		{"denied", []any{"00000000 00000000000000000000000000000000 00000000 00000000000000000000000000000000", noInfo, noErrors, "05000000"}, probe.AccessDenied},
		{"the channel is denied", append(append([]any{handles}, info(5)...), noErrors, "00000000"), probe.AccessDenied},
		{"no such channel", []any{handles, noInfo, "01000000 00000000 00000000", uint32(15007)}, probe.Unsupported},
		{"the channel is not found", append(append([]any{handles}, info(15007)...), noErrors, "00000000"), probe.Unsupported},
		{"another error", []any{handles, noInfo, noErrors, uint32(1722)}, probe.Unsupported},
		{"cut short", []any{handles, noInfo, noErrors}, probe.Garbled},
		{"two channels in one", []any{handles, "02000000 00000200 01000000 04000200 00000000", channel, noErrors, "00000000"}, probe.Garbled},
		{"4 billion channels", []any{handles, "ffffffff 00000200 ffffffff", noErrors, "00000000"}, probe.Garbled},
		{"a name of 8 GiB", []any{handles, "01000000 00000200 01000000 04000200 00000000", "ffffffff 00000000 ffffffff 41004100", noErrors}, probe.Garbled},
		{"nothing", nil, probe.Garbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &logQuery{channel: "System"}
			err := q.UnmarshalNDRResponse(t.Context(), ndr.NDR20(pack(tt.in...)))
			if tt.want == probe.Garbled {
				if !errors.Is(q.failed(err), wire.ErrGarbled) {
					t.Error(err)
				}
				return
			}
			f, _ := errors.AsType[*probe.Failure](q.failure())
			if q.failed(err) != nil || tt.want == probe.OK != (f == nil) || f != nil && f.Outcome != tt.want {
				t.Errorf("%v, %v", err, f)
			}
		})
	}
}

func FuzzLogQuery(f *testing.F) {
	f.Add(pack(handles, "01000000 00000200 01000000 04000200 00000000", channel, noErrors, "00000000"))
	f.Add(pack(handles, noInfo, noErrors, "05000000"))
	f.Fuzz(func(t *testing.T, in []byte) {
		q := &logQuery{channel: "System"}
		if err := q.UnmarshalNDRResponse(t.Context(), ndr.NDR20(in)); err != nil && !errors.Is(err, wire.ErrGarbled) {
			t.Fatal(err)
		}
		if len(q.statuses) > maxChannels {
			t.Fatalf("%d statuses", len(q.statuses))
		}
	})
}
