package secure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	smb2 "github.com/cloudsoda/go-smb2"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// ended is a connection that this ended.
type ended struct{ err error }

func (e ended) Err() error { return e.err }

// What a host answered comes before what ended the connection.
func TestFromHost(t *testing.T) {
	l := New(withPassword(t), Options{})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	at := func(err error) error { return &fs.PathError{Op: "open", Path: "eventlog", Err: err} }
	tests := []struct {
		name string
		ctx  context.Context
		from error
		err  error
		want probe.Outcome // of a Failure
		raw  error         // or this
		code uint32
	}{
		{"nothing", t.Context(), nil, nil, "", nil, 0},
		{"access denied", t.Context(), nil, at(os.ErrPermission), probe.AccessDenied, nil, 0xC0000022},
		{"access denied, and gone", t.Context(), io.EOF, at(os.ErrPermission), probe.AccessDenied, nil, 0xC0000022},
		{"no pipe", t.Context(), nil, at(os.ErrNotExist), probe.NotRegistered, nil, 0xC0000034},
		{"pipe not available", t.Context(), nil, at(&smb2.ResponseError{Code: 0xC00000AC}), probe.Unsupported, nil, 0xC00000AC},
		{"not accepted", t.Context(), nil, smb2.ErrRequestNotAccepted, probe.Unsupported, nil, 0xC00000D0},
		{"our own firewall is no host's denial", t.Context(), nil, &smb2.TransportError{Err: syscall.EPERM}, "", syscall.EPERM, 0},
		{"fault 5", t.Context(), nil, &rpc.Fault{Status: 5}, probe.AccessDenied, nil, 5},
		{"another fault", t.Context(), nil, &rpc.Fault{Status: 0x1C010002}, probe.Unsupported, nil, 0x1C010002},
		{"fault of DCOM's", t.Context(), nil, &rpc.Fault{Status: 0x8001011B}, probe.AccessDenied, nil, 0x8001011B},
		{"bind_nak 8", t.Context(), nil, &rpc.BindNak{Reason: 8}, probe.AccessDenied, nil, 8},
		{"bind_nak 4", t.Context(), nil, &rpc.BindNak{Reason: 4}, probe.Unsupported, nil, 4},
		{"a status", t.Context(), nil, &rpc.Status{Call: "ElfrOpenELW", Code: 0xC0000022}, probe.AccessDenied, nil, 0xC0000022},
		{"rejected", t.Context(), nil, &rpc.Rejected{Result: 2, Reason: 1}, probe.Unsupported, nil, 0},
		{"a guest", t.Context(), guard.ErrGuest, &smb2.TransportError{Err: guard.ErrGuest}, probe.AccessDenied, nil, 0},
		{"out of time", over, errors.New("closed"), &smb2.TransportError{Err: errors.New("closed")}, "", context.Canceled, 0},
		{"hung up", t.Context(), io.EOF, &smb2.TransportError{Err: io.EOF}, "", io.EOF, 0},
		{"the guard's refusal", t.Context(), wire.Garbled("frame"), errors.New("invalid"), "", wire.ErrGarbled, 0},
		{"the library closes", t.Context(), net.ErrClosed, &net.OpError{Op: "read", Err: net.ErrClosed}, "", wire.ErrGarbled, 0},
		{"the library of SMB closes", t.Context(), nil, &smb2.TransportError{Err: net.ErrClosed}, "", wire.ErrGarbled, 0},
		{"the library's refusal", t.Context(), nil, &smb2.InvalidResponseError{Message: "signature"}, "", wire.ErrGarbled, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := l.fromHost(tt.ctx, ended{tt.from}, tt.err)
			f, ok := errors.AsType[*probe.Failure](err)
			switch {
			case tt.want != "" && (!ok || f.Outcome != tt.want || f.Code != tt.code):
				t.Errorf("%v, %+v", err, f)
			case tt.want == "" && (ok || !errors.Is(err, tt.raw)):
				t.Errorf("%v, not %v", err, tt.raw)
			}
		})
	}
}

