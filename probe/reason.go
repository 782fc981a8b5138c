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
	Rights          Owner = "rights of the account"
	Directory       Owner = "accounts in the directory"
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

	// With a credential.
	atKDC       place = "ask the KDC"
	atReconnect place = "connect with the credential"
	atLogon     place = "log on over SMB"
	atPipe      place = "open the pipe"
	atPipeBind  place = "bind on the pipe"
	atPipeCall  place = "call through the pipe"
	atLogonBind place = "bind with the credential"
	atSealed    place = "sealed call"
	atTasks     place = "ask Task Scheduler"
	atRehearsal place = "validate a task"

	// Of DCOM with a credential.
	atActivatorBind place = "bind to the activator"
	atActivate      place = "activate"
	atActivated     place = "connect to the activated port"
	atActivatedBind place = "bind at the activated port"
	atNamespace     place = "open the namespace"
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

const (
	reasonProof = `What answers on {peer} did not prove that it is the host that was meant ({detail}), so it got nothing of the credential.`
	fixProof    = `Compare the name in DNS with the host that has the address; where they agree, look for two computer accounts with the same service name (setspn -X), and join the host anew if its password in the directory is an old one.`
	fixLogon    = `Look at the host's clock, and at its user rights "Access this computer from the network" and "Deny access to this computer from the network".`
	fixAccount  = `Look at the account in the directory, correct the credential, and run it again: nothing more was tried with it.`
	fixReaders  = `Add the account to the group Event Log Readers or Administrators of the host`
)

