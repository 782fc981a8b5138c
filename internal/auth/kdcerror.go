package auth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"
)

// What a KDCError without a code wraps, beside errors of the network.
var (
	ErrNoKDC      = errors.New("no KDC is known")
	ErrNoTicket   = errors.New("no ticket-granting ticket")
	ErrOtherRealm = errors.New("another realm")
	ErrGarbled    = errors.New("not an answer of Kerberos to what was asked")
)

// A KDCError is what a KDC answered instead of a ticket, or that none answered.
type KDCError struct {
	KDC  string // address and port; of the last that was asked where none answered
	Code int32  // RFC 4120 section 7.5.9; 0 when Err tells
	Text string // a sentence for the administrator
	// NTStatus is what Windows and Samba say more exactly inside the error, or 0.
	NTStatus uint32
	Err      error

	logon  bool // it came of the AS exchange
	unsure bool // the KDC was sent the proof of the secret, and did not say that it was right
}

func (e *KDCError) Error() string {
	text := strings.TrimSuffix(e.Text, ".")
	switch {
	case e.Code != 0 && e.NTStatus != 0:
		return fmt.Sprintf("%s (Kerberos error %d, status 0x%08X)", text, e.Code, e.NTStatus)
	case e.Code != 0:
		return fmt.Sprintf("%s (Kerberos error %d)", text, e.Code)
	case e.Err == nil || e.IsOwn():
		return text
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the error behind it, or nil.
func (e *KDCError) Unwrap() error { return e.Err }

// IsOwn reports whether no KDC was asked, or what answered was none: Err is one of
// this package's and not of the network.
func (e *KDCError) IsOwn() bool {
	return slices.ContainsFunc([]error{ErrNoKDC, ErrNoTicket, ErrOtherRealm, ErrGarbled}, func(own error) bool { return errors.Is(e.Err, own) })
}

// Stops reports whether the error is about the account, or a wrong proof of it may
// have been counted, so that the credential must not be used again.
func (e *KDCError) Stops() bool {
	if e.unsure {
		return true
	}
	switch e.Code {
	case errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, errorcode.KDC_ERR_CLIENT_REVOKED,
		errorcode.KDC_ERR_KEY_EXPIRED, errorcode.KDC_ERR_PREAUTH_FAILED:
		return true
	case errorcode.KDC_ERR_POLICY: // of a ticket it is that host's
		return e.logon
	}
	return false
}

// IsLockedOut reports whether the account is locked out.
func (e *KDCError) IsLockedOut() bool { return e.NTStatus == statusLockedOut }

// What Windows says of an account inside a KDC's error, [MS-ERREF] section 2.3.1.
const (
	statusBadHours      = 0xC000006F
	statusBadPlace      = 0xC0000070
	statusPasswordAged  = 0xC0000071
	statusDisabled      = 0xC0000072
	statusExpired       = 0xC0000193
	statusMustChange    = 0xC0000224
	statusLockedOut     = 0xC0000234
	statusWrongPassword = 0xC000006A
)

// refusal makes an error of a KDC's error message. service is empty in the AS
// exchange. What stops the credential has stopped it when refusal returns.
func (c *Credential) refusal(kdc, service string, m *messages.KRBError) *KDCError {
	e := &KDCError{KDC: kdc, Code: m.ErrorCode, NTStatus: ntStatus(m.EData), logon: service == ""}
	e.Text = cmp.Or(sayStatus(e.NTStatus), c.sayCode(e.Code, service, m), sayOther(e.Code))
	if e.Stops() {
		c.Stop(e.Error())
	}
	return e
}

// sayStatus is the sentence for an account's status, or "".
func sayStatus(status uint32) string {
	switch status {
	case statusLockedOut:
		return "The account is locked out, after too many wrong passwords from somewhere."
	case statusDisabled:
		return "The account is disabled."
	case statusExpired:
		return "The account has expired."
	case statusBadHours:
		return "The account may not log on at this hour."
	case statusBadPlace:
		return "The account may not log on from this machine."
	case statusPasswordAged:
		return "The account's password has expired."
	case statusMustChange:
		return "The account's password must be changed before it can be used."
	case statusWrongPassword:
		return "The password is wrong, or the keytab is older than the password."
	}
	return ""
}

// sayCode is the sentence for a code that an administrator may meet, or "".
func (c *Credential) sayCode(code int32, service string, m *messages.KRBError) string {
	realm := sayName(c.account.realm)
	switch code {
	case errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN:
		return fmt.Sprintf("Realm %s has no account of this name.", realm)
	case errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN:
		return fmt.Sprintf("Realm %s knows no service %s: is this the host's name in the directory?", realm, sayName(cmp.Or(service, "krbtgt")))
	case errorcode.KDC_ERR_POLICY:
		if service == "" {
			return "A policy of the directory forbids the account to log on here."
		}
		return "A policy of the directory forbids the account this host."
	case errorcode.KDC_ERR_ETYPE_NOSUPP:
		return "The directory has no key of a kind that can be used: AES, or RC4 where there is no AES."
	case errorcode.KDC_ERR_CLIENT_REVOKED:
		return "The account is disabled, locked out or expired, or may not log on at this hour."
	case errorcode.KDC_ERR_KEY_EXPIRED:
		return "The account's password has expired, or must be changed before it can be used."
	case errorcode.KDC_ERR_PREAUTH_FAILED:
		return "The password is wrong, or the keytab is older than the password."
	case errorcode.KDC_ERR_PREAUTH_REQUIRED:
		return "The KDC takes no proof that this password or keytab can give: does it want a smart card, or a key of another kind?"
	case errorcode.KDC_ERR_SVC_UNAVAILABLE:
		return "The KDC cannot serve at the moment."
	case errorcode.KRB_AP_ERR_TKT_EXPIRED:
		return "The ticket-granting ticket has expired."
	case errorcode.KRB_AP_ERR_SKEW:
		return saySkew(c.now().Sub(m.STime))
	case errorcode.KRB_AP_ERR_MODIFIED:
		return "The KDC could not decrypt what was sent: is the ticket of another realm or KDC, or has the KDC's key changed?"
	case errorcode.KRB_ERR_GENERIC:
		return "The KDC failed, without telling why."
	case errorcode.KDC_ERR_WRONG_REALM:
		return fmt.Sprintf("The KDC says that the account is of another realm, %s; that is not followed.", sayName(cmp.Or(m.CRealm, m.Realm)))
	}
	return ""
}

func sayOther(code int32) string {
	name := errorcode.Lookup(code)
	if strings.Contains(name, "KDC_") || strings.Contains(name, "KRB_") {
		_, name, _ = strings.Cut(name, ") ")
		name, _, _ = strings.Cut(name, " ")
		return fmt.Sprintf("The KDC refused with code %d (%s).", code, name)
	}
	return fmt.Sprintf("The KDC refused with code %d.", code)
}

// saySkew tells how far this machine's clock is ahead of the KDC's.
func saySkew(ahead time.Duration) string {
	ahead = ahead.Round(time.Second)
	if ahead < 0 {
		return fmt.Sprintf("This machine's clock is %s behind the KDC's; Kerberos allows 5 minutes.", -ahead)
	}
	return fmt.Sprintf("This machine's clock is %s ahead of the KDC's; Kerberos allows 5 minutes.", ahead)
}

// undeciphered is what a reply is that the secret does not open, where the KDC
// wanted no proof of it: then the secret is wrong, though no KDC counted that.
func (c *Credential) undeciphered(kdc string) *KDCError {
	e := &KDCError{
		KDC: kdc, Code: errorcode.KDC_ERR_PREAUTH_FAILED, logon: true,
		Text: "The password is wrong, or the keytab is older than the password.",
	}
	c.Stop(e.Error())
	return e
}

// heed stops the credential for what a KDC made of the proof of the secret. Only of
// clocks that differ it speaks after it found the proof right.
func (c *Credential) heed(said *KDCError) {
	if said.Stops() || said.Code == errorcode.KRB_AP_ERR_SKEW {
		return
	}
	said.unsure = true
	said.Text += " It was sent the proof of the secret, and may have counted it as a wrong one: it is not sent again."
	c.Stop(said.Error())
}

// garbled is what is said of an answer that is none.
func garbled(kdc string) *KDCError {
	return &KDCError{KDC: kdc, Text: "The KDC's answer is not Kerberos, or not to what was asked.", Err: ErrGarbled}
}

// otherRealm is what is said where a host is of another realm.
func (c *Credential) otherRealm(kdc, service, realm string) *KDCError {
	return &KDCError{
		KDC: kdc, Err: ErrOtherRealm,
		Text: fmt.Sprintf("%s is of another realm, %s; only the hosts of the account's own realm are asked by Kerberos.", sayName(service), sayName(realm)),
	}
}

// sayName is a name that another has chosen, fit for a sentence.
func sayName(name string) string {
	const most = 200
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	return name[:min(len(name), most)]
}
