package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/rpc"
	"github.com/gpreach/gpreach/smb"
)

func TestClassify(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	dial := func(e syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", e)}
	}
	tests := []struct {
		ctx  context.Context //nolint:containedctx // the table's point
		err  error
		want Outcome
	}{
		{t.Context(), nil, OK},
		{canceled, nil, OK},
		{t.Context(), context.DeadlineExceeded, Timeout},
		{t.Context(), fmt.Errorf("read: %w", os.ErrDeadlineExceeded), Timeout},
		{canceled, os.ErrDeadlineExceeded, Canceled},
		{canceled, context.Canceled, Canceled},
		{canceled, wire.Garbled("PDU"), Garbled}, // an answer stays one
		{t.Context(), &net.DNSError{IsTimeout: true}, Timeout},
		{t.Context(), dial(syscall.ECONNREFUSED), Refused},
		{t.Context(), dial(syscall.EHOSTUNREACH), Unroutable},
		{t.Context(), dial(syscall.EPERM), NotPermitted},
		{t.Context(), dial(syscall.EMFILE), NoResources},
		{t.Context(), &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, Reset},
		{t.Context(), &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, Reset},
		{t.Context(), io.EOF, Hangup},
		{t.Context(), io.ErrUnexpectedEOF, Hangup},
		{t.Context(), wire.Garbled("PDU type %d", 9), Garbled},
		{t.Context(), rpc.ErrNotRegistered, NotRegistered},
		{t.Context(), &rpc.Fault{Status: 5}, AccessDenied},
		{t.Context(), &rpc.Fault{Status: 0x80070005}, AccessDenied},
		{t.Context(), &rpc.Fault{Status: 0x1C010002}, Unsupported},
		{t.Context(), &rpc.BindNak{Reason: 8}, AccessDenied},
		{t.Context(), &rpc.BindNak{Reason: 9}, AccessDenied},
		{t.Context(), &rpc.BindNak{Reason: 4}, Unsupported},
		{t.Context(), &rpc.Rejected{Result: 2, Reason: 1}, Unsupported},
		{t.Context(), &rpc.Status{Call: "ept_map", Code: 0x16C9A0D7}, Unsupported},
		{t.Context(), &rpc.Status{Call: "ept_map", Code: 5}, AccessDenied},
		{t.Context(), smb.Status(0xC0000022), AccessDenied},
		{t.Context(), smb.Status(0xC00000BB), Unsupported},
		{t.Context(), smb.ErrSMB1, Unsupported},
		{t.Context(), &smb.BadDialect{Dialect: 0x02FF}, Unsupported},
		{t.Context(), errors.New("something new"), Unroutable},
	}
	for _, tt := range tests {
		if got := classify(tt.ctx, tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}

func TestSay(t *testing.T) {
	tests := []struct {
		outcome Outcome
		err     error
		want    string
	}{
		{Timeout, os.ErrDeadlineExceeded, ""},
		{Unsupported, &rpc.Fault{Status: 0x1C010002}, "fault 0x1C010002"},
		{
			Unroutable, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 135}, Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
			"connect: " + syscall.EHOSTUNREACH.Error(),
		},
		{Garbled, wire.Garbled("tower of %d floors", 300), "not the protocol: tower of 300 floors"},
	}
	for _, tt := range tests {
		if got := say(tt.outcome, tt.err); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"ws-001.corp.example", "ws-001.corp.example"},
		{`CORP\ws-001 "quoted" <b>`, `CORP\\ws-001 "quoted" <b>`},
		{"a\x1b[31mb\r\n\x00\x7f", `a\x1b[31mb\x0d\x0a\x00\x7f`},
		{"b\u00fcro \u202etxt.exe", `b\u00fcro \u202etxt.exe`},
		{"\U0001F600", `\U0001f600`},
		{"\u0085\xff\xc3", `\u0085\xff\xc3`},
		{"\uFFFD", `\ufffd`},
		{strings.Repeat("x", 300), strings.Repeat("x", 200)},
		{strings.Repeat("x", 198) + "\u202e!", strings.Repeat("x", 198)}, // escaped, then cut, never in an escape
		{strings.Repeat("\x1b", 64<<10), strings.Repeat(`\x1b`, 50)},
	}
	for _, tt := range tests {
		if got := clean(tt.in); got != tt.want {
			t.Errorf("%.40q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("ws-001\x1b[2J\u202e\\")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if len(got) > maxText {
			t.Errorf("%d bytes", len(got))
		}
		for _, c := range []byte(got) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q holds %#x", got, c)
			}
		}
	})
}
