package exporter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

// An Allow is the addresses and names that /probe may ask.
type Allow struct {
	prefixes []netip.Prefix
	suffixes []string // as of Target.Key, each with its first dot
}

// ParseAllow reads CIDRs, addresses and DNS suffixes. A suffix begins with a
// dot, and covers the names below it but not the domain's own.
func ParseAllow(entries ...string) (*Allow, error) {
	a := &Allow{}
	for _, e := range entries {
		if err := a.add(e); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *Allow) add(entry string) error {
	if strings.HasPrefix(entry, ".") {
		host, err := targets.ParseHost("x" + entry)
		if err != nil || host.Key() == "x" {
			return fmt.Errorf("%+q is not a DNS suffix such as .corp.example", entry)
		}
		a.suffixes = append(a.suffixes, strings.TrimPrefix(host.Key(), "x"))
		return nil
	}
	p, err := netip.ParsePrefix(entry)
	if single, errSingle := netip.ParseAddr(entry); errSingle == nil && single.Zone() == "" {
		p, err = netip.PrefixFrom(single, single.BitLen()), nil
	}
	if err == nil && p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return fmt.Errorf("%+q mixes IPv4 and IPv6: give the one as 10.0.0.0/8, the other as 2001:db8::/32", entry)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if err != nil {
		return fmt.Errorf("%+q is neither a CIDR such as 10.0.0.0/8 nor a DNS suffix such as .corp.example, which begins with a dot", entry)
	}
	a.prefixes = append(a.prefixes, p.Masked())
	return nil
}

// covers reports whether a CIDR covers an address, whose zone none does.
func (a *Allow) covers(addr netip.Addr) bool {
	return slices.ContainsFunc(a.prefixes, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// coversName reports whether a suffix covers a name.
func (a *Allow) coversName(t probe.Target) bool {
	return slices.ContainsFunc(a.suffixes, func(s string) bool {
		return len(t.Key()) > len(s) && strings.HasSuffix(t.Key(), s)
	})
}

// special reports addresses to which no name may lead by itself: they are this
// machine, or services of the link such as a cloud's metadata.
func special(a netip.Addr, own []netip.Addr) bool {
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || slices.Contains(own, a)
}

// A permit is the leave to probe one target, and says which of its addresses
// may be dialled.
type permit struct {
	target   probe.Target
	excluded func(netip.Addr) bool // must not be dialled
	// resolved is set when nothing covers the name itself: it must lead to an
	// address that a CIDR covers.
	resolved bool
}

// A refusal says in a sentence why a target is not probed, and how to allow it.
type refusal string

func (r refusal) Error() string { return string(r) }

// permit decides whether a caller may have a host probed. own returns this
// machine's addresses.
func (g *generation) permit(name string, own func() ([]netip.Addr, error)) (permit, error) {
	t, err := targets.ParseHost(name)
	if err != nil {
		return permit{}, fmt.Errorf("target: %w", err)
	}
	a, literal := t.Addr()
	if a.Zone() != "" {
		return permit{}, refusal(fmt.Sprintf("%+.253q has a zone, which means something on one machine only: no request may name one.", name))
	}
	owner, swept := g.find(name)
	if swept {
		t = owner.target
	}
	allow := g.settings.Allow
	switch {
	case allow == nil && !swept:
		return permit{}, refusal(fmt.Sprintf("%+.253q is not one of the swept targets, and only those are probed: to allow it, name it among the TARGETs of gpreach serve, or in allow of its configuration.", name))
	case allow == nil:
		return permit{target: t, excluded: g.settings.Sweeps[owner.sweep].Targets.Excluded}, nil
	case !literal && len(allow.prefixes) == 0 && !allow.coversName(t), literal && !allow.covers(a):
		return permit{}, refusal(fmt.Sprintf("%+.253q is not covered by allow: to allow it, add a CIDR of its address or a DNS suffix of its name there.", name))
	case !swept && g.excludes(t):
		return permit{}, refusal(fmt.Sprintf("%+.253q is excluded: to allow it, change exclude of the sweep that says so.", name))
	}
	named := !literal && allow.coversName(t)
	mine, err := own()
	if named && err != nil {
		return permit{}, refusal(fmt.Sprintf("%+.253q is not probed, as this machine's own addresses cannot be told from others: %v.", name, err))
	}
	return permit{target: t, resolved: !named && !literal, excluded: func(a netip.Addr) bool {
		return g.shuns(owner, swept, a) || !allow.covers(a) && (!named || special(a, mine))
	}}, nil
}

// excludes reports whether some sweep excludes a target that none asks.
func (g *generation) excludes(t probe.Target) bool {
	return slices.ContainsFunc(g.settings.Sweeps, func(s Sweep) bool { return s.Targets.Excludes(t) })
}

// shuns reports whether an address must not be dialled because of a sweep's
// exclude: that of the sweep which asks the target, else any.
func (g *generation) shuns(owner ownership, swept bool, a netip.Addr) bool {
	if swept {
		return g.settings.Sweeps[owner.sweep].Targets.Excluded(a)
	}
	return slices.ContainsFunc(g.settings.Sweeps, func(s Sweep) bool { return s.Targets.Excluded(a) })
}
