package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

func TestManyCallersOneExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKDC(t)
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		k.refuse = func(_, service string) int32 {
			if strings.HasPrefix(service, "cifs/nobody") {
				return 7
			}
			return 0
		}
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); err != nil {
					t.Error(err)
				}
				var e *KDCError
				if _, err := c.Ticket(t.Context(), "cifs/nobody.corp.example"); !errors.As(err, &e) || e.Code != 7 || e.Stops() {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if got := c.Stats(); got.TGS != 2 || k.requests != 4 {
			t.Errorf("%+v, %d requests", got, k.requests)
		}
	})
}

// A caller that leaves takes its exchange with it; the next asks again, and no one
// waits for another's patience.
func TestCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKDC(t)
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.answer = func([]byte) ([]byte, bool) { return nil, k.count() == 3 } // the first hangs
		const service = "cifs/ws-001.corp.example"
		start := time.Now()
		patience := []struct {
			time.Duration
			want error
			took time.Duration
		}{{time.Second, context.DeadlineExceeded, time.Second}, {3 * time.Second, nil, time.Second}, {time.Second / 2, context.DeadlineExceeded, time.Second / 2}}
		var wait sync.WaitGroup
		for _, p := range patience {
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), p.Duration)
				defer cancel()
				_, err := c.Ticket(ctx, service)
				if !errors.Is(err, p.want) || time.Since(start) != p.took {
					t.Errorf("patience %s: %v after %s", p.Duration, err, time.Since(start))
				}
			})
			synctest.Wait() // they come in this order
		}
		wait.Wait()
		if got := c.Stats(); got.TGS != 2 {
			t.Errorf("%+v", got)
		}
	})
}

func TestInFlightIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKDC(t)
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.answer = func([]byte) ([]byte, bool) { return nil, true }
		var wait sync.WaitGroup
		for i := range 3 * maxInFlight {
			wait.Go(func() {
				_, err := c.Ticket(t.Context(), "cifs/ws-"+string(rune('A'+i))+".corp.example")
				if !errors.Is(err, ErrStopped) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if k.requests != 2+maxInFlight {
			t.Errorf("%d requests in flight", k.requests-2)
		}
		start := time.Now()
		c.Stop("the first reason")
		c.Stop("another")
		wait.Wait() // those in flight, and those that wait for a place
		if took := time.Since(start); took != 0 || c.Why() != "the first reason" {
			t.Errorf("%q after %s", c.Why(), took)
		}
		<-c.Stopped()
		if _, err := c.Ticket(t.Context(), "cifs/ws-A.corp.example"); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		c.LogOn(func(_, _, _ string) { t.Error("it logs on") })
		if k.requests != 2+maxInFlight {
			t.Errorf("%d requests after the stop", k.requests)
		}
	})
}

// An error about the account stops the credential in whichever exchange it comes.
func TestKDCStops(t *testing.T) {
	for code, want := range map[int32]struct{ as, tgs bool }{
		6: {true, true}, 18: {true, true}, 23: {true, true}, 24: {true, true}, 12: {true, false},
		7: {}, 14: {}, 25: {}, 29: {}, 32: {}, 37: {}, 41: {}, 60: {}, 68: {}, 999: {},
	} {
		k := newFakeKDC(t)
		k.refuse = func(client, _ string) int32 {
			if client != "" {
				return code
			}
			return 0
		}
		c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		e := asKDCError(t, c.Verify(t.Context()))
		if e.Code != code || e.Stops() != want.as || (c.Why() != "") != want.as || e.Text == "" {
			t.Errorf("AS: %v, stops: %t, why: %q", e, e.Stops(), c.Why())
		}
		k.refuse = func(_, service string) int32 {
			if service != "" {
				return code
			}
			return 0
		}
		c = credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
		if err := c.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := c.Ticket(t.Context(), "host/ws-001.corp.example")
		e = asKDCError(t, err)
		if e.Code != code || e.Stops() != want.tgs || (c.Why() != "") != want.tgs || e.Text == "" {
			t.Errorf("TGS: %v, stops: %t, why: %q", e, e.Stops(), c.Why())
		}
	}
}

func TestOtherRealms(t *testing.T) {
	k := newFakeKDC(t)
	c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
	c.profile.domains = map[string]string{".other.example": "OTHER.EXAMPLE", ".corp.example": "corp.example"}
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Ticket(t.Context(), "cifs/ws-001.other.example")
	if e := asKDCError(t, err); !errors.Is(e, ErrOtherRealm) || !strings.Contains(e.Text, "OTHER.EXAMPLE") || e.Stops() {
		t.Error(e)
	}
	if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); err != nil {
		t.Error(err)
	}
	referred := types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "EVIL\x1b.EXAMPLE"}}
	k.reply = func(f *messages.KDCRepFields, p *messages.EncKDCRepPart) {
		f.Ticket.SName, p.SName = referred, referred
	}
	_, err = c.Ticket(t.Context(), "cifs/ws-002.corp.example")
	if e := asKDCError(t, err); !errors.Is(e, ErrOtherRealm) || !strings.Contains(e.Text, "EVIL?.EXAMPLE") || e.Stops() {
		t.Error(e)
	}
	if k.requests != 4 {
		t.Errorf("%d requests", k.requests)
	}
}

func TestTicketNeedsVerify(t *testing.T) {
	c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: newFakeKDC(t)})
	if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); !errors.Is(err, errUnverified) {
		t.Error(err)
	}
	// Where there is no KDC it is not the caller's mistake.
	for _, c := range []*Credential{credentialFor(t, `OLD\alice`, testPassword, nil), credentialFor(t, "älice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: nil})} {
		if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); !errors.Is(asKDCError(t, err), ErrNoKDC) {
			t.Error(err)
		}
	}
	for _, service := range []string{"", "cifs", "cifs/", "/ws-001", "cifs/ws/001", "cifs/ws 1", "cifs/ws@REALM", "cifs/" + strings.Repeat("a", maxName)} {
		if _, err := c.Ticket(t.Context(), service); err == nil || errors.Is(err, errUnverified) {
			t.Errorf("%q: %v", service, err)
		}
	}
}
