package probe

import (
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
	if s.step.short {
		return adviceShort
	}
	if s.allRefused() {
		return adviceAllRefused
	}
	a := adviceOn(s.place, s.step.Outcome)
	more, ok := refusals[s.step.code]
	switch {
	case !ok || !s.step.refuses() || a.owner != Rights && a.owner != Directory:
	case s.place == atKDC: // no host has said it
		a.fix = more.fix
	default:
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
	case "restart":
		return service.restart
	case "doors":
		return portText(s.smbStep()) + " and " + strconv.Itoa(int(portOf(s.mapperStep())))
	case "port":
		return strconv.Itoa(int(portOf(s.step)))
	case "peer":
		return s.step.Peer
	case "outcome":
		return string(s.step.Outcome)
	case "detail":
		return s.detail()
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
	return s.wordOfLogon(name)
}

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
