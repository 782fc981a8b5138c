package logon

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/adtype"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A Key is a host's, with which a KDC encrypts the tickets for it.
type Key struct {
	etype int32
	value []byte
}

// NewKey returns a key that no KDC knows: for tickets that Grant makes.
func NewKey() Key {
	k := Key{etype: etypeID.AES256_CTS_HMAC_SHA1_96, value: make([]byte, 32)}
	_, _ = rand.Read(k.value) // which does not fail
	return k
}

// ReadKeytab returns those keys of a keytab file that are of one of these principals,
// such as "host/ws-001.corp.example" and "WS-001$".
func ReadKeytab(file []byte, principals ...string) ([]Key, error) {
	kt := keytab.New()
	if err := kt.Unmarshal(file); err != nil {
		return nil, err
	}
	var keys []Key
	for _, e := range kt.Entries {
		name := strings.Join(e.Principal.Components, "/")
		if slices.ContainsFunc(principals, func(p string) bool { return strings.EqualFold(p, name) }) {
			keys = append(keys, Key{etype: e.Key.KeyType, value: e.Key.KeyValue})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the keytab has no key of the host's")
	}
	return keys, nil
}

// A Cache makes tickets without a KDC, and keeps them in the form of a ccache file of
// version 4, which clients read.
type Cache struct {
	user, realm string
	b           []byte
}

// NewCache returns a cache without a ticket, of a user.
func NewCache(user, realm string) *Cache {
	c := &Cache{user: user, realm: realm, b: []byte{5, 4, 0, 0}}
	c.principal(user)
	return c
}

// Bytes returns the file.
func (c *Cache) Bytes() []byte { return c.b }

// Grant adds a ticket for a service, such as "host/ws-001.corp.example", that is
// encrypted by a host's key and valid from now on for so long. pac is how many bytes it
// says of the user's groups: of many, as administrators are in, some ten thousand.
func (c *Cache) Grant(service string, key Key, valid time.Duration, pac int) error {
	now := time.Now().UTC().Truncate(time.Second)
	kt := keytab.New()
	if err := kt.Unmarshal(c.keytab(service, key)); err != nil {
		return err
	}
	client := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, c.user)
	name := types.NewPrincipalName(nametype.KRB_NT_SRV_INST, service)
	ticket, session, err := messages.NewTicket(client, c.realm, name, c.realm, types.NewKrbFlags(), kt, key.etype, 1, now, now, now.Add(valid), now.Add(valid))
	if err != nil {
		return err
	}
	if err := enlarge(&ticket, key, pac); err != nil {
		return err
	}
	encoded, err := ticket.Marshal()
	if err != nil {
		return err
	}
	c.principal(c.user)
	c.principal(service)
	c.u16(uint16(session.KeyType))
	c.data(string(session.KeyValue))
	for _, t := range []time.Time{now, now, now.Add(valid), now.Add(valid)} {
		c.u32(uint32(t.Unix()))
	}
	c.b = append(c.b, make([]byte, 1+4+4+4)...) // no key of its own, flags, addresses, authorization data
	c.data(string(encoded))
	c.data("")
	return nil
}

// enlarge puts so many bytes into a ticket, where the PAC is in those of a domain
// controller, [MS-PAC] section 3.
func enlarge(t *messages.Ticket, key Key, pac int) error {
	if pac == 0 {
		return nil
	}
	k := types.EncryptionKey{KeyType: key.etype, KeyValue: key.value}
	if err := t.Decrypt(k); err != nil {
		return err
	}
	part := t.DecryptedEncPart
	t.DecryptedEncPart = messages.EncTicketPart{} // or it is marshaled as well
	part.AuthorizationData = types.AuthorizationData{{ADType: adtype.ADIfRelevant, ADData: make([]byte, pac)}}
	b, err := asn1.Marshal(part)
	if err != nil {
		return err
	}
	t.EncPart, err = crypto.GetEncryptedData(asn1tools.AddASNAppTag(b, asnAppTag.EncTicketPart), k, keyusage.KDC_REP_TICKET, 1)
	return err
}

// keytab returns a keytab file of version 2 with one key.
func (c *Cache) keytab(service string, key Key) []byte {
	e := &Cache{}
	components := strings.Split(service, "/")
	e.u16(uint16(len(components)))
	for _, s := range append([]string{c.realm}, components...) {
		e.u16(uint16(len(s)))
		e.b = append(e.b, s...)
	}
	e.u32(uint32(nametype.KRB_NT_SRV_INST))
	e.u32(0)             // when it was made
	e.b = append(e.b, 1) // its version
	e.u16(uint16(key.etype))
	e.u16(uint16(len(key.value)))
	e.b = append(e.b, key.value...)
	return append(binary.BigEndian.AppendUint32([]byte{5, 2}, uint32(len(e.b))), e.b...)
}

func (c *Cache) principal(name string) {
	components := strings.Split(name, "/")
	c.u32(uint32(len(components))) // as name type: 1 is a user's, 2 a service's
	c.u32(uint32(len(components)))
	for _, s := range append([]string{c.realm}, components...) {
		c.data(s)
	}
}

func (c *Cache) u16(n uint16) { c.b = binary.BigEndian.AppendUint16(c.b, n) }
func (c *Cache) u32(n uint32) { c.b = binary.BigEndian.AppendUint32(c.b, n) }

func (c *Cache) data(s string) {
	c.u32(uint32(len(s)))
	c.b = append(c.b, s...)
}
