package winhost

import (
	"net/netip"
	"time"

	"github.com/gpreach/gpreach/rpc"
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
	for i, a := range arrangements() {
		it := Situation{Name: a.name, About: a.about, Host: a.label + fleetDomain}
		if a.healthy != nil {
			h := a.healthy(it.Host, netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}))
			h.RTT = a.rtt
			a.spoil(h)
			if h.DNSName != it.Host {
				it.DNSHostName = it.Host
			}
			n.Hosts[h.Addrs[0]] = h
			n.Names[it.Host] = Record{Addrs: h.Addrs, Delay: time.Millisecond}
		}
		all = append(all, it)
	}
	return n, all
}

// An arrangement makes a situation of a healthy host. Without one there is
// nothing by that name.
type arrangement struct {
	name, about string
	label       string
	healthy     func(name string, addrs ...netip.Addr) *Host
	rtt         time.Duration
	spoil       func(*Host)
}

func arrangements() []arrangement {
	return []arrangement{
		{
			"healthy client", "Both Starter GPOs are in force. WMI's port stays unknown without a logon.",
			"ws-001", Client, 3 * time.Millisecond, func(*Host) {},
		},
		{
			"healthy client with WMI's fixed port", "As before, and winmgmt /standalonehost has pinned WMI to TCP 24158.",
			"ws-002", Client, 2 * time.Millisecond, (*Host).StandaloneWMI,
		},
		{
			"healthy server", "A Windows Server 2022 with both Starter GPOs, which requires SMB signing.",
			"srv-001", Server, time.Millisecond, func(*Host) {},
		},
		{
			"default firewall", "No GPO applies: Windows drops 135, 445 and the dynamic ports, but 7680 and 5040 answer.",
			"ws-003", Client, 4 * time.Millisecond, func(h *Host) { h.drop(smbPort, mapperPort, clientEventLog, clientSchedule) },
		},
		{
			"reporting GPO only", "The Task Scheduler's dynamic port is dropped.",
			"ws-004", Client, 5 * time.Millisecond, func(h *Host) { h.drop(clientSchedule) },
		},
		{
			"refresh GPO only", "445 and the event log's dynamic port are dropped.",
			"ws-005", Client, 6 * time.Millisecond, func(h *Host) { h.drop(smbPort, clientEventLog) },
		},
		{
			"scheduler stopped", "The Task Scheduler is not running, so the endpoint mapper does not know it.",
			"ws-006", Client, 7 * time.Millisecond, func(h *Host) { h.Stop(rpc.TaskScheduler) },
		},
		{
			"dynamic ports dropped", "A network firewall lets 135 and 445 through and drops the dynamic ports.",
			"ws-007", Client, 12 * time.Millisecond, func(h *Host) { h.drop(clientEventLog, clientSchedule) },
		},
		{
			"port taken by another service", "The mapper names a port for the Task Scheduler where another service answers.",
			"ws-008", Client, 8 * time.Millisecond, func(h *Host) {
				h.Ports[clientSchedule] = Port{Serve: h.RPC(Interface{Syntax: saSec}).Serve}
			},
		},
		{
			"mapper wants a logon", "RestrictRemoteClients is 2: every anonymous call on 135 is refused with fault 5.",
			"ws-009", Client, 9 * time.Millisecond, func(h *Host) {
				rpcss := h.RPCSS()
				rpcss.Fault = accessDenied
				h.Ports[mapperPort] = Port{Serve: rpcss.Serve}
			},
		},
		{
			"slow", "All is well behind a line with a round trip of 300 ms.",
			"ws-010", Client, 300 * time.Millisecond, func(*Host) {},
		},
		{
			"silent", "The name resolves and nothing answers: off, asleep, elsewhere, or dropped by a firewall.",
			"ws-011", Client, 10 * time.Millisecond, func(h *Host) { clear(h.Ports) },
		},
		{
			"no such name", "The name is in no DNS zone.",
			"ws-012", nil, 0, nil,
		},
		{
			"wrong host", "The name's record is stale, and another computer has the address now.",
			"ws-013", Client, 20 * time.Millisecond, func(h *Host) { h.Name, h.DNSName = "WS-099", "ws-099"+fleetDomain },
		},
	}
}

func (h *Host) drop(ports ...uint16) {
	for _, p := range ports {
		h.Ports[p] = Port{Fate: Drop}
	}
}