// Only what is said of the account stops the credential.
func TestStatuses(t *testing.T) {
	for _, status := range []uint32{0xC000006A, 0xC000006D, 0xC000006E, 0xC000006F, 0xC0000070, 0xC0000071, 0xC0000072, 0xC0000193, 0xC0000224, 0xC0000234} {
		if !aboutAccount(status) || statusName(status) == "" {
			t.Errorf("%s does not stop", statusText(status))
		}
	}
	for _, status := range []uint32{0, 0xC000000D, 0xC0000022, 0xC000005E, 0xC0000064, 0xC00000BB, 0xC0000133, 0xC000015B, 0xC0000413, 0xC0000418, 0x12345678} {
		if aboutAccount(status) {
			t.Errorf("%s stops", statusText(status))
		}
	}
	for status, want := range map[uint32]probe.Outcome{
		0xC0000234: probe.LockedOut, 0xC0000022: probe.AccessDenied, 0xC000006D: probe.LogonFailed, 0xC0000133: probe.LogonFailed, 0xC000015B: probe.LogonFailed,
	} {
		if f := refusedLogon(status, nil); f.Outcome != want || f.Code != status || !strings.Contains(f.Text, statusName(status)) {
			t.Errorf("%+v", f)
		}
	}
}

func TestFromKDC(t *testing.T) {
	for _, tt := range []struct {
		err     *auth.KDCError
		want    probe.Outcome
		unknown bool
	}{
		{&auth.KDCError{KDC: "k", Code: 7}, probe.Unsupported, true},
		{&auth.KDCError{KDC: "k", Code: 12}, probe.AccessDenied, false},
		{&auth.KDCError{KDC: "k", Code: 18}, probe.LogonFailed, false},
		{&auth.KDCError{KDC: "k", Code: 18, NTStatus: 0xC0000234}, probe.LockedOut, false},
		{&auth.KDCError{KDC: "k", Code: 24}, probe.LogonFailed, false},
		{&auth.KDCError{KDC: "k", Code: 37}, probe.LogonFailed, false},
		{&auth.KDCError{KDC: "k", Code: 8}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k", Code: 13}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k", Code: 27}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k", Code: 68}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k", Code: 29}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k"}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k", Err: context.DeadlineExceeded, Text: "none answered"}, probe.Timeout, false},
		{&auth.KDCError{KDC: "k", Err: auth.ErrGarbled}, probe.Garbled, false},
		{&auth.KDCError{KDC: "k", Err: auth.ErrOtherRealm}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k", Err: auth.ErrNoKDC}, probe.Unsupported, false},
		{&auth.KDCError{KDC: "k", Err: auth.ErrNoTicket}, probe.Unsupported, false},
	} {
		peer, unknown, err := New(withPassword(t), Options{}).fromKDC(fmt.Errorf("a ticket: %w", tt.err))
		f, ok := errors.AsType[*probe.Failure](err)
		if !ok || f.Outcome != tt.want || f.Text != tt.err.Error() || unknown != tt.unknown || peer != "k" {
			t.Errorf("%+v: %s, %t, %v", tt.err, peer, unknown, err)
		}
	}
}

// The stop cuts off who waits for a host, at once, and is no host's fault.
func TestStopInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visit{Logons: New(withPassword(t), Options{AllowNTLM: true})}
		h := newHost(nil, []byte("more")) // which never comes
		p := &pipeClimb{visit: v, ascent: ascent(rpc.EventLogPipe), talk: guard.Begin(t.Context(), v.credential.Stopped()), conn: guard.NewSMB(h)}
		defer p.talk.End()
		p.talk.Hold(p.conn)
		time.AfterFunc(time.Second, func() { v.credential.Stop("another host has refused the account") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		err := p.try(func() error { return p.logOn(&logon{service: "cifs/x"}) })(ctx, nil)
		f, ok := errors.AsType[*probe.Failure](err)
		if !ok || f.Outcome != probe.Canceled || time.Since(start) != time.Second || !v.stopped() {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		// What has not begun does not begin, and is no ok step either.
		r := &rpcClimb{visit: v, ascent: p.ascent, by: &logon{}, talk: p.talk, conn: guard.NewRPC(h)}
		for _, err := range []error{
			p.try(func() error { t.Error("SMB is used"); return nil })(ctx, nil),
			r.try(func(context.Context, *probe.Step) error { t.Error("RPC is used"); return nil })(ctx, nil),
		} {
			if f, ok := errors.AsType[*probe.Failure](err); !ok || f.Outcome != probe.Canceled {
				t.Errorf("after the stop: %v", err)
			}
		}
	})
}
