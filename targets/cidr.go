package targets

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
)

// nobody owns what is excluded; it comes before every entry.
const nobody = -1

// A span is the addresses from lo to hi, which are of one family, unmapped and
// without a zone.
type span struct {
	lo, hi netip.Addr
	owner  int // index of List.entries, or nobody
	first  int // Target.Index of lo
}

// size counts the addresses; more than maxRanged count as maxRanged+1.
func (s span) size() int {
	lo, hi := s.lo.As16(), s.hi.As16()
	low, borrow := bits.Sub64(binary.BigEndian.Uint64(hi[8:]), binary.BigEndian.Uint64(lo[8:]), 0)
	high, _ := bits.Sub64(binary.BigEndian.Uint64(hi[:8]), binary.BigEndian.Uint64(lo[:8]), borrow)
	if high > 0 || low >= maxRanged {
		return maxRanged + 1
	}
	return int(low) + 1
}

// all yields the addresses from lo to hi; none if s is the zero span.
func (s span) all() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := s.lo; a.IsValid() && a.Compare(s.hi) <= 0; a = a.Next() {
			if !yield(a) {
				return
			}
		}
	}
}

// find returns the span that holds an address, of spans as partition returns
// them.
func find(spans []span, a netip.Addr) (span, bool) {
	i, ok := slices.BinarySearchFunc(spans, a, func(s span, a netip.Addr) int {
		switch {
		case s.hi.Less(a):
			return -1
		case a.Less(s.lo):
			return 1
		}
		return 0
	})
	if !ok {
		return span{}, false
	}
	return spans[i], true
}

// partition gives every address to the lowest owner that claims it. The spans
// that it returns do not overlap and ascend. It reorders claims.
func partition(claims []span) []span {
	slices.SortFunc(claims, func(a, b span) int { return a.lo.Compare(b.lo) })
	var parts []span
	var open byOwner // the claims on the address at, and some that ended before it
	var at netip.Addr
	for len(open) > 0 || len(claims) > 0 {
		if len(open) == 0 {
			at = claims[0].lo
		}
		for len(claims) > 0 && claims[0].lo == at {
			heap.Push(&open, claims[0])
			claims = claims[1:]
		}
		first := open[0]
		if first.hi.Less(at) {
			heap.Pop(&open)
			continue
		}
		part := span{lo: at, hi: first.hi, owner: first.owner}
		if len(claims) > 0 && claims[0].lo.Compare(part.hi) <= 0 {
			part.hi = claims[0].lo.Prev()
		}
		parts = join(parts, part)
		at = part.hi.Next()
		if !at.IsValid() {
			open = nil // the last address of a family ends every claim
		}
	}
	return parts
}

// join appends a part, to the last one if it goes on there.
func join(parts []span, part span) []span {
	if n := len(parts); n > 0 && parts[n-1].owner == part.owner && parts[n-1].hi.Next() == part.lo {
		parts[n-1].hi = part.hi
		return parts
	}
	return append(parts, part)
}

// byOwner is a heap of spans, the lowest owner on top.
type byOwner []span

func (h byOwner) Len() int           { return len(h) }
func (h byOwner) Less(i, j int) bool { return cmp.Less(h[i].owner, h[j].owner) }
func (h byOwner) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byOwner) Push(s any)        { *h = append(*h, s.(span)) }

func (h *byOwner) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// parseCIDR reads an address with a prefix length, such as 10.0.0.0/24.
func parseCIDR(text string) (expression, error) {
	prefix, err := netip.ParsePrefix(text)
	mapped := err == nil && prefix.Addr().Is4In6()
	if err != nil || mapped && prefix.Bits() < 96 {
		return expression{}, fmt.Errorf("%q is not a CIDR such as 10.0.0.0/24 or 2001:db8::/120", text)
	}
	if mapped {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	prefix = prefix.Masked()
	all := span{lo: prefix.Addr(), hi: lastOf(prefix)}
	hosts := all
	if all.lo.Is4() && prefix.Bits() <= 30 {
		hosts = span{lo: all.lo.Next(), hi: all.hi.Prev()}
	}
	return expression{covers: all, hosts: hosts}, nil
}

// lastOf returns the last address of a masked prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// isRange reports whether a text with a hyphen is meant as a range, not as a
// name: it begins with an address, or looks like one (10.0.0.300-310).
func isRange(text string) bool {
	from, _, ok := strings.Cut(text, "-")
	_, err := netip.ParseAddr(from)
	numeric := strings.Contains(from, ".") && strings.Trim(text, "0123456789.-") == ""
	return ok && (err == nil || numeric)
}

// parseRange reads two addresses with a hyphen between them; of the second one
// the last number is enough in IPv4.
func parseRange(text string) (expression, error) {
	from, to, _ := strings.Cut(text, "-")
	if isNumber(to) {
		to = from[:strings.LastIndexByte(from, '.')+1] + to
	}
	lo, err := netip.ParseAddr(from)
	hi, err2 := netip.ParseAddr(to)
	s := span{lo: lo.Unmap(), hi: hi.Unmap()}
	switch {
	case err != nil || err2 != nil || s.lo.BitLen() != s.hi.BitLen():
		return expression{}, fmt.Errorf("%q is not a range such as 10.0.0.1-50, 10.0.0.1-10.0.0.50 or 2001:db8::1-2001:db8::50", text)
	case strings.Contains(text, "%"):
		return expression{}, fmt.Errorf("%q has a zone, which a range cannot have", text)
	case s.hi.Less(s.lo):
		return expression{}, fmt.Errorf("%q is a range that ends before it begins", text)
	}
	return expression{covers: s, hosts: s}, nil
}
