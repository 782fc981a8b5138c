package targets

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gpreach/gpreach/probe"
)

// ParseHost reads the name or the address of one host, and nothing else that a
// TARGET may be.
func ParseHost(text string) (probe.Target, error) {
	e, err := parseExpression(text)
	switch {
	case err != nil:
		if _, ok := errors.AsType[*portError](err); ok { // no flags where this is asked
			err = fmt.Errorf("%q has a port: give the host alone", text)
		}
		return probe.Target{}, err
	case e.name != "":
		return probe.Target{Name: e.name, Source: probe.FromArgument}, nil
	case e.covers.lo != e.covers.hi:
		return probe.Target{}, fmt.Errorf("%q is a range, not one host", text)
	case !isHost(e.covers.lo):
		return probe.Target{}, fmt.Errorf("%q is not the address of one host: give a unicast address", text)
	}
	return probe.Target{Name: e.covers.lo.String(), Source: probe.FromArgument}, nil
}

// literal reads an address; one of IPv6 may stand in brackets.
func literal(text string) (netip.Addr, bool) {
	inner, bracketed := strings.CutPrefix(text, "[")
	if bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
		if !bracketed || !strings.Contains(inner, ":") {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(inner)
	return a, err == nil
}

func parseAddress(text string, a netip.Addr) (expression, error) {
	if a.Zone() == "" {
		s := span{lo: a.Unmap(), hi: a.Unmap()}
		return expression{covers: s, hosts: s}, nil
	}
	if a.Is4In6() || !a.IsLinkLocalUnicast() {
		return expression{}, fmt.Errorf("%q has a zone, which only a link-local address (fe80::/10) has", text)
	}
	outside := func(r rune) bool { return !isNameRune(r) && r != '.' }
	if strings.ContainsFunc(a.Zone(), outside) {
		return expression{}, fmt.Errorf("%q: a zone is the name of an interface, of letters, digits, '.', '_' and '-'", text)
	}
	return expression{name: a.String()}, nil
}

// checkName returns what is wrong with the name of a host.
func checkName(name string) error {
	bare := strings.TrimSuffix(name, ".")
	if len(bare) > 253 {
		return fmt.Errorf("%q is not a host name: it is longer than 253 bytes", name)
	}
	var last string
	for label := range strings.SplitSeq(bare, ".") {
		switch {
		case label == "":
			return fmt.Errorf("%q is not a host name: a part of it is empty", name)
		case len(label) > 63:
			return fmt.Errorf("%q is not a host name: %q is longer than 63 bytes", name, label)
		case strings.ContainsFunc(label, func(r rune) bool { return !isNameRune(r) }):
			hint := ""
			if strings.Contains(name, ",") {
				hint = "; targets stand apart by spaces, or one a line in a file"
			}
			return fmt.Errorf("%q is neither an address nor a host name, which has letters a-z, digits, '-' and '_' alone%s", name, hint)
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Errorf("%q is not a host name: a hyphen stands at an end of %q", name, label)
		}
		last = label
	}
	if isNumber(last) {
		return fmt.Errorf("%q ends in a number as an address does, but is not an address", name)
	}
	return nil
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

// isHost reports whether an address can be that of one host.
func isHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// hasPort reports whether a text that is no address ends in a port.
func hasPort(text string) bool {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || !isNumber(text[i+1:]) {
		return false
	}
	host := text[:i]
	return !strings.Contains(host, ":") || host[0] == '[' && strings.HasSuffix(host, "]")
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}
