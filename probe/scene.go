package probe

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gpreach/gpreach/rpc"
)

// A scene is all that the wording about a finding depends on.
type scene struct {
	rule  Rule
	asked []Operation
	step  Step // the decisive one
	place place
	seen  *sighting
	both  bool     // another route lets the account in
	ports []uint16 // that a silent host did not answer on
}

// placeOf tells where on a route a step stands.
func placeOf(r Rule, s Step, mapperPort uint16) place {
	onMapper := portOf(s) == mapperPort
	if s.by != anonymously {
		return placeOfLogon(r, s)
	}
	switch s.Stage {
	case Resolve:
		return atName
	case Identify:
		return atIdentity
	case Negotiate:
		return atNegotiate
	case Map:
		return atMap
	case Call:
		return atAlive
	case Connect:
		switch {
		case r.Route == ByPipe:
			return atSMB
		case onMapper:
			return atMapper
		}
		return atPort
	case Bind:
		switch s.object {
		case rpc.EndpointMapper:
			return atMapperBind
		case rpc.ObjectExporter:
			return atDCOM
		}
		return atService
	}
	return anywhere
}

// placeOfLogon is placeOf for a step with a credential.
func placeOfLogon(r Rule, s Step) place {
	onPipe := r.Route == ByPipe
	switch {
	case s.by == byKDC:
		return atKDC
	case s.Stage == Authenticate:
		return atLogon
	case s.Stage == Connect && s.leg == legActivated:
		return atActivated
	case s.Stage == Connect:
		return atReconnect
	case r.Route == ByDCOM:
		return placeOfDCOM(s)
	case s.Stage == Open:
		return atPipe
	case s.Stage == Bind && onPipe:
		return atPipeBind
	case s.Stage == Bind:
		return atLogonBind
	case onPipe:
		return atPipeCall
	case s.rehearsed:
		return atRehearsal
	case r.Object == rpc.TaskScheduler:
		return atTasks
	}
	return atSealed
}

// placeOfDCOM is placeOfLogon for a step of DCOM.
func placeOfDCOM(s Step) place {
	switch {
	case s.Stage == Activate:
		return atActivate
	case s.Stage == Call:
		return atNamespace
	case s.leg == legActivated:
		return atActivatedBind
	}
	return atActivatorBind
}

func portOf(s Step) uint16 {
	p, _ := netip.ParseAddrPort(s.Peer)
	return p.Port()
}

// advice finds the wording for the scene. Where a logon or a right is refused, the code
// may tell more of it than the outcome.
func (s scene) advice() advice {
	a := adviceOn(s.place, s.step.Outcome)
	more, ok := refusals[s.step.code]
	if ok && s.step.refuses() && (a.owner == Rights || a.owner == Directory) {
		a.owner, a.fix = more.owner, more.fix
	}
	return a
}

// adviceOn finds the wording for a place and outcome.
func adviceOn(at place, o Outcome) advice {
	there, ok := logonAdvices[at]
	if !ok {
		there = advices[at]
	}
	if a, ok := there[o]; ok {
		return a
	}
	if a, ok := advices[anywhere][o]; ok {
		return a
	}
	return there[anyOther]
}

// fill puts a scene's facts into a template: for each name in braces what word
// returns, which is not looked at again.
func (s scene) fill(template, tell string) string {
	var b strings.Builder
	b.Grow(len(template) + 32)
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return sentence(b.String())
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(s.word(name, tell))
		template = after
	}
}

