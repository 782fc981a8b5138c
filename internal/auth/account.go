package auth

import (
	"errors"
	"os"
	"strings"

	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxName bounds the name of an account, of a realm and of a service.
const maxName = 300

var errUser = errors.New(`want a user as NAME@REALM or DOMAIN\name`)

// An account is the name of a credential.
type account struct {
	given  string // as the user wrote it
	name   string
	domain string // of DOMAIN\name
	realm  string // of Kerberos, in upper case; empty where it is not known
}

// principal is the account's name in a Kerberos message.
func (a account) principal() types.PrincipalName {
	return types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, a.name)
}

// isASCII reports whether the account's name can stand in a Kerberos message:
// gokrb5 encodes no other names.
func (a account) isASCII() bool {
	return !strings.ContainsFunc(a.name+a.realm, func(r rune) bool { return r > '~' })
}

// parseAccount reads NAME@REALM or DOMAIN\name.
func parseAccount(user string, p profile) (account, error) {
	if len(user) > maxName || strings.ContainsFunc(user, isControl) {
		return account{}, errUser
	}
	if domain, name, ok := strings.Cut(user, `\`); ok {
		if domain == "" || name == "" || strings.ContainsAny(name, `\@`) {
			return account{}, errUser
		}
		return account{given: user, name: name, domain: domain, realm: p.realmOfDomain(domain, os.Getenv("USERDNSDOMAIN"))}, nil
	}
	at := strings.LastIndexByte(user, '@')
	if at < 1 || at == len(user)-1 {
		return account{}, errUser
	}
	return account{given: user, name: user[:at], realm: strings.ToUpper(user[at+1:])}, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
