package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxInFlight bounds the exchanges under way.
	maxInFlight = 16
	// exchangeTime bounds an exchange over all KDCs, and kdcTime each of them.
	exchangeTime = 5 * time.Second
	kdcTime      = 1500 * time.Millisecond
	// maxMessage bounds what a KDC may answer.
	maxMessage = 64 << 10
)

// HasKDC returns nil where Kerberos can be asked for: a realm and its KDCs are
// known, or there is a ccache, which may have all tickets already. That there is
// none is an error that wraps ErrNoKDC; that of a lookup leaves it open.
func (c *Credential) HasKDC(ctx context.Context) error {
	if len(c.secret.open().tickets) > 0 {
		return nil
	}
	if c.session != nil {
		_, err := c.domainController(ctx)
		return err
	}
	_, err := c.kdcs(ctx)
	return err
}

// kdcs returns the realm's KDCs, in the order to ask them. That there is none to
// ask, or none for this account, is a *KDCError that wraps ErrNoKDC.
func (c *Credential) kdcs(ctx context.Context) ([]string, error) {
	kdcs, err := c.servers(ctx)
	switch {
	case err != nil && ended(ctx) != nil:
		return nil, ended(ctx)
	case err != nil:
		return nil, &KDCError{Err: err, Text: fmt.Sprintf("The KDCs of realm %s could not be looked up.", sayName(c.account.realm))}
	case len(kdcs) == 0:
		return nil, c.unanswered(nil, "", nil)
	case !c.account.isASCII():
		return nil, &KDCError{Err: ErrNoKDC, Text: "Kerberos is used only for accounts whose names are ASCII."}
	}
	return kdcs, nil
}

// servers returns the realm's KDCs as name or address and port. Whether there are
// any is found out once; an error leaves that open.
func (c *Credential) servers(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	known := c.found
	c.mu.Unlock()
	if known != nil || c.account.realm == "" {
		return known, nil
	}
	found := []string{}
	if r := c.profile.find(c.account.realm); r != nil && len(r.kdcs) > 0 {
		found = r.kdcs
	} else if !c.profile.noDNS {
		var err error
		if found, err = c.lookupKDCs(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == nil {
		c.found = slices.Clone(found)
	}
	return c.found, nil
}

// lookupKDCs asks DNS for the realm's KDCs.
func (c *Credential) lookupKDCs(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	_, records, err := c.lookupSRV(ctx, "kerberos", "tcp", c.account.realm)
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		return []string{}, nil
	}
	found := []string{}
	for _, r := range records { // a name that is none of DNS comes as an error beside the others
		if host := strings.TrimSuffix(r.Target, "."); host != "" && len(found) < maxKDCs {
			found = append(found, net.JoinHostPort(host, strconv.Itoa(int(r.Port))))
		}
	}
	if len(found) == 0 && err != nil {
		return nil, err
	}
	return found, nil
}

// prefer puts a KDC that answered before the others.
func (c *Credential) prefer(kdc string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.found, kdc); i > 0 {
		c.found = slices.Concat([]string{kdc}, c.found[:i], c.found[i+1:])
	}
}

// exchange sends a message to the KDCs in turn until one answers, and returns the
// answer and the address of who gave it. Where none does that is a *KDCError, but
// where the caller left or the credential was stopped it is their error.
func (c *Credential) exchange(ctx context.Context, kdcs []string, message []byte) (answer []byte, from string, err error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, "", ctx.Err()
	case <-c.inForce.Done():
		return nil, "", ErrStopped
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	defer context.AfterFunc(c.inForce, cancel)()
	for i, kdc := range kdcs {
		answer, from, err = c.talk(ctx, kdc, i == len(kdcs)-1, message)
		if err == nil {
			c.prefer(kdc)
			return answer, from, nil
		}
		if ended(ctx) != nil {
			break
		}
	}
	switch {
	case c.inForce.Err() != nil:
		return nil, "", ErrStopped
	case ended(caller) != nil:
		return nil, "", ended(caller)
	}
	return nil, "", c.unanswered(kdcs, from, err)
}

// talk sends a message to one KDC. from is its address, as soon as it is known.
func (c *Credential) talk(ctx context.Context, kdc string, last bool, message []byte) (answer []byte, from string, err error) {
	if !last {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, kdcTime)
		defer cancel()
	}
	if ctx.Err() != nil {
		return nil, kdc, ctx.Err()
	}
	conn, err := c.dial(ctx, "tcp", kdc)
	if err != nil {
		return nil, kdc, err
	}
	defer conn.Close()
	from = conn.RemoteAddr().String()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	c.requests.Add(1)
	framed := binary.BigEndian.AppendUint32(nil, uint32(len(message))) //nolint:gosec // our own message, some kilobytes
	if _, err := conn.Write(append(framed, message...)); err != nil {
		return nil, from, err
	}
	var header [4]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return nil, from, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length == 0 || length > maxMessage {
		return nil, from, ErrGarbled
	}
	answer = make([]byte, length)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, from, err
	}
	return answer, from, nil
}

// ended is ctx.Err, also in the moment when a dial has seen its deadline pass and
// the context has not.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// unanswered is what is said where no KDC answers.
func (c *Credential) unanswered(kdcs []string, last string, err error) error {
	if c.account.realm == "" {
		return &KDCError{Err: ErrNoKDC, Text: fmt.Sprintf("The realm of %s is not known: name the user as NAME@REALM.", c.User())}
	}
	if len(kdcs) == 0 {
		return &KDCError{
			Err:  ErrNoKDC,
			Text: fmt.Sprintf("No KDC of realm %s is known: neither krb5.conf nor the DNS record _kerberos._tcp.%[1]s names one.", sayName(c.account.realm)),
		}
	}
	return &KDCError{
		KDC: last, Err: err,
		Text: fmt.Sprintf("No KDC of realm %s answered: %s.", sayName(c.account.realm), sayName(strings.Join(kdcs, ", "))),
	}
}
