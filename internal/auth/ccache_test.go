package auth

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A cacheFile is a ccache that is being written.
type cacheFile []byte

func (f *cacheFile) number(n uint32) { *f = binary.BigEndian.AppendUint32(*f, n) }
func (f *cacheFile) data(b string)   { f.number(uint32(len(b))); *f = append(*f, b...) }

func (f *cacheFile) principal(name, realm string) {
	parts := strings.Split(name, "/")
	f.number(1)
	f.number(uint32(len(parts)))
	f.data(realm)
	for _, p := range parts {
		f.data(p)
	}
}

func newCacheFile(client, realm string) *cacheFile {
	f := cacheFile("\x05\x04\x00\x0c\x00\x01\x00\x08\xff\xff\xff\xff\x00\x00\x00\x00")
	f.principal(client, realm)
	return &f
}

func (f *cacheFile) ticket(client, service, realm string, key types.EncryptionKey, start, end time.Time, ticket string) {
	f.principal(client, testRealm)
	f.principal(service, realm)
	*f = binary.BigEndian.AppendUint16(*f, uint16(key.KeyType))
	f.data(string(key.KeyValue))
	for _, t := range []time.Time{start, start, end, end} {
		f.number(uint32(t.Unix()))
	}
	*f = append(*f, 0, 0, 0, 0, 0)
	f.number(1) // addresses
	*f = append(*f, 0, 2)
	f.data("\xc0\x00\x02\x01")
	f.number(0) // authorization data
	f.data(ticket)
	f.data("")
}

// cacheOf is a ccache with tickets of a KDC for these services, of which the last has ended.
func cacheOf(t testing.TB, k *fakeKDC, services ...string) *cacheFile {
	t.Helper()
	f := newCacheFile("alice", testRealm)
	f.ticket("alice", "krb5_ccache_conf_data/pa_type", "X-CACHECONF:", types.EncryptionKey{}, time.Unix(0, 0), time.Unix(0, 0), "2")
	for _, s := range services {
		service, ended := strings.CutPrefix(s, "ended ")
		body := messages.KDCReqBody{SName: hostName(service), EType: []int32{aes256}}
		fields, part := k.ticket(body, types.PrincipalName{NameType: 1, NameString: []string{"alice"}}, []int32{aes256})
		end := part.EndTime
		if ended {
			end = k.now().Add(-time.Minute)
		}
		f.ticket("alice", service, testRealm, part.Key, part.StartTime, end, string(must(fields.Ticket.Marshal())))
	}
	return f
}

func TestCCache(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, "[realms]\nCORP.EXAMPLE = {\nkdc = "+firstKDC+"\n}\n"))
	const tgt, ws1 = "krbtgt/CORP.EXAMPLE", "cifs/ws-001.corp.example"
	tests := []struct {
		name     string
		services []string
		verify   string // the error of Verify
		cached   bool   // there is a ticket for ws-001 already
		asked    string // the error for ws-002
	}{
		{"ticket-granting ticket", []string{tgt}, "", false, ""},
		{"service's ticket too", []string{tgt, ws1}, "", true, ""},
		{"service's ticket alone", []string{ws1}, "", true, "no ticket-granting ticket"},
		{"service's ticket ended", []string{tgt, "ended " + ws1}, "", false, ""},
		{"ended", []string{"ended " + tgt}, "has expired: kinit again", false, "kinit again"},
		{"all ended", []string{"ended " + tgt, "ended " + ws1}, "kinit again", false, "kinit again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKDC(t)
			c, err := Read(Source{CCache: "FILE:" + writeFile(t, string(*cacheOf(t, k, tt.services...)))})
			if err != nil {
				t.Fatal(err)
			}
			c.dial = network(map[string]*fakeKDC{firstKDC: k})
			if c.User() != "alice@CORP.EXAMPLE" || !hasKDC(t, c) {
				t.Errorf("%s has no KDC", c.User())
			}
			says := func(what string, err error, want string) {
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v; want %q", what, err, want)
				}
				if err == nil {
					return
				}
				if e := asKDCError(t, err); e.Stops() || e.Code != 0 || !errors.Is(e, ErrNoTicket) {
					t.Errorf("%s: %#v", what, e)
				}
			}
			says("Verify", c.Verify(t.Context()), tt.verify)
			if k.requests != 0 {
				t.Error("it asks the KDC")
			}
			_, err = c.Ticket(t.Context(), "cifs/ws-002.corp.example")
			says("ws-002", err, tt.asked)
			before := k.requests
			ticket, err := c.Ticket(t.Context(), ws1)
			if tt.cached && (err != nil || ticket.KDC != "" || k.requests != before) {
				t.Errorf("ws-001: %v, of %q", err, ticket.KDC)
			}
		})
	}
}

func TestCCacheOfAnother(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	file := writeFile(t, string(*cacheOf(t, newFakeKDC(t), "krbtgt/CORP.EXAMPLE")))
	for user, ok := range map[string]bool{
		"": true, "Alice@corp.example": true, `CORP\alice`: true, `corp.example\alice`: true,
		"bob@corp.example": false, "alice@other.example": false, "alice": false,
	} {
		if _, err := Read(Source{User: user, CCache: file}); (err == nil) != ok {
			t.Errorf("%q: %v", user, err)
		}
	}
	if _, err := Read(Source{CCache: writeFile(t, string(*newCacheFile("alice", testRealm)))}); err == nil || !strings.Contains(err.Error(), "kinit") {
		t.Errorf("a ccache without tickets: %v", err)
	}
}

// A file that ends too early is none, wherever it ends.
func TestCCacheCut(t *testing.T) {
	b := *cacheOf(t, newFakeKDC(t), "krbtgt/CORP.EXAMPLE")
	whole, err := decodeCCache(b)
	if err != nil || len(whole.tickets) != 1 {
		t.Fatal(err)
	}
	ok := 0
	for i := range b {
		if _, err := decodeCCache(b[:i]); err == nil {
			ok++
		}
	}
	if ok != 2 { // before the first entry, and after it
		t.Errorf("%d beginnings of it are files", ok)
	}
}
