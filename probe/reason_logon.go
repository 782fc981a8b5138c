package probe

const (
	fixLaunch  = `Add the account to Administrators or Distributed COM Users of the host, and look at its limits for remote launch and activation (dcomcnfg, My Computer, COM Security){uac}.`
	fixWinmgmt = `Start the service on the host (Start-Service Winmgmt; it must not be disabled), look at its System log for events of DistributedCOM, and verify WMI's repository (winmgmt /verifyrepository).`
	fixHung    = `Restart the service on the host (Restart-Service Winmgmt -Force), and verify WMI's repository (winmgmt /verifyrepository).`
	fixEnabled = `Allow the account "Enable Account" and "Remote Enable" for the namespace on the host (wmimgmt.msc, properties of WMI Control, Security), or add it to Administrators{uac}.`
	fixAdmin   = `Add the account to Administrators of the host{uac}.`
)

// refusals tell more exactly than an outcome whose ticket a refusal is and what to do,
// by the status of Windows, the Kerberos error, the fault or the reason of a bind_nak.
var refusals = map[uint32]advice{
	faultDenied:        {owner: Rights, fix: `{refused}`},
	nakUnknownAuthType: {HostService, ``, `Look which security packages the host has (HKLM\SYSTEM\CurrentControlSet\Control\Lsa, Security Packages), and which device may answer in its place.`},
	0xC000005E:         {NetworkFirewall, ``, `Look whether the host reaches a domain controller (nltest /dsgetdc:DOMAIN), which it has to ask whether it may let the account in.`},
	0xC0000064:         {Directory, ``, fixGiven},
	0xC000006A:         {Directory, ``, fixGiven},
	statusLogonFailure: {Directory, ``, `{credential}`},
	0xC000006E:         {Directory, ``, fixGiven},
	0xC000006F:         {Directory, ``, fixGiven},
	0xC0000070:         {Directory, ``, fixGiven},
	0xC0000071:         {Directory, ``, fixGiven},
	0xC0000072:         {Directory, ``, fixGiven},
	0xC0000193:         {Directory, ``, fixGiven},
	0xC0000224:         {Directory, ``, fixGiven},
	0xC0000133:         {HostService, ``, fixClocks},
	0xC000018D:         {Directory, ``, fixMembership},
	0xC0000413:         {Rights, ``, `Give the account "Allowed to authenticate" on the host's computer object: a trust with selective authentication asks for it.`},
	0xC0000418:         {Rights, ``, `The host's policy "Network security: Restrict NTLM: Incoming NTLM traffic" keeps NTLM out: ask the host by its name, so that Kerberos is used.`},
	kerberosNotYet:     {HostService, ``, fixClocks},
	kerberosExpired:    {HostService, ``, fixClocks},
	kerberosSkew:       {HostService, ``, fixClocks},
	kerberosBadKey:     {Directory, ``, fixMembership},
	kerberosNoKey:      {Directory, ``, fixMembership},
}

const (
	fixGiven      = `Look at the account in the directory, or on the host where it is one of its own, correct the credential, and run it again.`
	fixClocks     = `Set the clocks of the host, the domain controller and this machine alike (w32tm /resync): Kerberos allows 5 minutes.`
	fixMembership = `Look whether the host has its place in the domain still (Test-ComputerSecureChannel on the host, with -Repair to mend it).`
)

