package auth

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestKDCsByDNS(t *testing.T) {
	notFound := &net.DNSError{IsNotFound: true}
	tests := []struct {
		name    string
		records []*net.SRV
		err     error
		want    string
		known   bool
	}{
		{"two", []*net.SRV{{Target: "dc1.corp.example.", Port: 88}, {Target: "dc2.corp.example.", Port: 1088}}, nil, "dc1.corp.example:88 dc2.corp.example:1088", true},
		{"no service", []*net.SRV{{Target: "."}}, nil, "", false},
		{"none", nil, notFound, "", false},
		{"no answer", nil, &net.DNSError{IsTimeout: true}, "", false},
		{"more than are asked", make20(), nil, strings.TrimSpace(strings.Repeat("dc.corp.example:88 ", maxKDCs)), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := credentialFor(t, "alice@corp.example", testPassword, nil)
			c.profile.realms = nil
			asked := 0
			c.lookupSRV = func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
				if asked++; service != "kerberos" || proto != "tcp" || name != testRealm {
					t.Error(service, proto, name)
				}
				return "", tt.records, tt.err
			}
			lookup, _ := errors.AsType[*net.DNSError](tt.err)
			failed := lookup != nil && !lookup.IsNotFound
			if err := c.HasKDC(t.Context()); (err == nil) != tt.known || errors.Is(err, ErrNoKDC) == (failed || tt.known) {
				t.Error(err)
			}
			kdcs, _ := c.kdcs(t.Context())
			if got := strings.Join(kdcs, " "); got != tt.want {
				t.Errorf("%s; want %s", got, tt.want)
			}
			if want := map[bool]int{true: 2, false: 1}[tt.name == "no answer"]; asked != want {
				t.Errorf("asked %d times", asked)
			}
			if tt.want == "" && asKDCError(t, c.Verify(t.Context())).Stops() {
				t.Error("it stops")
			}
		})
	}
	c := credentialFor(t, `OLD\alice`, testPassword, nil)
	if e := asKDCError(t, c.Verify(t.Context())); !errors.Is(e, ErrNoKDC) || hasKDC(t, c) || !strings.Contains(e.Text, "NAME@REALM") {
		t.Error(e)
	}
}

func make20() []*net.SRV {
	records := make([]*net.SRV, 20)
	for i := range records {
		records[i] = &net.SRV{Target: "dc.corp.example.", Port: 88}
	}
	return records
}

func TestKDCsInTurn(t *testing.T) {
	tests := []struct {
		name string
		kdcs map[string]*fakeKDC
		took time.Duration
		want string // of the error
	}{
		{"the first is closed", map[string]*fakeKDC{secondKDC: newFakeKDC(t)}, 0, ""},
		{"the first is dropped", map[string]*fakeKDC{firstKDC: nil, secondKDC: newFakeKDC(t)}, kdcTime, ""},
		{"the first hangs", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return nil, true }}, secondKDC: newFakeKDC(t)}, kdcTime, ""},
		{"the first says too much", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return []byte{0xff, 0, 0, 0}, true }}, secondKDC: newFakeKDC(t)}, 0, ""},
		{"the first says nothing", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return []byte{0, 0, 0, 0}, true }}, secondKDC: newFakeKDC(t)}, 0, ""},
		{"the first stops short", map[string]*fakeKDC{firstKDC: {answer: func([]byte) ([]byte, bool) { return []byte{0, 0, 0, 9, 1}, true }}, secondKDC: newFakeKDC(t)}, 0, ""},
		{"both are closed", nil, 0, "No KDC of realm CORP.EXAMPLE answered: 192.0.2.1:88, 192.0.2.2:88: connection refused"},
		{"both are dropped", map[string]*fakeKDC{firstKDC: nil, secondKDC: nil}, exchangeTime, "No KDC of realm CORP.EXAMPLE answered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := credentialFor(t, "alice@corp.example", testPassword, tt.kdcs, firstKDC, secondKDC)
				start := time.Now()
				err := c.Verify(t.Context())
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %s; want %s", took, tt.took)
				}
				if tt.want != "" {
					if err == nil || !strings.HasPrefix(err.Error(), tt.want) || asKDCError(t, err).Stops() {
						t.Errorf("%v; want %s", err, tt.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				start = time.Now() // it is remembered who answers
				if _, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example"); err != nil || time.Since(start) != 0 {
					t.Errorf("%v after %s", err, time.Since(start))
				}
			})
		})
	}
}

func TestNamesBeyondASCII(t *testing.T) {
	k := newFakeKDC(t)
	c := credentialFor(t, "jürgen@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
	if e := asKDCError(t, c.Verify(t.Context())); !strings.Contains(e.Text, "ASCII") || e.Stops() || hasKDC(t, c) || k.requests != 0 {
		t.Error(e)
	}
}

func hasKDC(t *testing.T, c *Credential) bool {
	t.Helper()
	err := c.HasKDC(t.Context())
	if err != nil && !errors.Is(err, ErrNoKDC) {
		t.Error(err)
	}
	return err == nil
}
