package auth

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gpreach/gpreach/internal/sspi"
)

// readDefaultCCache reads the tickets that whoever runs the program has already, where
// that is not Windows.
func readDefaultCCache(p profile) (*Credential, error) {
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
// no secret in it: its tokens come from Windows, by Context. Where Credential Manager
// holds others for hosts, Windows would log on by these there, whoever was verified, so
// then there is none.
func ReadSession(windows *sspi.Calls) (*Credential, error) {
	user, err := windows.User()
	if err != nil {
		return nil, fmt.Errorf("whose logon session this is cannot be told: %w", err)
	}
	if user == "" || len(user) > maxName || strings.ContainsFunc(user, isControl) {
		return nil, errors.New("whose logon session this is cannot be told")
	}
	targets, err := windows.Saved()
	if err != nil {
		return nil, fmt.Errorf("whether Credential Manager holds other credentials cannot be told: %w", err)
	}
	targets = slices.DeleteFunc(targets, isForOthers)
	if len(targets) > 0 {
		return nil, fmt.Errorf("other credentials are saved in Credential Manager, which Windows would use instead of the logon session: for %s; remove them (cmdkey /delete:NAME), or use --user", sayTargets(targets))
	}
	domain, name, ok := strings.Cut(user, `\`)
	if !ok {
		domain, name = "", user
	}
	c := newCredential(account{given: user, name: name, domain: domain}, newSecret(user, material{}), profile{})
	c.session = c.newSession(windows)
	return c, nil
}

// isForOthers reports whether a saved credential is for remote desktops, runas or
// scheduled tasks alone.
func isForOthers(target string) bool {
	name := strings.ToUpper(bare(target))
	return slices.ContainsFunc([]string{"TERMSRV/", "DOMAIN:INTERACTIVE=", "DOMAIN:BATCH="}, func(of string) bool { return strings.HasPrefix(name, of) })
}

// bare returns a target as it was saved: Windows puts before it what kind of one it is.
func bare(target string) string {
	const ofHosts = "Domain:target="
	if len(target) >= len(ofHosts) && strings.EqualFold(target[:len(ofHosts)], ofHosts) {
		return target[len(ofHosts):]
	}
	return target
}

// sayTargets names the first of the targets.
func sayTargets(targets []string) string {
	const most = 3
	var said []string
	for _, target := range targets[:min(len(targets), most)] {
		said = append(said, sayName(bare(target)))
	}
	if more := len(targets) - most; more > 0 {
		said = append(said, fmt.Sprintf("%d more", more))
	}
	return strings.Join(said, ", ")
}

// OfSession reports whether Windows holds what proves the account, so that Context is
// asked for and not Ticket.
func (c *Credential) OfSession() bool { return c.session != nil }

// HasNTLM reports whether there is what NTLM needs: a password, or Windows' session.
func (c *Credential) HasNTLM() bool { return c.HasPassword() || c.OfSession() }
