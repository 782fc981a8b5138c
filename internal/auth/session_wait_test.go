package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/sspi"
)

// A Windows that does not answer is not waited for any longer than is due, and what
// it says too late is let go.
func TestSessionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWindows{says: of(sspi.OK, sspi.OK), hangs: make(chan struct{})}
		c := sessionOf(t, w)
		start := time.Now()
		if err := c.Verify(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != windowsTime {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Verify(ctx); err != context.DeadlineExceeded || time.Since(start) != windowsTime+time.Second { //nolint:errorlint // the caller's, bare
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		time.AfterFunc(time.Second, func() { c.Stop("enough") })
		if err := c.Verify(t.Context()); !errors.Is(err, ErrStopped) || time.Since(start) != windowsTime+2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		close(w.hangs)
		synctest.Wait()
		if w.asked.Load() != 1 || w.deleted.Load() != 1 {
			t.Errorf("asked %d times, %d contexts were let go", w.asked.Load(), w.deleted.Load())
		}
	})
}

// A stop is not kept waiting by a call that Windows does not answer.
func TestStopWhileWindowsHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWindows{says: of(sspi.OK, sspi.OK)}
		c := verified(t, w, true)
		w.hangs = make(chan struct{})
		start := time.Now()
		time.AfterFunc(time.Second, func() { c.Stop("enough") })
		if _, _, err := c.Context(t.Context(), sspi.Kerberos, "host/ws-001", sspi.RPC); !errors.Is(err, ErrStopped) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		close(w.hangs)
		synctest.Wait()
		if asked, deleted := w.asked.Load(), w.deleted.Load(); asked != deleted || len(c.slots) != 0 {
			t.Errorf("%d of %d contexts were let go, %d slots are taken", deleted, asked, len(c.slots))
		}
	})
}

// verified is a session that Windows has verified, and whose first host it has answered
// for where that is wanted.
func verified(t *testing.T, w *fakeWindows, first bool) *Credential {
	t.Helper()
	c := sessionOf(t, w)
	err := c.Verify(t.Context())
	if err == nil && first {
		var x *sspi.Context
		if x, _, err = c.Context(t.Context(), sspi.Kerberos, "host/first", sspi.RPC); err == nil {
			x.Close()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// manyAsk has hosts ask at once, each of which ends after a second, or every other
// after a minute; and returns how many of these Windows was asked for.
func manyAsk(t *testing.T, c *Credential, w *fakeWindows, hosts int) int64 {
	before := w.asked.Load()
	for i := range hosts {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), []time.Duration{time.Second, time.Minute}[i%2])
			defer cancel()
			if x, _, err := c.Context(ctx, sspi.Kerberos, fmt.Sprintf("host/ws-%03d", i), sspi.RPC); err == nil {
				x.Close()
			}
		}()
	}
	synctest.Wait()
	return w.asked.Load() - before
}

// The first host's ticket is asked for alone: a password that is out of date is tried
// once, also where the host does not wait for the refusal.
func TestFirstHostAlone(t *testing.T) {
	for _, tt := range []struct {
		status sspi.Status
		after  time.Duration
		want   int64
	}{
		{sspi.LogonDenied, 2 * time.Second, 1}, {sspi.TargetUnknown, time.Second / 2, 30}, {sspi.OK, time.Second / 2, 30},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &fakeWindows{says: of(sspi.OK, tt.status)}
			c := verified(t, w, false)
			w.hangs = make(chan struct{})
			time.AfterFunc(tt.after, func() { close(w.hangs) })
			if n := manyAsk(t, c, w, 30); n != 1 {
				t.Errorf("%v: %d at once", tt.status, n)
			}
			<-w.hangs
			synctest.Wait()
			n := w.asked.Load() - 1
			if n != tt.want || w.deleted.Load() != n+1 || (c.Why() != "") != (tt.status == sspi.LogonDenied) {
				t.Errorf("%v: %d asked, stopped by %q", tt.status, n, c.Why())
			}
			guarded := 0
			if tt.status == sspi.LogonDenied {
				guarded = maxInFlight - 1
			}
			if len(c.slots) != guarded {
				t.Errorf("%v: %d slots are taken, want %d", tt.status, len(c.slots), guarded)
			}
		})
	}
}

// What is under way when the account is refused is all that is asked, though half of
// those who asked do not wait for the answer.
func TestRefusedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := sspi.OK
		w := &fakeWindows{says: func(string) sspi.Status { return status }}
		c := verified(t, w, true)
		status, w.hangs = sspi.LogonDenied, make(chan struct{})
		if n := manyAsk(t, c, w, 3*maxInFlight); n != maxInFlight {
			t.Errorf("%d at once", n)
		}
		time.AfterFunc(2*time.Second, func() { close(w.hangs) })
		<-w.hangs
		synctest.Wait()
		if n := w.asked.Load() - 2; n != maxInFlight || !strings.Contains(c.Why(), "log on again") || len(c.slots) != 0 {
			t.Errorf("%d asked, stopped by %q, %d slots are taken", n, c.Why(), len(c.slots))
		}
	})
}

// Where all slots are taken by tickets that do not come, others end with their own
// patience; what needs no KDC does not wait for them.
func TestSessionSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWindows{says: of(sspi.OK, sspi.OK)}
		c := verified(t, w, true)
		w.hangs = make(chan struct{})
		if n := manyAsk(t, c, w, 3*maxInFlight); n != maxInFlight {
			t.Errorf("%d calls at once", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		asked := w.asked.Load()
		if _, _, err := c.Context(ctx, sspi.Kerberos, "cifs/another", sspi.SMB); !errors.Is(err, context.DeadlineExceeded) || w.asked.Load() != asked {
			t.Errorf("%v, %d asked", err, w.asked.Load()-asked)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.Context(ctx, sspi.NTLM, "cifs/10.0.0.1", sspi.SMB); !errors.Is(err, context.DeadlineExceeded) || w.asked.Load() != asked+1 {
			t.Errorf("%v, %d asked", err, w.asked.Load()-asked)
		}
		c.Stop("enough")
		close(w.hangs)
		synctest.Wait()
		if n := w.deleted.Load(); n != maxInFlight+3 {
			t.Errorf("%d contexts were let go", n)
		}
	})
}

// The host's token is waited for as Windows' own are, and what is left behind is let go
// of when the call comes back.
func TestContinueHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWindows{says: of(sspi.OK, sspi.OK)}
		c := verified(t, w, true)
		for _, patience := range []time.Duration{time.Second, time.Hour} {
			w.hangs = nil
			x, _, err := c.Context(t.Context(), sspi.NTLM, "cifs/10.0.0.1", sspi.SMB)
			if err != nil {
				t.Fatal(err)
			}
			let := w.deleted.Load()
			w.hangs = make(chan struct{})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			start := time.Now()
			if _, err := c.Continue(ctx, x, []byte("of the host")); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != min(patience, windowsTime) {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
			x.Close()
			if w.deleted.Load() != let {
				t.Error("let go of in use")
			}
			close(w.hangs)
			synctest.Wait()
			if w.deleted.Load() != let+1 {
				t.Error("not let go of")
			}
		}
		if c.Why() != "" || len(c.slots) != 0 {
			t.Errorf("stopped by %q, %d slots are taken", c.Why(), len(c.slots))
		}
		c.Stop("enough")
		if _, err := c.Continue(t.Context(), nil, nil); !errors.Is(err, ErrStopped) {
			t.Errorf("after the stop: %v", err)
		}
	})
}