// advices holds all wording about failures, by place and outcome; logonAdvices
// that of Task Scheduler and WMI with a credential.
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
		Unsupported:  {HostService, `TCP {port} is open, but {service} is not served there ({detail}): another service may have the port now.`, `{restart}`},
		Garbled:      {HostService, `TCP {port} is open, but what answers there does not speak RPC, so it is not {service}.`, fixRestart},
		anyOther:     {NetworkFirewall, `TCP {port} connects, but {service} does not answer there ({outcome}): a firewall that inspects RPC cuts it, or the service hangs.`, fixRestart},
	},
	atDCOM: {
		AccessDenied: {MapperPolicy, `DCOM wants a logon before it answers anything ({detail}).`, fixPolicy},
		Unsupported:  adviceNoDCOM,
		anyOther:     {HostService, `DCOM did not answer on TCP {port} ({outcome}), so nothing is known of WMI.`, fixRestart},
	},
	atAlive: {
		AccessDenied: {MapperPolicy, `DCOM wants a logon before it answers anything ({detail}).`, fixPolicy},
		anyOther:     {HostService, `DCOM accepts the bind but not the question whether it is alive ({outcome}), so nothing is known of WMI.`, fixRestart},
	},
	atKDC: {
		Unsupported:  {Directory, `The directory gives no ticket for this host: {detail}.`, `{ticket}.`},
		AccessDenied: {Rights, `The KDC's policy keeps this account from this host: {detail}.`, `Look at the authentication policies of the account ("Log On To", policy silos) in the directory.`},
		LogonFailed:  {Directory, `The KDC refuses the credential: {detail}.`, fixAccount},
		LockedOut:    {Directory, `The account is locked: {detail}.`, `Find out what locks it before it is unlocked; nothing more was tried with it.`},
		Timeout:      {NetworkFirewall, `No ticket could be had for this host: {detail}.`, `Look at the way from this machine to TCP 88 of the domain controllers.`},
		anyOther:     {Directory, `No ticket could be had for this host: {detail}.`, `Look at the domain controller's log, and run it again.`},
	},
	atReconnect: {
		anyOther: {HostService, `TCP {port} connected before, but not once more for the logon ({outcome}).`, `Run it again; if it stays so, look for a limit of connections on the host or on the way.`},
	},
	atLogon: {
		AccessDenied: {Rights, `The host does not let the account log on over SMB ({detail}).`, fixLogon},
		LogonFailed:  {Rights, `The host refuses the logon over SMB ({detail}).`, fixLogon},
		LockedOut:    {Directory, `The host says that the account is locked ({detail}).`, `Find out what locks it before it is unlocked; nothing more was tried with it.`},
		WrongHost:    {NameService, reasonProof, fixProof},
		Unsupported:  {HostService, `The host negotiates SMB but takes none of the ways to log on ({detail}).`, `Look at the host's policies for Kerberos and NTLM ("Network security: Restrict NTLM").`},
		anyOther:     {NetworkFirewall, `SMB negotiates on TCP {port}, but the logon has no proper answer ({outcome}): something that inspects SMB cuts it, or the Server service hangs.`, `Look for a firewall that inspects SMB on the way; else restart the Server service (LanmanServer) on the host.`},
	},
	atPipe: {
		NotRegistered: {HostService, `The account logs on, but the host has no pipe eventlog: the Windows Event Log service is not running.`, `Start the service on the host (Start-Service EventLog).`},
		AccessDenied:  {Rights, `The account logs on, but may not open the pipe eventlog ({detail}).`, fixLogon},
		Unsupported:   {HostService, `The account logs on, but the pipe eventlog does not open ({detail}).`, fixRestart},
		anyOther:      {NetworkFirewall, `The account logs on, but there is no proper answer to opening the pipe ({outcome}).`, fixRestart},
	},
	atPipeBind: {
		AccessDenied: {HostService, `The pipe opens, but RPC is denied on it ({detail}), as by an RPC filter that blocks the pipe alone.`, `Look at the host's RPC filters (netsh rpc filter show filter) for the interface 82273fdc-e32a-18c3-3f78-827929dc23ea over named pipes.`},
		Unsupported:  {HostService, `The pipe opens, but the Windows Event Log service is not behind it ({detail}).`, `Start the service on the host (Start-Service EventLog).`},
		anyOther:     {HostService, `The pipe opens, but there is no proper answer on it ({outcome}).`, fixRestart},
	},
	atPipeCall: {
		AccessDenied: {Rights, `The Windows Event Log service denies the account the System log through the pipe ({detail}){right}.`, fixReaders + `{uac}.`},
		Unsupported:  {HostService, `The Windows Event Log service does not open the System log through the pipe ({detail}).`, fixRestart},
		anyOther:     {HostService, `The Windows Event Log service does not answer through the pipe ({outcome}).`, fixRestart},
	},
	atLogonBind: {
		AccessDenied: {Rights, `{Service} refuses the logon over RPC ({detail}).`, fixLogon},
		LogonFailed:  {Rights, `{Service} refuses the logon over RPC ({detail}).`, fixLogon},
		LockedOut:    {Directory, `The host says that the account is locked ({detail}).`, `Find out what locks it before it is unlocked; nothing more was tried with it.`},
		WrongHost:    {NameService, reasonProof, fixProof},
		anyOther:     {HostService, `{Service} answers on TCP {port} without a logon, but not with one ({outcome}).`, fixRestart},
	},
	atSealed: {
		AccessDenied: {Rights, `{Service} denies the account what it asked for ({detail}){right}.`, fixReaders + `{uac}.`},
		LogonFailed:  {Rights, `{Service} refuses the logon over RPC ({detail}).`, fixLogon},
		WrongHost:    {NameService, reasonProof, fixProof},
		Unsupported:  {HostService, `{Service} takes the logon, but not the question ({detail}).`, fixRestart},
		anyOther:     {HostService, `{Service} takes the logon, but there is no proper answer ({outcome}).`, fixRestart},
	},
}

// adviceNoDCOM is for a host without DCOM, whether it was asked with a credential or not.
var adviceNoDCOM = advice{NotWindows, `RPC answers on TCP {port}, but DCOM does not ({detail}): DCOM is turned off, or this is not Windows.`, `Find out what the host is; where it is Windows, turn DCOM on (HKLM\SOFTWARE\Microsoft\Ole, EnableDCOM = Y) and restart the host.`}

