package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxTickets bounds what is taken of a ccache.
const maxTickets = 10_000

// readCCache reads a credential from a ccache file.
func readCCache(s Source, p profile) (*Credential, error) {
	file := s.CCache
	if kind, rest, ok := strings.Cut(file, ":"); ok && len(kind) > 1 { // one letter is a drive
		if kind != "FILE" {
			return nil, errors.New("a ccache of that kind cannot be used: only FILE, or a path alone")
		}
		file = rest
	}
	b, err := readSecretFile("ccache", file, maxKeyFile)
	if err != nil {
		return nil, err
	}
	return ofTickets(b, s.User, p)
}

// OfTickets returns the credential of a ccache file's content. It has these tickets and
// knows no KDC: nothing is ever asked for another.
func OfTickets(ccache []byte) (*Credential, error) {
	return ofTickets(ccache, "", profile{noDNS: true})
}

// ofTickets returns the credential of a ccache file's content, which must be the
// user's, unless none is named.
func ofTickets(b []byte, user string, p profile) (*Credential, error) {
	cache, err := decodeCCache(b)
	if err != nil {
		return nil, fmt.Errorf("the ccache: %w", err)
	}
	a := account{name: cache.client.PrincipalNameString(), realm: cache.realm}
	a.given = a.name + "@" + a.realm
	if user != "" {
		asked, err := parseAccount(user, p)
		if err != nil {
			return nil, err
		}
		if !strings.EqualFold(asked.name, a.name) || asked.realm != "" && !strings.EqualFold(asked.realm, a.realm) {
			return nil, fmt.Errorf("the ccache is of %s, not of %s", sayName(a.given), user)
		}
		a.given = user
	}
	if len(cache.tickets) == 0 {
		return nil, errors.New("the ccache has no ticket: kinit again")
	}
	return newCredential(a, newSecret(a.given, material{tickets: cache.tickets}), p), nil
}

// verifyTickets looks whether anything of the ccache is valid still.
func (c *Credential) verifyTickets() error {
	_, err := c.grantingOfCache()
	if err != nil && slices.ContainsFunc(c.secret.open().tickets, func(t *Ticket) bool { return c.isValid(t) }) {
		return nil // it has a ticket for a service, which may be all that is wanted
	}
	return err
}

// grantingOfCache returns the ccache's ticket-granting ticket.
func (c *Credential) grantingOfCache() (*Ticket, error) {
	wanted := "krbtgt/" + c.account.realm
	var found bool
	for _, t := range c.secret.open().tickets {
		if t.Service != wanted {
			continue
		}
		if found = true; c.isValid(t) {
			return t, nil
		}
	}
	e := &KDCError{Err: ErrNoTicket, Text: "The ccache's ticket-granting ticket has expired: kinit again."}
	if !found {
		e.Text = fmt.Sprintf("The ccache has no ticket-granting ticket of realm %s: kinit again.", sayName(c.account.realm))
	}
	return nil, e
}

// cached returns the ccache's ticket for a service, if it has a valid one.
func (c *Credential) cached(service types.PrincipalName) *Ticket {
	name := service.PrincipalNameString()
	for _, t := range c.secret.open().tickets {
		if strings.EqualFold(t.Service, name) && c.isValid(t) {
			return t
		}
	}
	return nil
}

func (c *Credential) isValid(t *Ticket) bool {
	now := c.now()
	return t.End.After(now) && now.Sub(t.Start) > -maxSkew
}

// A ccache is what a credential cache file holds.
type ccache struct {
	client  types.PrincipalName
	realm   string
	tickets []*Ticket
}

// decodeCCache decodes versions 3 and 4 of the file format of MIT Kerberos. gokrb5's
// decoder allocates by the counts in the file, so it is not used.
func decodeCCache(b []byte) (ccache, error) {
	r := &reader{b: b}
	if r.byte() != 5 {
		return ccache{}, errNoCCache
	}
	version := r.byte()
	switch version {
	case 3:
	case 4:
		r.bytes(int(r.uint16())) // header fields, such as a KDC's offset
	default:
		return ccache{}, errNoCCache
	}
	var cache ccache
	cache.client, cache.realm = r.principal()
	for len(r.b) > 0 && !r.short && len(cache.tickets) < maxTickets {
		t, serverRealm := r.credential(version)
		ofConfig := strings.HasPrefix(serverRealm, "X-CACHECONF:")
		if r.short || ofConfig || serverRealm != cache.realm || !isKey(t.Key) || !sameName(t.Client, cache.client) {
			continue
		}
		cache.tickets = append(cache.tickets, t)
	}
	name := cache.client.PrincipalNameString()
	if r.short || name == "" || cache.realm == "" || len(name)+len(cache.realm) > maxName || strings.ContainsFunc(name+cache.realm, isControl) {
		return ccache{}, errNoCCache
	}
	return cache, nil
}

var errNoCCache = errors.New("it is not a ccache file of version 3 or 4")

// A reader reads the big-endian fields of a ccache. When they end too early it is
// short, and reads nothing more.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) bytes(n int) []byte {
	if r.short || n < 0 || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) data() []byte    { return r.bytes(int(r.uint32())) }
func (r *reader) time() time.Time { return time.Unix(int64(r.uint32()), 0) }

func (r *reader) principal() (name types.PrincipalName, realm string) {
	name.NameType = int32(r.uint32()) //nolint:gosec // a small number
	n := r.uint32()
	realm = string(r.data())
	const most = 8
	if n > most {
		r.bytes(-1)
	}
	for range min(n, most) {
		name.NameString = append(name.NameString, string(r.data()))
	}
	return name, realm
}

// credential reads an entry. Where its ticket is none the key is none either.
func (r *reader) credential(version byte) (*Ticket, string) {
	t := &Ticket{stamp: new(stamp)}
	t.Client, t.Realm = r.principal()
	service, serviceRealm := r.principal()
	t.Service = service.PrincipalNameString()
	if version == 3 {
		r.uint16() // the type is there twice
	}
	t.Key = types.EncryptionKey{KeyType: int32(r.uint16()), KeyValue: r.data()}
	authenticated := r.time()
	t.Start, t.End = r.time(), r.time()
	if t.Start.Unix() == 0 {
		t.Start = authenticated
	}
	r.time()   // until when it can be renewed
	r.bytes(1) // whether it is encrypted by a session key
	r.bytes(4) // flags
	for range 2 {
		for n := r.uint32(); n > 0 && !r.short; n-- { // addresses, then authorization data
			r.uint16()
			r.data()
		}
	}
	ticket := r.data()
	r.data() // a second ticket, of user-to-user
	var m messages.Ticket
	if guarded(func() error { return m.Unmarshal(ticket) }) != nil {
		t.Key = types.EncryptionKey{}
	}
	t.Ticket = m
	return t, serviceRealm
}