// word returns what a name in braces stands for.
func (s scene) word(name, tell string) string {
	service := serviceTexts[s.rule.Service]
	switch name {
	case "service":
		return service.name
	case "Service":
		return sentence(service.name)
	case "start":
		return service.start
	case "port":
		return strconv.Itoa(int(portOf(s.step)))
	case "peer":
		return s.step.Peer
	case "outcome":
		return string(s.step.Outcome)
	case "detail":
		return strings.TrimSuffix(cmp.Or(s.step.Detail, string(s.step.Outcome)), ".")
	case "tell":
		return tell
	case "ports":
		return portList(s.ports)
	case "enable":
		return s.enable()
	case "gpo":
		return s.gpo()
	case "rule":
		return s.rule.ID
	case "right":
		return s.right()
	case "ticket":
		return s.ticket()
	case "launch":
		return s.launch()
	case "refused":
		return s.refused()
	case "administrator":
		return s.administrator()
	case "enabled":
		return s.enabled()
	case "cannot":
		if s.step.code < 1<<31 { // a fault, and no HRESULT
			return "refuses the call that activates WMI"
		}
		return "cannot start WMI"
	case "counts":
		if len(s.asked) > 1 {
			return "; it counts for both operations"
		}
		return ""
	case "more":
		return s.more()
	case "credential":
		if s.seen.credential == "kerberos" {
			return "By Kerberos this is no wrong password: most likely the host is another one than the name says, or has lost its place in the domain (Test-ComputerSecureChannel)."
		}
		return fixCredential
	case "uac":
		if s.seen.credential == "ntlm" {
			return "; of a local account, also set LocalAccountTokenFilterPolicy to 1 on the host"
		}
		return ""
	case "through":
		if s.place == atPort || s.place == atActivated {
			return "the dynamic RPC ports (TCP 49152-65535, unless restricted)"
		}
		return portText(s.step)
	case "ergo": // what follows for a service whose port only the mapper tells
		if s.rule.Route == ByDynamic || s.rule.Route == ByDCOM {
			return "; without it the port of " + service.name + " cannot be learned"
		}
		return ""
	}
	return "{" + name + "}" // which a test finds
}

// right tells which right an account lacks that is denied a log.
func (s scene) right() string {
	readers := ": it is in neither Event Log Readers nor Administrators there"
	switch {
	case s.place == atPipeCall && s.step.code == faultDenied && s.both:
		return ", though over TCP it lets the account in, as where an RPC filter blocks the pipe alone"
	case s.step.code == faultDenied:
		return refusedCall
	case s.place == atPipeCall && s.both:
		return ", though over TCP it lets the account in: the pipe wants Administrators or Event Log Readers of the host itself"
	}
	if s.place == atSealed { // whose channels have permissions of their own
		readers += ", or the log's own permissions leave it out (wevtutil gl)"
	}
	return readers + s.filtered()
}

// filtered tells what else may keep a local account out, where it may be one.
func (s scene) filtered() string {
	if s.seen.credential == "ntlm" {
		return ", or it is a local account that UAC filters over the network"
	}
	return ""
}

// launch tells why an account may not activate WMI.
func (s scene) launch() string {
	if s.step.code == faultDenied {
		return refusedCall + ", or DCOM's hardening refuses it (event 10036 in its System log)"
	}
	return ": it lacks Remote Launch and Remote Activation there, for it is in neither Administrators nor Distributed COM Users" + s.filtered()
}

// enabled tells why an account may not use a namespace of WMI.
func (s scene) enabled() string {
	switch s.step.code {
	case wbemAccessDenied:
		return ": it lacks Remote Enable on the namespace" + s.filtered()
	case faultDenied:
		return refusedCall + ", or DCOM's limits for remote access leave the account out"
	}
	return ": WMI's access permissions for remote calls, or those of the namespace, leave it out" + s.filtered()
}

// administrator tells why an account may not use the Task Scheduler.
func (s scene) administrator() string {
	if s.step.code == faultDenied {
		return refusedCall
	}
	return ": it is not in Administrators there" + s.filtered()
}

// refusedCall tells of a call that RPC refused by a fault, not the service by what it
// returns.
const refusedCall = ": the call itself, before any right was looked at. Most likely the host refuses the logon by RPC"

// refused tells what to do about that.
func (s scene) refused() string {
	const rest = "at the host's RPC filters (netsh rpc filter show filter), and at its policies for logons over the network and for NTLM."
	if s.rule.Route == ByDCOM {
		return "Look for event 10036 in the host's System log, which tells the account and the level that DCOM refused (gpreach asks at packet privacy, the highest there is); without one, at the limits for remote access and launch (dcomcnfg, My Computer, COM Security), " + rest
	}
	return "Look " + rest
}