// logonAdvices is like advices, for Task Scheduler and WMI with a credential.
var logonAdvices = map[place]map[Outcome]advice{
	atTasks: {
		AccessDenied: {Rights, `{Service} denies the account the root of its folders ({detail}){administrator}.`, fixAdmin},
		LogonFailed:  {Rights, `{Service} refuses the logon over RPC ({detail}).`, fixLogon},
		WrongHost:    {NameService, reasonProof, fixProof},
		Unsupported:  {HostService, `{Service} takes the logon, but not the question ({detail}).`, fixRestart},
		anyOther:     {HostService, `{Service} takes the logon, but there is no proper answer ({outcome}).`, fixRestart},
	},
	atRehearsal: {
		AccessDenied: {Rights, `{Service} denies the account to register the task of a remote refresh ({detail}){administrator}.`, fixAdmin},
		anyOther:     {Rights, `{Service} lets the account in, but refuses the rehearsal ({detail}).`, fixLogon},
	},
	atActivatorBind: {
		AccessDenied: {Rights, `DCOM refuses the logon over RPC on TCP {port} ({detail}).`, fixLogon},
		LogonFailed:  {Rights, `DCOM refuses the logon over RPC on TCP {port} ({detail}).`, fixLogon},
		LockedOut:    {Directory, `The host says that the account is locked ({detail}).`, `Find out what locks it before it is unlocked; nothing more was tried with it.`},
		WrongHost:    {NameService, reasonProof, fixProof},
		Unsupported:  adviceNoDCOM,
		anyOther:     {HostService, `The endpoint mapper answers on TCP {port} without a logon, but not with one ({outcome}).`, fixRestart},
	},
	atActivate: {
		OK:            {HostService, `WMI is activated, but the host names no TCP port for it.`, `Look whether DCOM may use TCP on the host ("DCOM Protocols" in HKLM\SOFTWARE\Microsoft\Rpc must hold ncacn_ip_tcp) and at HKLM\SOFTWARE\Microsoft\Rpc\Internet, where a wrong port range keeps services from listening; then restart the host.`},
		AccessDenied:  {Rights, `DCOM denies the account the activation of WMI ({detail}){launch}.`, fixLaunch},
		LogonFailed:   {Rights, `DCOM refuses the logon over RPC on TCP {port} ({detail}).`, fixLogon},
		WrongHost:     {NameService, reasonProof, fixProof},
		NotRegistered: {HostService, `DCOM answers, but WMI is not registered with it ({detail}): the service Winmgmt is disabled or damaged.`, fixWinmgmt},
		Unsupported:   {HostService, `DCOM answers, but {cannot} ({detail}).`, fixWinmgmt},
		Timeout:       {HostService, `DCOM takes the logon, but does not answer the activation of WMI in time: Winmgmt hangs, or starts more slowly than --timeout allows.`, fixHung},
		anyOther:      {HostService, `DCOM takes the logon, but has no proper answer to the activation of WMI ({outcome}).`, fixRestart},
	},
	atActivated: {
		Timeout:  {"", `WMI is activated and has TCP {port}, the port of {rule}, which does not answer: {tell}.`, fixEnable},
		Refused:  {NetworkFirewall, `WMI is activated and has TCP {port}, which is refused: a firewall on the way rejects it, or WMI stopped just now.`, `Look for a firewall that rejects the dynamic ports on the way; then run it again.`},
		anyOther: {NetworkFirewall, `WMI is activated and has TCP {port}, which cannot be connected to ({outcome}).`, fixNetwork},
	},
	atActivatedBind: {
		AccessDenied: {Rights, `WMI answers on TCP {port}, but refuses the logon over RPC ({detail}).`, fixLogon},
		LogonFailed:  {Rights, `WMI answers on TCP {port}, but refuses the logon over RPC ({detail}).`, fixLogon},
		WrongHost:    {NameService, reasonProof, fixProof},
		Unsupported:  {HostService, `TCP {port} is open, but WMI, which was activated there, is not behind it ({detail}): another service may have the port now.`, fixHung},
		anyOther:     {NetworkFirewall, `TCP {port} connects, but WMI, which was activated there, does not answer ({outcome}): a firewall that inspects RPC cuts it, or the service hangs.`, fixRestart},
	},
	atNamespace: {
		AccessDenied: {Rights, `WMI answers on TCP {port}, but denies the account a namespace ({detail}{counts}){enabled}.`, fixEnabled},
		LogonFailed:  {Rights, `WMI answers on TCP {port}, but refuses the logon over RPC ({detail}).`, fixLogon},
		WrongHost:    {NameService, reasonProof, fixProof},
		Unsupported:  {HostService, `WMI lets the account in on TCP {port}, but does not open a namespace ({detail}{counts}).`, `Look at WMI on the host (winmgmt /verifyrepository); a namespace root\rsop that is missing is made again by: mofcomp C:\Windows\System32\wbem\rsop.mof.`},
		Timeout:      {HostService, `WMI answers on TCP {port}, but does not open a namespace in time ({detail}{counts}): Winmgmt hangs, or is slower than --timeout or --deadline allows.`, fixHung},
		anyOther:     {HostService, `WMI takes the logon on TCP {port}, but there is no proper answer ({outcome}).`, fixRestart},
	},
}
