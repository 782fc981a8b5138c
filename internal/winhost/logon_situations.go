package winhost

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// A Domain is a fleet with an account that every host admits: a host in each situation
// that only a credential meets.
type Domain struct {
	Network        *Network
	Situations     []Situation
	User, Password string // of the domain whose DNS name is demo.example

	hosts []*Host
}

// LogonFleet returns the hosts that the account meets differently, and their network.
func LogonFleet() *Domain {
	d := &Domain{Network: NewNetwork(), User: "gpadmin", Password: "Whimbrel-Of-The-Demo!"} //nolint:gosec // G101: it protects nothing
	for i, a := range logonArrangements {
		name := a.label + fleetDomain
		h := a.healthy(name, netip.AddrFrom4([4]byte{10, 77, 2, byte(i + 1)}))
		h.Admit(Account{Name: d.User, Password: d.Password, Rights: Administrator &^ a.lacks})
		if a.spoil != nil {
			a.spoil(h)
		}
		d.hosts = append(d.hosts, h)
		d.Situations = append(d.Situations, Situation{Name: a.name, About: a.about, Host: name})
		d.Network.Hosts[h.Addrs[0]] = h
		d.Network.Names[name] = Record{Addrs: h.Addrs, Delay: time.Millisecond}
	}
	return d
}

// Host returns the host of a name, nil for none.
func (d *Domain) Host(name string) *Host {
	if i := slices.IndexFunc(d.hosts, func(h *Host) bool { return h.DNSName == name }); i >= 0 {
		return d.hosts[i]
	}
	return nil
}

// Tickets returns a ccache file with tickets of the account for all hosts.
func (d *Domain) Tickets(valid time.Duration) ([]byte, error) {
	return Tickets(d.User, valid, d.hosts...)
}

// A logonArrangement makes a situation of a healthy host that has admitted the account.
type logonArrangement struct {
	name, about string
	label       string
	healthy     func(name string, addrs ...netip.Addr) *Host
	lacks       Rights      // of an administrator's
	spoil       func(*Host) // nil leaves it as it is
}

const (
	serviceDisabled   = 0x80070422 // ERROR_SERVICE_DISABLED
	serverExecFailure = 0x80080005 // CO_E_SERVER_EXEC_FAILURE
	rpcAccessDenied   = 0x8001011b // RPC_E_ACCESS_DENIED
	anotherAddress    = "10.77.9.10"
)

