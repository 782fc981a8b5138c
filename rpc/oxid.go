package rpc

import (
	"slices"
	"unicode/utf16"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	opServerAlive2 = 5
	maxBindings    = 8 << 10 // 16-bit words of a string array: some two hundred addresses
	maxAddresses   = 16      // that are kept of them, and as many security providers
	maxAddress     = 256     // characters of one that are kept; a DNS name has 253
)

// Alive is the answer to ServerAlive2, [MS-DCOM] section 3.1.2.5.1.6.
type Alive struct {
	Major, Minor uint16 // COMVERSION
	// Addresses are the network addresses that the host believes are its own,
	// [MS-DCOM] section 2.2.19.3: evidence, never dialled.
	Addresses []string
	// Security are the security providers it offers, [MS-RPCE] section 2.2.1.1.7.
	Security []uint16
}

// ServerAlive2 asks IObjectExporter, which must be bound, whether DCOM is
// alive. The reply holds no ports.
func (c *Conn) ServerAlive2() (*Alive, error) {
	out, err := c.call(opServerAlive2, nil)
	if err != nil {
		return nil, err
	}
	return parseServerAlive2(out)
}

// parseServerAlive2 reads COMVERSION, a pointer to a DUALSTRINGARRAY, a
// reserved word and an error_status_t.
func parseServerAlive2(in stub) (*Alive, error) {
	r := wire.NewReader(in.data, in.order)
	a := &Alive{Major: r.Uint16(), Minor: r.Uint16()}
	if referent := r.Uint32(); referent != 0 {
		parseDualStringArray(r, a)
		r.Align(4)
	}
	r.Uint32() // reserved
	status := r.Uint32()
	switch {
	case r.Err() != nil:
		return nil, r.Err()
	case status != 0:
		return nil, &Status{"ServerAlive2", status}
	}
	return a, nil
}

// parseDualStringArray reads string bindings up to wSecurityOffset and security
// bindings from there, each list ended by a zero, [MS-DCOM] section 2.2.19.1.
func parseDualStringArray(r *wire.Reader, a *Alive) {
	conformance := int(r.Uint32())
	entries, security := int(r.Uint16()), int(r.Uint16())
	if conformance != entries || entries > maxBindings || security > entries || 2*entries > r.Len() {
		r.Fail("string array of %d entries in %d, security at %d", entries, conformance, security)
		return
	}
	words := make([]uint16, entries)
	for i := range words {
		words[i] = r.Uint16()
	}
	var ok bool
	if a.Addresses, ok = stringBindings(words[:security]); !ok {
		r.Fail("string bindings without an end")
	}
	if a.Security, ok = securityBindings(words[security:]); !ok {
		r.Fail("security bindings without an end")
	}
}

// stringBindings reads wTowerId and aNetworkAddr until a zero wTowerId.
func stringBindings(words []uint16) (addresses []string, ok bool) {
	for {
		tower, rest, ok := next(words)
		if !ok || tower == 0 {
			return addresses, ok
		}
		var address []uint16
		if address, words, ok = text(rest); !ok {
			return nil, false
		}
		if len(addresses) < maxAddresses {
			addresses = append(addresses, string(utf16.Decode(address[:min(len(address), maxAddress)])))
		}
	}
}

// securityBindings reads wAuthnSvc, wAuthzSvc and aPrincName until a zero
// wAuthnSvc.
func securityBindings(words []uint16) (services []uint16, ok bool) {
	for {
		service, rest, ok := next(words)
		if !ok || service == 0 {
			return services, ok
		}
		if _, rest, ok = next(rest); ok {
			_, words, ok = text(rest)
		}
		if !ok {
			return nil, false
		}
		if len(services) < maxAddresses {
			services = append(services, service)
		}
	}
}

func next(words []uint16) (word uint16, rest []uint16, ok bool) {
	if len(words) == 0 {
		return 0, nil, false
	}
	return words[0], words[1:], true
}

// text takes a string up to its terminating zero.
func text(words []uint16) (s, rest []uint16, ok bool) {
	i := slices.Index(words, 0)
	if i < 0 {
		return nil, nil, false
	}
	return words[:i], words[i+1:], true
}
