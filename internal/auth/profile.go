package auth

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const (
	maxProfile = 1 << 20
	maxKDCs    = 8
)

// A profile is what krb5.conf says of what matters here. It is read by ourselves:
// gokrb5's reader cannot tell whether dns_lookup_kdc is there, and refuses files
// for lines that are none of our business.
type profile struct {
	defaultRealm  string
	defaultCCache string // default_ccache_name
	noDNS         bool   // dns_lookup_kdc is off
	realms        []realm
	domains       map[string]string // of domain_realm, in lower case
}

type realm struct {
	name string
	kdcs []string // address or name, and port
}

// readProfile reads the files that the environment names, or the usual one. A file
// that is not there says nothing.
func readProfile() (profile, error) {
	files := filepath.SplitList(os.Getenv("KRB5_CONFIG"))
	if len(files) == 0 {
		files = []string{usualProfile()}
	}
	p := profile{domains: make(map[string]string)}
	for _, file := range files {
		f, err := os.Open(file) //nolint:gosec // G304: it is the user who names the file
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return profile{}, err
		}
		err = p.read(io.LimitReader(f, maxProfile))
		f.Close()
		if err != nil {
			return profile{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	return p, nil
}

func usualProfile() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("PROGRAMDATA"), "MIT", "Kerberos5", "krb5.ini")
	}
	return "/etc/krb5.conf"
}

// read adds what a file says. What was said before stands.
func (p *profile) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	var section, name string
	var kdcs []string
	dns, depth := "", 0
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section, depth = strings.Trim(line, "[]* \t"), 0
			continue
		}
		key, value, isPair := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case line[0] == '}':
			if depth--; depth == 0 && section == "realms" {
				p.addRealm(name, kdcs)
			}
		case isPair && strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}"):
		case isPair && strings.HasPrefix(value, "{"):
			if depth++; depth == 1 {
				name, kdcs = key, nil
			}
		case !isPair:
		case section == "realms" && depth == 1 && key == "kdc":
			if kdc := kdcAddress(plain(value)); kdc != "" {
				kdcs = append(kdcs, kdc)
			}
		case section == "libdefaults" && depth == 0 && key == "default_realm":
			p.defaultRealm = cmp.Or(p.defaultRealm, plain(value))
		case section == "libdefaults" && depth == 0 && key == "default_ccache_name":
			p.defaultCCache = cmp.Or(p.defaultCCache, plain(value))
		case section == "libdefaults" && depth == 0 && key == "dns_lookup_kdc":
			dns = cmp.Or(dns, strings.ToLower(plain(value)))
		case section == "domain_realm" && depth == 0:
			if domain := strings.ToLower(key); p.domains[domain] == "" {
				p.domains[domain] = plain(value)
			}
		}
	}
	if slices.Contains([]string{"false", "no", "n", "off", "0", "f", "nil"}, dns) {
		p.noDNS = true
	}
	return lines.Err()
}

// plain is a value without quotes, comment and the mark of a final one.
func plain(value string) string {
	if i := strings.IndexAny(value, "#;"); i >= 0 {
		value = value[:i]
	}
	return strings.Trim(value, "\"* \t")
}

func (p *profile) addRealm(name string, kdcs []string) {
	if p.find(name) == nil {
		p.realms = append(p.realms, realm{name: name, kdcs: kdcs[:min(len(kdcs), maxKDCs)]})
	}
}

// find returns what the file says of a realm, or nil.
func (p *profile) find(name string) *realm {
	i := slices.IndexFunc(p.realms, func(r realm) bool { return strings.EqualFold(r.name, name) })
	if i < 0 {
		return nil
	}
	return &p.realms[i]
}

// kdcAddress is the name and port of a kdc's line, or "" where it is not reached by plain TCP.
func kdcAddress(value string) string {
	value = strings.TrimPrefix(value, "tcp/")
	if value == "" || strings.ContainsAny(value, "/ \t") {
		return ""
	}
	return withPort(value)
}

// withPort adds Kerberos's port to a name or address without one.
func withPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > 0 && (strings.Count(host, ":") == 1 || host[i-1] == ']') {
		if _, err := strconv.ParseUint(host[i+1:], 10, 16); err == nil {
			return host
		}
		return ""
	}
	if strings.HasPrefix(host, ":") && strings.Count(host, ":") == 1 {
		return ""
	}
	if strings.Contains(host, ":") && host[0] != '[' {
		host = "[" + host + "]"
	}
	return host + ":88"
}

// realmOfDomain is the realm of a DOMAIN\name: dotted names are realms already;
// else a realm that begins so, of the file or of this machine's user.
func (p *profile) realmOfDomain(domain, userDomain string) string {
	if strings.Contains(domain, ".") {
		return strings.ToUpper(domain)
	}
	candidates := []string{p.defaultRealm}
	for _, r := range p.realms {
		candidates = append(candidates, r.name)
	}
	for _, c := range append(candidates, userDomain) {
		if first, _, _ := strings.Cut(c, "."); strings.EqualFold(first, domain) {
			return strings.ToUpper(c)
		}
	}
	return ""
}

// realmOfHost is the realm that the file gives to a host, or "".
func (p *profile) realmOfHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for name := host; name != ""; {
		for _, entry := range []string{name, "." + name} {
			if r := p.domains[entry]; r != "" && (entry != "."+host) {
				return r
			}
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return ""
}
