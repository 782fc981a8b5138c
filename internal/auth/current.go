package auth

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gpreach/gpreach/internal/sspi"
)

// readCurrentUser reads the credential that whoever runs the program has already: on
// Windows the logon session, elsewhere the default ccache.
func readCurrentUser(p profile) (*Credential, error) {
	if windows := sspi.System(); windows != nil {
		return ReadSession(windows)
	}
	file, whence := os.Getenv("KRB5CCNAME"), "KRB5CCNAME"
	if file == "" {
		file, whence = cmp.Or(p.defaultCCache, "FILE:/tmp/krb5cc_%{uid}"), "the default place"
	}
	c, err := readCCache(Source{CCache: expand(file)}, p)
	if err != nil {
		return nil, fmt.Errorf("the current user's tickets (%s): %w; kinit makes one, with KRB5CCNAME=FILE:PATH", whence, err)
	}
	return c, nil
}

// expand fills in what default_ccache_name of krb5.conf leaves open, and that alone.
func expand(file string) string {
	return strings.NewReplacer("%{uid}", strconv.Itoa(os.Getuid()), "%{euid}", strconv.Itoa(os.Geteuid())).Replace(file)
}

// ReadSession returns the credential of the logon session that Windows holds. There is
// no secret in it: its tokens come from Windows, by Context.
func ReadSession(windows *sspi.Calls) (*Credential, error) {
	user, err := windows.User()
	if err != nil {
		return nil, fmt.Errorf("whose logon session this is cannot be told: %w", err)
	}
	if user == "" || len(user) > maxName || strings.ContainsFunc(user, isControl) {
		return nil, errors.New("whose logon session this is cannot be told")
	}
	domain, name, ok := strings.Cut(user, `\`)
	if !ok {
		domain, name = "", user
	}
	c := newCredential(account{given: user, name: name, domain: domain}, newSecret(user, material{}), profile{})
	c.session = &session{calls: windows, refused: make(map[string]error)}
	return c, nil
}

// OfSession reports whether Windows holds what proves the account, so that Context is
// asked for and not Ticket.
func (c *Credential) OfSession() bool { return c.session != nil }

// HasNTLM reports whether there is what NTLM needs: a password, or Windows' session.
func (c *Credential) HasNTLM() bool { return c.HasPassword() || c.OfSession() }
