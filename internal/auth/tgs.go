package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// An inquiry is the asking for one service's ticket. Who began it asks; the others
// wait until done is closed.
type inquiry struct {
	done   chan struct{}
	ticket *Ticket
	err    error
	cut    bool // its caller left, so nothing came of it
}

// Ticket returns the ticket for a service, such as "cifs/ws-001.corp.example".
// It is asked for once a run, however many callers want it, and so is a refusal;
// but where the one whose asking it was leaves, the next asks. What stops the
// credential has stopped it when Ticket returns.
func (c *Credential) Ticket(ctx context.Context, service string) (*Ticket, error) {
	name, err := serviceName(service)
	if err != nil {
		return nil, err
	}
	key := strings.ToLower(service)
	for {
		if c.inForce.Err() != nil {
			return nil, ErrStopped
		}
		c.mu.Lock()
		i, begun := c.inquiries[key]
		if !begun {
			i = &inquiry{done: make(chan struct{})}
			c.inquiries[key] = i
		}
		c.mu.Unlock()
		if !begun {
			c.inquire(ctx, i, key, name)
			return i.ticket, i.err
		}
		select {
		case <-i.done:
			if !i.cut {
				return i.ticket, i.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.inForce.Done():
		}
	}
}

// inquire answers an inquiry.
func (c *Credential) inquire(ctx context.Context, i *inquiry, key string, service types.PrincipalName) {
	defer close(i.done)
	i.ticket, i.err = c.askForTicket(ctx, service)
	var kdc *KDCError
	if i.err != nil && !errors.As(i.err, &kdc) { // the caller left, the credential was stopped, or is not verified yet
		i.cut = true
		c.mu.Lock()
		delete(c.inquiries, key)
		c.mu.Unlock()
	}
}

// serviceName reads CLASS/HOST.
func serviceName(service string) (types.PrincipalName, error) {
	class, host, ok := strings.Cut(service, "/")
	if !ok || class == "" || host == "" || len(service) > maxName || strings.ContainsFunc(host, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '/' || r == '@'
	}) {
		return types.PrincipalName{}, fmt.Errorf("not the name of a service: %q", sayName(service))
	}
	return types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{class, host}}, nil
}

// askForTicket returns a ticket of the ccache, or asks the KDCs for one.
func (c *Credential) askForTicket(ctx context.Context, service types.PrincipalName) (*Ticket, error) {
	if realm := c.profile.realmOfHost(service.NameString[1]); realm != "" && !strings.EqualFold(realm, c.account.realm) {
		return nil, c.otherRealm("", service.NameString[1], realm)
	}
	if t := c.cached(service); t != nil {
		return t, nil
	}
	kdcs, err := c.kdcs(ctx)
	if err != nil {
		return nil, err
	}
	granting, err := c.granting()
	if err != nil {
		return nil, err
	}
	// RC4 comes last, which the KDC takes only where the service has nothing better.
	// Nobody on the way can make it: the authenticator covers the list.
	return c.tgsExchange(ctx, kdcs, granting, service, append(strong(), weak))
}

// granting returns the ticket-granting ticket.
func (c *Credential) granting() (*Ticket, error) {
	if c.secret.open().tickets != nil {
		return c.grantingOfCache()
	}
	p := c.known()
	if p == nil {
		return nil, errUnverified
	}
	return p.ticket, p.err
}

// tgsExchange asks for a ticket by the ticket-granting ticket, RFC 4120 section 3.3.
func (c *Credential) tgsExchange(ctx context.Context, kdcs []string, granting *Ticket, service types.PrincipalName, etypes []int32) (*Ticket, error) {
	q := &question{nonce: newNonce(), service: service, etypes: etypes}
	body := messages.KDCReqBody{
		KDCOptions: types.NewKrbFlags(), Realm: c.account.realm, SName: service,
		Till: granting.End.UTC(), Nonce: q.nonce, EType: etypes,
	}
	header, err := c.tgsHeader(granting, body)
	if err != nil {
		return nil, err
	}
	m := messages.TGSReq{KDCReqFields: messages.KDCReqFields{
		PVNO: iana.PVNO, MsgType: msgtype.KRB_TGS_REQ, ReqBody: body,
		PAData: types.PADataSequence{{PADataType: patype.PA_TGS_REQ, PADataValue: header}},
	}}
	if q.message, err = m.Marshal(); err != nil {
		return nil, err
	}
	c.tgs.Add(1)
	name := strings.Join(service.NameString, "/")
	reply, refusal, kdc, err := c.ask(ctx, kdcs, q.message, tagTGSRep)
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, c.refusal(kdc, name, refusal)
	}
	part, err := decrypt(reply, granting.Key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	if err != nil || !sameName(reply.CName, granting.Client) || reply.CRealm != granting.Realm {
		return nil, garbled(kdc)
	}
	if n := part.SName.NameString; part.Nonce == q.nonce && len(n) == 2 && n[0] == "krbtgt" {
		return nil, c.otherRealm(kdc, service.NameString[1], n[1])
	}
	return c.ticketOf(q, reply, part, kdc)
}

// tgsHeader is the AP-REQ that a TGS-REQ carries: the ticket-granting ticket, and
// an authenticator over the request's body.
func (c *Credential) tgsHeader(granting *Ticket, body messages.KDCReqBody) ([]byte, error) {
	b, err := body.Marshal()
	if err != nil {
		return nil, err
	}
	cipher, err := crypto.GetEtype(granting.Key.KeyType)
	if err != nil {
		return nil, err
	}
	sum, err := cipher.GetChecksumHash(granting.Key.KeyValue, b, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM)
	if err != nil {
		return nil, err
	}
	authenticator, err := granting.NewAuthenticator(c.now())
	if err != nil {
		return nil, err
	}
	authenticator.Cksum = types.Checksum{CksumType: cipher.GetHashID(), Checksum: sum}
	request, err := messages.NewAPReq(granting.Ticket, granting.Key, authenticator)
	if err != nil {
		return nil, err
	}
	return request.Marshal()
}
