package winhost

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// A Crowd is a fleet of any size: the demo's situations first, then hosts that
// are mostly well and that may change while they are asked.
type Crowd struct {
	Network    *Network
	Situations []Situation
	now        []int // the arrangement that each is in
}

// firstCrowd is the address of a crowd's first host, 10.78.0.1.
const firstCrowd = 10<<24 | 78<<16 | 1

// NewCrowd returns a crowd of n hosts, and never fewer than the situations. Its
// network remembers nothing of what was sent.
func NewCrowd(n int) *Crowd {
	c := &Crowd{Network: NewNetwork()}
	c.Network.forgetful = true
	for i := range max(n, len(arrangements)) {
		name, arranged := fmt.Sprintf("ws-%05d", i), 0
		switch {
		case i < len(arrangements):
			name, arranged = arrangements[i].label, i
		case i%8 == 0:
			arranged = i / 8 % len(arrangements)
		}
		c.Situations = append(c.Situations, Situation{Host: name + fleetDomain})
		c.now = append(c.now, arranged)
		c.arrange(i, arranged)
		if i < len(arrangements) && arrangements[i].listed {
			c.Situations[i].DNSHostName = name + fleetDomain
		}
	}
	return c
}

// Change puts one host into another situation, chosen by random, and returns its
// name. The hosts that are named after their situation stay in it. One goroutine
// at a time may change hosts, while others dial them.
func (c *Crowd) Change(random *rand.Rand) string {
	from := len(arrangements)
	if len(c.now) == from {
		return ""
	}
	i, to := from+random.IntN(len(c.now)-from), 0
	if c.now[i] == 0 {
		to = 1 + random.IntN(len(arrangements)-1)
	}
	c.now[i] = to
	c.arrange(i, to)
	return c.Situations[i].Host
}

// arrange puts a host into a situation.
func (c *Crowd) arrange(i, arranged int) {
	a := arrangements[arranged]
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], firstCrowd+uint32(i))
	at, name := netip.AddrFrom4(addr), c.Situations[i].Host
	c.Situations[i].Name, c.Situations[i].About = a.name, a.about
	if a.healthy == nil {
		c.Network.replace(at, nil, name, nil)
		return
	}
	h := a.healthy(name, at)
	h.RTT = a.rtt
	if a.spoil != nil {
		a.spoil(h)
	}
	c.Network.replace(at, h, name, &Record{Addrs: append(slices.Clip(a.stale), at), Delay: time.Millisecond, Err: a.resolver})
}

// replace puts a host and the record of its name in place of what was there, nil
// for none. Connections to the host that was are served to their end.
func (n *Network) replace(at netip.Addr, h *Host, name string, r *Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.Hosts, at)
	delete(n.Names, name)
	if h != nil {
		n.Hosts[at] = h
	}
	if r != nil {
		n.Names[name] = *r
	}
}
