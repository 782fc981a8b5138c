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
			"healthy-client", Client, 3 * time.Millisecond, func(*Host) {},
		},
		{
			"healthy client with WMI's fixed port", "As before, and winmgmt /standalonehost has pinned WMI to TCP 24158.",
			"wmi-fixed-port", Client, 2 * time.Millisecond, (*Host).StandaloneWMI,
		},
		{
			"healthy server", "A Windows Server 2022 with both Starter GPOs, which requires SMB signing.",
			"healthy-server", Server, time.Millisecond, func(*Host) {},
		},
		{
			"default firewall", "No GPO applies: Windows drops 135, 445 and the dynamic ports, but 7680 answers.",
			"default-firewall", Client, 4 * time.Millisecond, func(h *Host) { h.drop(smbPort, mapperPort, clientEventLog, clientSchedule, 5040) },
		},
		{
			"reporting GPO only", "The Task Scheduler's dynamic port is dropped.",
			"reporting-gpo-only", Client, 5 * time.Millisecond, func(h *Host) { h.drop(clientSchedule) },
		},
		{
			"refresh GPO only", "445 and the event log's dynamic port are dropped.",
			"refresh-gpo-only", Client, 6 * time.Millisecond, func(h *Host) { h.drop(smbPort, clientEventLog) },
		},
		{
			"scheduler stopped", "The Task Scheduler is not running, so the endpoint mapper does not know it.",
			"scheduler-stopped", Client, 7 * time.Millisecond, func(h *Host) { h.Stop(rpc.TaskScheduler) },
		},
		{
			"dynamic ports dropped", "A network firewall lets 135 and 445 through and drops the dynamic ports.",
			"dynamic-ports-dropped", Client, 12 * time.Millisecond, func(h *Host) { h.drop(clientEventLog, clientSchedule) },
		},
		{
			"port taken by another service", "The mapper names a port for the Task Scheduler where another service answers.",
			"port-taken", Client, 8 * time.Millisecond, func(h *Host) {
				h.Ports[clientSchedule] = Port{Serve: h.RPC(Interface{Syntax: saSec}).Serve}
			},
		},
		{
			"mapper wants a logon", "RestrictRemoteClients is 2: every anonymous call on 135 is refused with fault 5.",
			"mapper-wants-logon", Client, 9 * time.Millisecond, func(h *Host) {
				rpcss := h.RPCSS()
				rpcss.Fault = accessDenied
				h.Ports[mapperPort] = Port{Serve: rpcss.Serve}
			},
		},
		{
			"slow", "All is well behind a line with a round trip of 300 ms.",
			"slow", Client, 300 * time.Millisecond, func(*Host) {},
		},
		{
			"silent", "The name resolves and nothing answers: off, asleep, elsewhere, or dropped by a firewall.",
			"silent", Client, 10 * time.Millisecond, func(h *Host) { clear(h.Ports) },
		},
		{
			"no such name", "The name is in no DNS zone.",
			"no-such-name", nil, 0, nil,
		},
		{
			"wrong host", "The name's record is stale, and another computer has the address now.",
			"wrong-host", Client, 20 * time.Millisecond, func(h *Host) { h.Name, h.DNSName = "WS-099", "ws-099"+fleetDomain },
		},
	}
}

func (h *Host) drop(ports ...uint16) {
	for _, p := range ports {
		h.Ports[p] = Port{Fate: Drop}
	}
}
