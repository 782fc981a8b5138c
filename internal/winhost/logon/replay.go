package logon

import (
	"strings"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
)

// Replays are the authenticators that a host has accepted, RFC 4120 section 3.2.3, the
// last thousand of them. The zero value has none, and any goroutine may use it.
type Replays struct {
	mu    sync.Mutex
	known map[replay]bool
	order []replay // from the oldest on
}

// A replay is what no two authenticators have in common.
type replay struct {
	service, client string
	time            time.Time
	cusec           int
}

const mostReplays = 1000

// seen reports whether the authenticator of an AP-REQ was accepted before, and knows it
// from then on. Nil knows none.
func (r *Replays) seen(req *messages.APReq) bool {
	if r == nil {
		return false
	}
	a := req.Authenticator
	it := replay{
		service: strings.Join(req.Ticket.SName.NameString, "/"), client: strings.Join(a.CName.NameString, "/") + "@" + a.CRealm,
		time: a.CTime.UTC(), cusec: a.Cusec,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[it] {
		return true
	}
	if r.known == nil {
		r.known = map[replay]bool{}
	}
	if len(r.order) == mostReplays {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	r.known[it], r.order = true, append(r.order, it)
	return false
}
