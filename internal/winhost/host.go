package winhost

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gpreach/gpreach/internal/winhost/logon"
	"github.com/gpreach/gpreach/rpc"
)

// A Host is a simulated Windows machine: its names, its ports, and what its
// endpoint mapper lists.
type Host struct {
	Addrs []netip.Addr
	// Inner is the address in the mapper's towers and DCOM's bindings, which
	// behind NAT is not the one dialled; the first of Addrs if not set.
	Inner netip.Addr

	Name    string // NetBIOS name
	DNSName string // fully qualified
	Domain  string // DNS name of the domain
	Build   uint16 // of Windows 10.0

	RTT        time.Duration
	Ports      map[uint16]Port
	Undeclared Fate // of all other ports; Windows drops them

	Endpoints []Endpoint
	// MapStatus, if set, is the status of every ept_map.
	MapStatus uint32

	// Accounts may log on; without any nobody can. Admit sets them, and makes all
	// else ready for them.
	Accounts []Account
	Keys     []logon.Key   // that tickets are encrypted by
	PAC      int           // bytes of it in the tickets that are made for the host
	NoNTLM   bool          // NTLM is refused, as "Restrict NTLM: deny all" does
	Clock    time.Duration // how far the host's clock is ahead
	Denied   []string      // channels of the event log that nobody may read
	WMI      WMI

	smb     SMB
	ledger  ledger
	replays logon.Replays
}

// A Port is what a connect meets: a Fate, or a service. With both, the first
// Fails connects meet the fate, and those after it are served.
type Port struct {
	Fate  Fate
	Serve func(net.Conn) // ends when the client closes; the connection is then closed
	Fails int
}

// The TCP ports of the simulated hosts.
const (
	smbPort        = 445
	mapperPort     = 135
	clientEventLog = 49667
	clientSchedule = 49668
	serverEventLog = 49666
	serverSchedule = 49667
	dynamicWMI     = 52419
	// WMIPort is WMI's documented fixed port.
	WMIPort = 24158
)

// Client returns a healthy Windows 11 client of the domain in its name, with
// every rule of both Starter GPOs on: EventLog is on 49667, Schedule on 49668.
// 7680 and 5040 answer, as they do behind Windows' default firewall.
func Client(name string, addrs ...netip.Addr) *Host {
	h := newHost(name, 22631, clientEventLog, clientSchedule, addrs)
	h.Ports[smbPort] = Port{Serve: h.smb.Serve}
	h.Ports[7680] = Port{Serve: Mute}
	h.Ports[5040] = Port{Serve: Mute}
	return h
}

// Server returns a healthy Windows Server 2022, likewise: SMB wants signing,
// EventLog is on 49666, Schedule on 49667, and 5985 answers.
func Server(name string, addrs ...netip.Addr) *Host {
	h := newHost(name, 20348, serverEventLog, serverSchedule, addrs)
	h.smb.SigningRequired = true
	h.Ports[smbPort] = Port{Serve: h.smb.Serve}
	h.Ports[5985] = Port{Serve: Mute}
	return h
}

func newHost(name string, build, eventLog, schedule uint16, addrs []netip.Addr) *Host {
	h := &Host{Build: build, RTT: 2 * time.Millisecond, Endpoints: endpoints(eventLog, schedule)}
	h.Rename(name, addrs...)
	h.Ports = map[uint16]Port{
		mapperPort: {Serve: h.RPCSS().Serve},
		eventLog:   {Serve: h.EventLog().Serve},
		schedule:   {Serve: h.Schedule().Serve},
	}
	return h
}

// Rename gives the host another name, the domain in it, and other addresses.
func (h *Host) Rename(name string, addrs ...netip.Addr) {
	label, domain, _ := strings.Cut(name, ".")
	h.Name, h.DNSName, h.Domain, h.Addrs = strings.ToUpper(label[:min(len(label), 15)]), name, domain, addrs
}

// RPC returns a service of these interfaces, whose options may still be set.
func (h *Host) RPC(interfaces ...Interface) *RPC { return &RPC{Host: h, Interfaces: interfaces} }

// EventLog returns the service on the event log's port.
func (h *Host) EventLog() *RPC { return h.RPC(eventService()) }

// Schedule returns the service on the Task Scheduler's port.
func (h *Host) Schedule() *RPC { return h.RPC(taskService(), Interface{Syntax: scheduleToo}) }

// RPCSS returns the service on 135: the endpoint mapper, DCOM's object exporter, and
// what activates its classes.
func (h *Host) RPCSS() *RPC { return h.RPC(h.mapper(), h.objectExporter(), activator()) }

// StandaloneWMI gives WMI its fixed port, as "winmgmt /standalonehost" does, before or
// after the host admits accounts.
func (h *Host) StandaloneWMI() {
	if h.WMI.Port != 0 {
		delete(h.Ports, h.WMI.Port)
	}
	h.WMI.Port = WMIPort
	h.Ports[WMIPort] = Port{Serve: h.Winmgmt().Serve}
}

// Stop stops the service behind an interface: what it has registered leaves the
// mapper, and its TCP ports no longer answer.
func (h *Host) Stop(s rpc.Syntax) {
	stopped := map[uint16]bool{}
	for _, e := range h.Endpoints {
		if e.Interface == s && e.Port != 0 {
			stopped[e.Port] = true
			delete(h.Ports, e.Port)
		}
	}
	h.Endpoints = slices.DeleteFunc(h.Endpoints, func(e Endpoint) bool { return e.Interface == s || stopped[e.Port] })
}

// Mute takes a connection and never answers.
func Mute(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// port returns what the dials-th dial to a port meets.
func (h *Host) port(number uint16, dials int) Port {
	p, ok := h.Ports[number]
	switch {
	case !ok:
		return Port{Fate: h.Undeclared}
	case p.Serve != nil && dials > p.Fails:
		p.Fate = accepted
	}
	return p
}

func (h *Host) inner() netip.Addr {
	if h.Inner.IsValid() || len(h.Addrs) == 0 {
		return h.Inner
	}
	return h.Addrs[0]
}

// netBIOSDomain returns the domain's short name, a computer's own where it has none.
func (h *Host) netBIOSDomain() string {
	label, _, _ := strings.Cut(strings.ToUpper(h.Domain), ".")
	if label == "" {
		return h.Name
	}
	return label[:min(len(label), 15)]
}
