package winhost

import (
	"net/netip"
	"time"
)

// A Situation is a host in a state that administrators meet.
type Situation struct {
	Name  string // a few words
	About string // one sentence: what is so, and what the host does
	Host  string // the name to ask
	// DNSHostName is set where the directory names the target, and is then what
	// it says that the host calls itself.
	DNSHostName string
}

const fleetDomain = ".demo.example"

// Fleet returns the demo fleet, a host in each situation, and its network. The
// wrong host is the one that the directory names.
func Fleet() (*Network, []Situation) {
	n := NewNetwork()
	var all []Situation
	for i, a := range arrangements {
		it := Situation{Name: a.name, About: a.about, Host: a.label + fleetDomain}
		if a.healthy != nil {
			h := a.healthy(it.Host, netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}))
			h.RTT = a.rtt
			if a.spoil != nil {
				a.spoil(h)
			}
			if a.listed {
				it.DNSHostName = it.Host
			}
			n.Hosts[h.Addrs[0]] = h
			n.Names[it.Host] = Record{Addrs: append(a.stale, h.Addrs...), Delay: time.Millisecond, Err: a.resolver}
		}
		all = append(all, it)
	}
	return n, all
}

func (h *Host) drop(ports ...uint16) {
	for _, p := range ports {
		h.Ports[p] = Port{Fate: Drop}
	}
}
