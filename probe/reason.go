package probe

// An Owner is whose ticket a failure is.
type Owner string

// The owners.
const (
	HostFirewall    Owner = "host firewall"
	NetworkFirewall Owner = "network firewall"
	AnyFirewall     Owner = "host or network firewall"
	HostService     Owner = "service on the host"
	MapperPolicy    Owner = "RPC policy of the host"
	NameService     Owner = "DNS"
	PowerOrPlace    Owner = "off, asleep or elsewhere"
	NotWindows      Owner = "whoever runs that host"
	ThisMachine     Owner = "this machine"
	Nobody          Owner = "nobody" // no ticket: only a credential can tell more
)

// A place is where on a route a step stands: what the wording depends on.
type place string

const (
	atName       place = "name"
	atIdentity   place = "identity"
	atSMB        place = "connect to 445"
	atNegotiate  place = "negotiate"
	atMapper     place = "connect to 135"
	atMapperBind place = "bind to the mapper"
	atMap        place = "map"
	atPort       place = "connect to the mapped port"
	atService    place = "bind to the service"
	atDCOM       place = "bind to IObjectExporter"
	atAlive      place = "ServerAlive2"
	anywhere     place = "anywhere"
)

// anyOther is the entry for the outcomes that a place has no own words for.
const anyOther Outcome = ""

// An advice is the wording for one place and outcome. The words in braces are
// filled in by scene.fill.
type advice struct {
	owner       Owner // empty: as firewall tells
	reason, fix string
}

const (
	fixEnable  = `{enable}`
	fixRestart = `Look at what answers on {peer}, restart the service behind it, and look for a firewall or intrusion prevention that interferes with RPC on the way.`
	fixPolicy  = `Set the policy RestrictRemoteClients of the host to "None" or "Authenticated", or leave it unconfigured.`
	fixNetwork = `Ask the network's owner to let this machine through to {through} of the host; then {enable}`
)

// advices holds all wording about failures, by place and outcome.
var advices = map[place]map[Outcome]advice{
	anywhere: {
		Canceled:     {ThisMachine, `The run was interrupted before this was known.`, `Run it again.`},
		NoResources:  {ThisMachine, `This machine ran out of descriptors, ports or buffers ({detail}), so nothing was learned of the host.`, `Lower --concurrency or raise this machine's limits, and run it again.`},
		NotPermitted: {ThisMachine, `This machine's own firewall does not let gpreach out to TCP {port}.`, `Allow gpreach outbound to TCP {port} on this machine.`},
		Unroutable:   {NetworkFirewall, `TCP {port} cannot be reached: this machine has no route to it, or a router or firewall on the way says no ({detail}).`, `Ask the network's owner for a route and a permit to {through} of the host.`},
	},
	atName: {
		NoSuchName: {NameService, `The name has no address.`, `Correct the name, or register the host in DNS.`},
		anyOther:   {NameService, `The resolver failed, so the host was not asked ({detail}).`, `Look at this machine's DNS servers, and run it again.`},
	},
	atIdentity: {
		anyOther: {NameService, `Another host answers at this address: it calls itself {detail}.`, `Correct the DNS record, or the address, of the host that was meant.`},
	},
	atSMB: {
		Timeout:  {"", `TCP {port} does not answer: {tell}.`, fixEnable},
		Refused:  {HostService, `TCP {port} is refused: nothing listens there, or a firewall on the way rejects.`, `Start the Server service (LanmanServer) on the host; where it runs, look for a firewall that rejects TCP {port} on the way.`},
		anyOther: {NetworkFirewall, `TCP {port} cannot be connected to ({outcome}).`, fixNetwork},
	},
	atNegotiate: {
		Timeout:      {NetworkFirewall, `TCP {port} connects, but SMB2 NEGOTIATE is not answered: a firewall that inspects SMB swallows it, or the Server service hangs.`, `Look for a firewall that inspects SMB on the way; else restart the Server service (LanmanServer) on the host.`},
		Hangup:       {HostService, `TCP {port} connects, but the connection is closed on SMB2 NEGOTIATE, as an SMB1-only server and a firewall that inspects SMB do.`, `Enable SMB2 on the host (Set-SmbServerConfiguration -EnableSMB2Protocol $true), and look for a firewall that inspects SMB on the way.`},
		Reset:        {NetworkFirewall, `TCP {port} connects, but the connection is reset on SMB2 NEGOTIATE, as a firewall that inspects SMB does.`, `Look for a firewall that inspects SMB on the way, and whether SMB2 is enabled on the host.`},
		Garbled:      {NotWindows, `What answers on TCP {port} does not speak SMB.`, `Find out what listens on TCP {port} of the host, or which device answers in its place.`},
		AccessDenied: {HostService, `The server denies SMB2 NEGOTIATE ({detail}).`, `Look at the SMB server's settings on the host.`},
		anyOther:     {HostService, `The server answers on TCP {port}, but refuses SMB2 NEGOTIATE ({detail}).`, `Run it again; if it stays so, enable SMB2 on the host (Set-SmbServerConfiguration -EnableSMB2Protocol $true) and look at the limits of its Server service.`},
	},
	atMapper: {
		Timeout:  {"", `TCP {port} does not answer: {tell}{ergo}.`, fixEnable},
		Refused:  {NetworkFirewall, `TCP {port} is refused: RPCSS always listens on Windows, so a firewall on the way rejects, or this is not Windows{ergo}.`, `Look for a firewall that rejects TCP {port} on the way; then {enable}`},
		anyOther: {NetworkFirewall, `TCP {port} cannot be connected to ({outcome}){ergo}.`, fixNetwork},
	},
	atMapperBind: {
		AccessDenied: {MapperPolicy, `The endpoint mapper answers, but wants a logon before it tells a port ({detail}).`, fixPolicy},
		Garbled:      {NotWindows, `What answers on TCP {port} does not speak RPC{ergo}.`, `Find out what listens on TCP {port} of the host, or which device answers in its place.`},
		Unsupported:  {NotWindows, `What answers on TCP {port} speaks RPC, but refuses the endpoint mapper's interface ({detail}){ergo}.`, `Find out what listens on TCP {port} of the host, or which device answers in its place.`},
		anyOther:     {NetworkFirewall, `TCP {port} connects, but the endpoint mapper does not answer ({outcome}): a firewall that inspects RPC cuts it, or RPCSS hangs{ergo}.`, `Look for a firewall or intrusion prevention that inspects RPC on the way; else restart the host.`},
	},
	atMap: {
		NotRegistered: {HostService, `{Service} is not listening: the endpoint mapper knows no TCP port for it.`, `{start}`},
		AccessDenied:  {MapperPolicy, `The endpoint mapper wants a logon before it tells the port of {service} ({detail}).`, fixPolicy},
		Unsupported:   {HostService, `The endpoint mapper cannot tell the port of {service} ({detail}).`, `Restart the host: its endpoint mapper answers with an error.`},
		anyOther:      {NetworkFirewall, `The endpoint mapper accepts the bind, but does not answer the lookup of {service} ({outcome}).`, `Look for a firewall or intrusion prevention that inspects RPC on the way; else restart the host.`},
	},
	atPort: {
		Timeout:  {"", `{Service} has TCP {port}, which does not answer: {tell}.`, fixEnable},
		Refused:  {NetworkFirewall, `{Service} has TCP {port}, which is refused: a firewall on the way rejects it, or the service stopped just now.`, `Look for a firewall that rejects the dynamic ports on the way; then run it again.`},
		anyOther: {NetworkFirewall, `{Service} has TCP {port}, which cannot be connected to ({outcome}).`, fixNetwork},
	},
	atService: {
		AccessDenied: {Nobody, `TCP {port} is open and RPC answers there, but {service} wants a logon first.`, `Nothing is blocked: only a credential can prove more.`},
		Unsupported:  {HostService, `TCP {port} is open, but {service} is not served there ({detail}): another service may have the port now.`, `{start}`},
		Garbled:      {HostService, `TCP {port} is open, but what answers there does not speak RPC, so it is not {service}.`, fixRestart},
		anyOther:     {NetworkFirewall, `TCP {port} connects, but {service} does not answer there ({outcome}): a firewall that inspects RPC cuts it, or the service hangs.`, fixRestart},
	},
	atDCOM: {
		AccessDenied: {MapperPolicy, `DCOM wants a logon before it answers anything ({detail}).`, fixPolicy},
		Unsupported:  {NotWindows, `RPC answers on TCP {port}, but DCOM does not ({detail}): DCOM is turned off, or this is not Windows.`, `Turn DCOM on (HKLM\SOFTWARE\Microsoft\Ole, EnableDCOM = Y) and restart the host.`},
		anyOther:     {HostService, `DCOM did not answer on TCP {port} ({outcome}), so nothing is known of WMI.`, fixRestart},
	},
	atAlive: {
		AccessDenied: {MapperPolicy, `DCOM wants a logon before it answers anything ({detail}).`, fixPolicy},
		anyOther:     {HostService, `DCOM accepts the bind but not the question whether it is alive ({outcome}), so nothing is known of WMI.`, fixRestart},
	},
}