// more tells what a call that was allowed does not prove.
func (s scene) more() string {
	switch {
	case s.rule.Object != rpc.TaskScheduler:
		return ""
	case s.step.rehearsed && s.step.Outcome == OK:
		return " It validated a task such as a remote refresh registers, and was asked to store none; registering one needs Administrators of the host, and whether Windows looks at that when it validates has not been verified."
	case s.step.rehearsed:
		return " It did not validate a task such as a remote refresh registers (" + s.word("detail", "") + "), which --rehearse asks for and which has not been verified with Windows."
	}
	return " Registering a task, which a remote refresh does, needs Administrators of the host and was not tried."
}

// ticket tells what to do where a KDC gives no ticket.
func (s scene) ticket() string {
	switch s.step.code {
	case kdcServiceTwice, kdcServiceIsUser:
		return "look whether two accounts have the same service name (setspn -X), or an account that is no computer's has it"
	case kdcServiceUnknown:
		return "ask by the name under which the host is joined to the domain (setspn -L HOST lists its service names); a host outside the domain takes --allow-ntlm"
	case 0:
		return "let this machine find a KDC of the host's realm (krb5.conf, or DNS), or ask the host by its address, with --allow-ntlm"
	}
	return "look at the domain controller's log, and run it again"
}

const (
	kdcServiceUnknown  = 7          // KDC_ERR_S_PRINCIPAL_UNKNOWN
	kdcServiceTwice    = 8          // KDC_ERR_PRINCIPAL_NOT_UNIQUE
	kdcServiceIsUser   = 27         // KDC_ERR_MUST_USE_USER2USER
	kerberosExpired    = 32         // KRB_AP_ERR_TKT_EXPIRED
	kerberosNotYet     = 33         // KRB_AP_ERR_TKT_NYV
	kerberosSkew       = 37         // KRB_AP_ERR_SKEW
	kerberosBadKey     = 44         // KRB_AP_ERR_BADKEYVER
	kerberosNoKey      = 45         // KRB_AP_ERR_NOKEY
	nakUnknownAuthType = 8          // authentication_type_not_recognized, of a bind_nak
	faultDenied        = 5          // the RPC fault ERROR_ACCESS_DENIED
	statusLogonFailure = 0xC000006D // STATUS_LOGON_FAILURE
	wbemAccessDenied   = 0x80041003 // WBEM_E_ACCESS_DENIED
)

// sentence makes the first letter a capital.
func sentence(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// RunOnHost stands in a fix before a PowerShell line that is meant for pasting,
// and ends the fix.
const RunOnHost = "run this on the host: "

// enable tells how to open the rules that are in the way: the Starter GPO
// first. Nothing that a host said stands in it, since it is meant for pasting.
func (s scene) enable() string {
	var ids []string
	for _, r := range rules {
		inTheWay := r.ID == s.rule.ID
		if s.place == atMapper {
			inTheWay = r.Route == ByMapper && slices.ContainsFunc(s.asked, r.Needed)
		}
		if inTheWay {
			ids = append(ids, r.Variants()...)
		}
	}
	return s.gpo() + "; where no GPO governs the rule, " + RunOnHost + "Get-NetFirewallRule -Name '" +
		strings.Join(ids, "','") + "' -ErrorAction SilentlyContinue | Enable-NetFirewallRule"
}

// gpo tells which Starter GPOs open the rules that are in the way: of a host
// that is silent or whose mapper is blocked, those of everything asked.
func (s scene) gpo() string {
	var names []string
	for _, op := range s.asked {
		if s.rule.Needed(op) || s.place == atMapper || s.ports != nil {
			names = append(names, `"`+StarterGPO(op)+`"`)
		}
	}
	made := "link a GPO made from the Starter GPO "
	if len(names) > 1 {
		made = "link GPOs made from the Starter GPOs "
	}
	return made + strings.Join(names, " and ") + " above the Default Domain Policy"
}

func portList(ports []uint16) string {
	var texts []string
	for _, p := range ports {
		texts = append(texts, strconv.Itoa(int(p)))
	}
	return "TCP " + strings.Join(texts, ", ")
}
