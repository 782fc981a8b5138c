package winhost

import (
	"net"
	"net/netip"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// An arrangement makes a situation of a healthy host. Without one there is
// nothing by that name.
type arrangement struct {
	name, about string
	label       string
	healthy     func(name string, addrs ...netip.Addr) *Host
	rtt         time.Duration
	spoil       func(*Host) // nil leaves it healthy

	listed   bool         // by the directory, which knows what the host calls itself
	stale    []netip.Addr // addresses of the name where nobody is, before the host's own
	resolver error        // what the resolver says instead
}

// arrangements are the situations of the demo, in order.
var arrangements = []arrangement{
	{
		name: "healthy client", about: "Both Starter GPOs are in force. WMI's port stays unknown without a logon.",
		label: "healthy-client", healthy: Client, rtt: 3 * time.Millisecond,
	},
	{
		name: "healthy client with WMI's fixed port", about: "As before, and winmgmt /standalonehost has pinned WMI to TCP 24158.",
		label: "wmi-fixed-port", healthy: Client, rtt: 2 * time.Millisecond, spoil: (*Host).StandaloneWMI,
	},
	{
		name: "healthy server", about: "A Windows Server 2022 with both Starter GPOs, which requires SMB signing.",
		label: "healthy-server", healthy: Server, rtt: time.Millisecond,
	},
	{
		name: "default firewall", about: "No GPO applies: Windows drops 135, 445 and the dynamic ports, but 7680 answers.",
		label: "default-firewall", healthy: Client, rtt: 4 * time.Millisecond, spoil: func(h *Host) { h.drop(smbPort, mapperPort, clientEventLog, clientSchedule, 5040) },
	},
	{
		name: "reporting GPO only", about: "The Task Scheduler's dynamic port is dropped.",
		label: "reporting-gpo-only", healthy: Client, rtt: 5 * time.Millisecond, spoil: func(h *Host) { h.drop(clientSchedule) },
	},
	{
		name: "refresh GPO only", about: "445 and the event log's dynamic port are dropped.",
		label: "refresh-gpo-only", healthy: Client, rtt: 6 * time.Millisecond, spoil: func(h *Host) { h.drop(smbPort, clientEventLog) },
	},
	{
		name: "scheduler stopped", about: "The Task Scheduler is not running, so the endpoint mapper does not know it.",
		label: "scheduler-stopped", healthy: Client, rtt: 7 * time.Millisecond, spoil: func(h *Host) { h.Stop(rpc.TaskScheduler) },
	},
	{
		name: "dynamic ports dropped", about: "A network firewall lets 135 and 445 through and drops the dynamic ports.",
		label: "dynamic-ports-dropped", healthy: Client, rtt: 12 * time.Millisecond, spoil: func(h *Host) { h.drop(clientEventLog, clientSchedule) },
	},
	{
		name: "port taken by another service", about: "The mapper names a port for the Task Scheduler where another service answers.",
		label: "port-taken", healthy: Client, rtt: 8 * time.Millisecond, spoil: func(h *Host) {
			h.Ports[clientSchedule] = Port{Serve: h.RPC(Interface{Syntax: saSec}).Serve}
		},
	},
	{
		name: "mapper wants a logon", about: "RestrictRemoteClients is 2: every anonymous call on 135 is refused with fault 5.",
		label: "mapper-wants-logon", healthy: Client, rtt: 9 * time.Millisecond, spoil: func(h *Host) {
			rpcss := h.RPCSS()
			rpcss.Fault = accessDenied
			h.Ports[mapperPort] = Port{Serve: rpcss.Serve}
		},
	},
	{
		name: "slow", about: "All is well behind a line with a round trip of 300 ms.",
		label: "slow", healthy: Client, rtt: 300 * time.Millisecond,
	},
	{
		name: "silent", about: "The name resolves and nothing answers: off, asleep, elsewhere, or dropped by a firewall.",
		label: "silent", healthy: Client, rtt: 10 * time.Millisecond, spoil: func(h *Host) { clear(h.Ports) },
	},
	{
		name: "no such name", about: "The name is in no DNS zone.",
		label: "no-such-name",
	},
	{
		name: "wrong host", about: "The name's record is stale, and another computer has the address now.",
		label: "wrong-host", healthy: Client, rtt: 20 * time.Millisecond, spoil: func(h *Host) { h.Name, h.DNSName = "WS-099", "ws-099"+fleetDomain },
		listed: true,
	},
	{
		name: "an alias", about: "The name is another name of a host that calls itself differently.",
		label: "alias", healthy: Client, rtt: 4 * time.Millisecond, spoil: func(h *Host) { h.Name, h.DNSName = "WS-098", "ws-098"+fleetDomain },
	},
	{
		name: "a stale address", about: "The name has an address more, where nobody is any longer.",
		label: "stale-address", healthy: Client, rtt: 6 * time.Millisecond,
		stale: []netip.Addr{netip.AddrFrom4([4]byte{10, 77, 9, 9})},
	},
	{
		name: "resolver fails", about: "The resolver answers with a failure.",
		label: "resolver-fails", healthy: Client, rtt: time.Millisecond,
		resolver: &net.DNSError{Err: "server misbehaving", IsTemporary: true},
	},
	{
		name: "a lost packet", about: "The first SYN to every port is lost.",
		label: "lossy", healthy: Client, rtt: 3 * time.Millisecond, spoil: func(h *Host) {
			for number, p := range h.Ports {
				p.Fate, p.Fails = Drop, 1
				h.Ports[number] = p
			}
		},
	},
	{
		name: "SMB1 only", about: "The Server service knows no SMB2 and closes the connection.",
		label: "smb1-only", healthy: Server, rtt: 2 * time.Millisecond, spoil: func(h *Host) { h.Ports[smbPort] = Port{Serve: SMB{SMB1Only: true}.Serve} },
	},
	{
		name: "SMB swallowed", about: "A firewall that inspects SMB lets the connection through and no answer.",
		label: "smb-swallowed", healthy: Client, rtt: 9 * time.Millisecond, spoil: func(h *Host) { h.Ports[smbPort] = Port{Serve: Mute} },
	},
	{
		name: "Server service stopped", about: "TCP 445 is refused.",
		label: "server-service-off", healthy: Client, rtt: 2 * time.Millisecond, spoil: func(h *Host) { h.Ports[smbPort] = Port{Fate: Refuse} },
	},
	{
		name: "prohibited by a router", about: "A router's access list answers by ICMP for 135 and 445.",
		label: "router-prohibits", healthy: Client, rtt: 14 * time.Millisecond, spoil: func(h *Host) {
			h.Ports[smbPort], h.Ports[mapperPort] = Port{Fate: ICMP}, Port{Fate: ICMP}
		},
	},
	{
		name: "forbidden here", about: "This machine's own firewall does not let the connection to 445 out.",
		label: "forbidden-here", healthy: Client, rtt: 3 * time.Millisecond, spoil: func(h *Host) { h.Ports[smbPort] = Port{Fate: NotPermitted} },
	},
	{
		name: "not Windows", about: "Every port refuses.",
		label: "not-windows", healthy: Server, rtt: 2 * time.Millisecond, spoil: func(h *Host) {
			clear(h.Ports)
			h.Undeclared = Refuse
		},
	},
	{
		name: "RPC inspected", about: "An intrusion prevention resets the dynamic connections at the first packet.",
		label: "rpc-inspected", healthy: Client, rtt: 11 * time.Millisecond, spoil: func(h *Host) {
			h.Ports[clientEventLog], h.Ports[clientSchedule] = Port{Serve: Reset}, Port{Serve: Reset}
		},
	},
	{
		name: "DCOM off", about: "RPC answers on 135, and DCOM's object exporter is not there.",
		label: "dcom-off", healthy: Server, rtt: 5 * time.Millisecond, spoil: func(h *Host) { h.Ports[mapperPort] = Port{Serve: h.RPC(h.mapper()).Serve} },
	},
	{
		name: "event log stopped", about: "The Windows Event Log service is not running, so the endpoint mapper does not know it.",
		label: "event-log-stopped", healthy: Server, rtt: 4 * time.Millisecond, spoil: func(h *Host) { h.Stop(rpc.EventLog) },
	},
}