// logonArrangements are the situations that a credential meets, in order.
var logonArrangements = []logonArrangement{
	{
		name: "all granted", about: "The account is an administrator of the host.",
		label: "all-granted", healthy: Client,
	},
	{
		name: "all granted by a server", about: "As before, and the server requires SMB signing.",
		label: "server-granted", healthy: Server,
	},
	{
		name: "nobody", about: "The account may log on, and has no right at all.",
		label: "nobody", healthy: Client, lacks: Administrator,
	},
	{
		name: "pipe denied", about: "The account may not open the event log by its pipe.",
		label: "pipe-denied", healthy: Client, lacks: OpenPipe,
	},
	{
		name: "pipe missing", about: "The event log's pipe is not there.",
		label: "pipe-missing", healthy: Client, spoil: func(h *Host) { h.Ports[smbPort] = Port{Serve: SMB{Host: h, Open: nameNotFound}.Serve} },
	},
	{
		name: "channels denied", about: "The account is not in the group Event Log Readers.",
		label: "channels-denied", healthy: Client, lacks: ReadLogs,
	},
	{
		name: "one channel denied", about: "The query is taken, and the status of Group Policy's own channel in it is a denial.",
		label: "one-channel-denied", healthy: Client, spoil: func(h *Host) { h.Denied = channels[:1] },
	},
	{
		name: "schedule denied", about: "The account is no administrator to the Task Scheduler.",
		label: "schedule-denied", healthy: Client, lacks: ReadTasks,
	},
	{
		name: "activation denied", about: "The account is not in the group Distributed COM Users.",
		label: "activation-denied", healthy: Client, lacks: Activate,
	},
	{
		name: "root\\rsop denied", about: "The account has no Remote Enable on WMI's namespace root\\rsop.",
		label: "rsop-denied", healthy: Client, lacks: ReadRSoP,
	},
	{
		name: "root\\cimv2 denied", about: "The account has no Remote Enable on WMI's namespace root\\cimv2.",
		label: "cimv2-denied", healthy: Client, lacks: ReadCIMV2,
	},
	{
		name: "root\\rsop missing", about: "WMI has no namespace root\\rsop.",
		label: "rsop-missing", healthy: Client, spoil: func(h *Host) { h.WMI.Missing = []string{`root\rsop`} },
	},
	{
		name: "WMI's port dropped", about: "WMI is activated, and a firewall drops the port that it is on.",
		label: "wmi-port-dropped", healthy: Client, spoil: func(h *Host) { h.drop(h.WMI.Port) },
	},
	{
		name: "WMI's port refused", about: "WMI is activated, and nothing listens any more on the port that it is on.",
		label: "wmi-port-refused", healthy: Client, spoil: func(h *Host) { h.Ports[h.WMI.Port] = Port{Fate: Refuse} },
	},
	{
		name: "WMI's port taken", about: "WMI is activated, and another service answers on its port.",
		label: "wmi-port-taken", healthy: Client, spoil: func(h *Host) {
			h.Ports[h.WMI.Port] = Port{Serve: h.RPC(Interface{Syntax: saSec}).Serve}
		},
	},
	{
		name: "WMI stopped", about: "Winmgmt is disabled: the activation says that the service cannot be started.",
		label: "wmi-stopped", healthy: Client, spoil: func(h *Host) { h.WMI.Result = serviceDisabled },
	},
	{
		name: "WMI not registered", about: "The activation says that WMI's class is not registered.",
		label: "wmi-not-registered", healthy: Client, spoil: func(h *Host) { h.WMI.Result = classNotRegistered },
	},
	{
		name: "WMI does not start", about: "Winmgmt hangs while it starts: the activation says that the server's execution failed.",
		label: "wmi-does-not-start", healthy: Server, spoil: func(h *Host) { h.WMI.Result = serverExecFailure },
	},
	{
		name: "WMI refuses the call", about: "NTLMLogin is answered by the fault RPC_E_ACCESS_DENIED.",
		label: "wmi-fault", healthy: Client, spoil: func(h *Host) { h.WMI.LoginFault = rpcAccessDenied },
	},
	{
		name: "WMI hangs", about: "NTLMLogin is not answered for 70 s.",
		label: "wmi-hangs", healthy: Client, spoil: func(h *Host) { h.WMI.LoginDelay = 70 * time.Second },
	},
	{
		name: "bindings of another host", about: "The bindings name another host and its address, with the right port.",
		label: "other-bindings", healthy: Client, spoil: func(h *Host) {
			h.WMI.Bindings = []string{"WS-099[52419]", anotherAddress + "[52419]"}
		},
	},
	{
		name: "no bindings", about: "The activation answers without a single binding.",
		label: "no-bindings", healthy: Client, spoil: func(h *Host) { h.WMI.NoBindings = true },
	},
	{
		name: "hardened", about: "DCOM's hardening refuses the activation with fault 5, and logs event 10036.",
		label: "hardened", healthy: Server, spoil: func(h *Host) { h.WMI.Fault = accessDenied },
	},
	{
		name: "slow activation", about: "The activation takes 1.3 s.",
		label: "slow-activation", healthy: Client, spoil: func(h *Host) { h.WMI.Delay = 1300 * time.Millisecond },
	},
	{
		name: "activation without end", about: "The activation is not answered for 70 s.",
		label: "endless-activation", healthy: Client, spoil: func(h *Host) { h.WMI.Delay = 70 * time.Second },
	},
	{
		name:  "logon fails at the end",
		about: "The event log's port does not accept the last token of a logon: NTLM's AUTH3, or the alter_context of SPNEGO.",
		label: "auth3-refused", healthy: Client, spoil: func(h *Host) { h.failLogons(clientEventLog, h.EventLog()) },
	},
	{
		name: "Schedule's logon fails", about: "The Task Scheduler's port does not accept the last token of a logon.",
		label: "schedule-refused", healthy: Client, spoil: func(h *Host) { h.failLogons(clientSchedule, h.Schedule()) },
	},
	{
		name: "WMI's logon fails", about: "WMI is activated, and its port does not accept the last token of a logon.",
		label: "wmi-logon-refused", healthy: Client, spoil: func(h *Host) { h.failLogons(h.WMI.Port, h.Winmgmt()) },
	},
	{
		name: "bind_nak 8", about: "The Task Scheduler's port does not know the authentication type.",
		label: "bind-nak-8", healthy: Client, spoil: func(h *Host) { h.nakLogons(unknownAuthType) },
	},
	{
		name: "bind_nak 9", about: "The Task Scheduler's port finds the logon's token wrong.",
		label: "bind-nak-9", healthy: Client, spoil: func(h *Host) { h.nakLogons(wrongChecksum) },
	},
	{
		name: "NTLM refused", about: "The policy Restrict NTLM denies all of it; Kerberos is let in as ever.",
		label: "ntlm-refused", healthy: Server, spoil: func(h *Host) { h.NoNTLM = true },
	},
}

// failLogons serves a port by a service that does not accept the last token of a logon.
func (h *Host) failLogons(port uint16, s *RPC) {
	s.FailLogon = true
	h.Ports[port] = Port{Serve: s.Serve}
}

// nakLogons makes the Task Scheduler's port answer a bind with a logon by a bind_nak.
func (h *Host) nakLogons(reason uint16) {
	s := h.RPC(taskService())
	s.NakLogon = &reason
	for _, e := range h.Endpoints {
		if e.Interface == rpc.TaskScheduler && e.Port != 0 {
			h.Ports[e.Port] = Port{Serve: s.Serve}
		}
	}
}