const (
	wordsNotBegun = `The host's time was spent before this rule was begun.`
	fixNotBegun   = `Raise --deadline, and run it again.`

	wordsWMI = `Which port WMI has is told only to a logon, so it cannot be proved without a credential.`
	fixWMI   = `To prove it without a credential, give WMI its fixed port on the host (winmgmt /standalonehost, then restart Winmgmt); if the operation fails at WMI, {enable}`

	wordsSilent = `No answer on {ports}: the host is off, asleep or elsewhere, or a firewall (Windows' own default too) drops everything.`
	fixSilent   = `Ask its console, its DHCP lease or its switch port whether it is on; where it is, {gpo}.`

	wordsUnproven = `Nothing is blocked; WMI cannot be proved without a credential.`
	wordsReady    = `Every rule is reachable.`
)

// wordsReachable tells what was proved, by route.
var wordsReachable = map[Route]string{
	ByPipe:    `SMB2 answers on TCP {port}; the pipe behind it needs a logon.`,
	ByMapper:  `The endpoint mapper answers on TCP {port}.`,
	ByDynamic: `{Service} answers on TCP {port}.`,
	ByDCOM:    `A DCOM server answers on TCP {port}, WMI's documented fixed port.`,
}

// A serviceText is how a service is called in a sentence, and how to get one
// that is not listening to listen.
type serviceText struct{ name, start string }

var serviceTexts = map[string]serviceText{
	"EventLog": {
		"the Windows Event Log service",
		`Start the service on the host (Start-Service EventLog), and look at HKLM\SOFTWARE\Microsoft\Rpc\Internet, where a wrong port range keeps services from listening.`,
	},
	"Schedule": {
		"Task Scheduler",
		`Start the service on the host (Start-Service Schedule); where it runs, a hardening has taken it off TCP: set DisableRpcOverTcp to 0 in HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule and restart the host.`,
	},
	"Winmgmt": {name: "WMI"},
	"RPCSS":   {name: "the endpoint mapper"},
	"all":     {name: "SMB"},
}