// adviceAllRefused is for 445 and 135 where both are refused: one ticket.
var adviceAllRefused = advice{NotWindows, `{doors} are both refused, so the host is up, but probably not Windows, where RPCSS always listens; or a firewall on the way rejects both{ergo}.`, `Find out what the host is; where it is Windows, look for a firewall that rejects {doors} on the way.`}

// adviceShort is for every timeout that the host's deadline cut.
var adviceShort = advice{ThisMachine, `TCP {port} had not answered when the host's --deadline was over, before the time of a stage (--timeout): what keeps it from answering is not known.`, fixNotBegun}

const (
	wordsNotBegun = `The host's time was spent before this rule was begun.`
	fixNotBegun   = `Raise --deadline, and run it again.`

	wordsSilentShort = `It was not given time enough: the host's --deadline was over before a stage's --timeout.`

	wordsWMI = `Which port WMI has is told only to a logon, so it cannot be proved without a credential.`
	fixWMI   = `To prove it without a credential, give WMI its fixed port on the host (winmgmt /standalonehost, then restart Winmgmt); if the operation fails at WMI, {enable}`

	wordsSilent = `No answer on {ports}: the host is off, asleep or elsewhere, or a firewall (Windows' own default too) drops everything.`
	fixSilent   = `Ask its console, its DHCP lease or its switch port whether it is on; where it is, {gpo}.`

	// Of a cause whose hosts do not all say the same: the first one's name, and what that says.
	wordsReasonOf = `On %s: %s`
	wordsFixOf    = `For %s: %s`

	wordsUnproven = `Nothing is blocked; WMI cannot be proved without a credential.`
	wordsReady    = `Every rule is reachable.`

	// With a credential.
	wordsAllGranted = `Every rule is reachable, and the credential is let in.`
	wordsNotTried   = `Nothing is blocked, but the credential was not tried everywhere.`
	wordsWMIUntried = `Which port WMI has is told only to a logon.`
	wordsUntried    = `The credential was not tried there.`
	wordsStopped    = `The credential was given up before it was tried there to the end.`
	fixStopped      = `Correct the credential, and run it again.`
)

// wordsGranted tells what the credential proved, by route.
var wordsGranted = map[Route]string{
	ByPipe:    `The pipe eventlog opens on TCP {port}, and the account may read the System log through it.`,
	ByDynamic: `{Service} answers on TCP {port} and lets the account in.{more}`,
	ByDCOM:    `{Service} is activated, answers on TCP {port} and lets the account in.`,
}

// wordsReachable tells what was proved, by route.
var wordsReachable = map[Route]string{
	ByPipe:    `SMB2 answers on TCP {port}; the pipe behind it needs a logon.`,
	ByMapper:  `The endpoint mapper answers on TCP {port}.`,
	ByDynamic: `{Service} answers on TCP {port}.`,
	ByDCOM:    `A DCOM server answers on TCP {port}, WMI's documented fixed port.`,
}

// A serviceText is how a service is called in a sentence, how to get one that is
// not listening to listen, and how to get one another port.
type serviceText struct{ name, start, restart string }

var serviceTexts = map[string]serviceText{
	"EventLog": {
		"the Windows Event Log service",
		`Start the service on the host (Start-Service EventLog), and look at HKLM\SOFTWARE\Microsoft\Rpc\Internet, where a wrong port range keeps services from listening.`,
		`Run it again; if it stays so, restart the service on the host (Restart-Service EventLog -Force), so that it tells the endpoint mapper its port anew.`,
	},
	"Schedule": {
		"Task Scheduler",
		`Start the service on the host (Start-Service Schedule); where it runs, a hardening has taken it off TCP: set DisableRpcOverTcp to 0 in HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule and restart the host.`,
		`Run it again; if it stays so, restart the host, so that Task Scheduler tells the endpoint mapper its port anew: Windows does not let that service be restarted alone.`,
	},
	"Winmgmt": {name: "WMI"},
	"RPCSS":   {name: "the endpoint mapper"},
	"all":     {name: "SMB"},
}
