package probe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Cause is why a rule is not reachable, apart from the host: findings with
// the same cause are one ticket. The zero Cause is no ticket: the rule is
// reachable, or only a credential can tell.
type Cause struct {
	Owner   Owner
	Stage   Stage
	Outcome Outcome
	where   string // what the stage was about: a port, a service
}

// deadlineSpent is the cause of all that the host's deadline left too little time, or none.
var deadlineSpent = Cause{Owner: ThisMachine, Outcome: Timeout, where: "deadline"}

// String tells the cause in a few words, such as "TCP 135: connect timeout".
func (c Cause) String() string {
	switch {
	case c.Owner == PowerOrPlace:
		return "no answer at all"
	case c.Stage == Activate && c.Outcome == OK:
		return c.where + ": no TCP port"
	}
	return c.where + ": " + strings.TrimSpace(string(c.Stage)+" "+string(c.Outcome))
}

// where tells what the decisive step was about, alike for hosts alike.
func (s scene) where() string {
	service := s.rule.Service
	if s.allRefused() {
		return s.word("doors", "")
	}
	switch s.place {
	case atName:
		return "name"
	case atIdentity:
		return "host"
	case atMap:
		return service + " at the mapper"
	case atPort, atService:
		return service + " dynamic port"
	case atKDC:
		return "ticket"
	case atActivatorBind:
		if s.step.Outcome == Unsupported {
			return "DCOM on " + portText(s.step)
		}
		return "logon on " + s.service()
	case atReconnect, atLogon, atLogonBind:
		return "logon on " + s.service()
	case atPipe, atPipeBind, atPipeCall, atSealed, atTasks, atRehearsal:
		return s.service()
	case atActivate:
		return "activation of WMI"
	case atActivated, atActivatedBind:
		return "WMI's dynamic port"
	case atNamespace:
		return "WMI's namespaces"
	case atDCOM, atAlive:
		return "DCOM on " + portText(s.step)
	}
	return portText(s.step)
}

// service names what was logged on to.
func (s scene) service() string {
	switch {
	case s.step.leg == legSMB:
		return portText(s.step)
	case s.rule.Route == ByPipe:
		return "pipe " + s.rule.Pipe
	case s.rule.Route == ByDCOM:
		return "DCOM"
	}
	return s.rule.Service + " dynamic port"
}

// firewall tells whose firewall drops a connect, as far as the trails tell.
// Windows' own firewall drops silently, and so do most others.
func (s scene) firewall(findings []Finding) (Owner, string) {
	answers, dropped := 0, 0
	for _, f := range findings {
		if f.Rule.Route != ByDynamic {
			continue
		}
		for _, step := range f.Trail {
			if placeOf(f.Rule, step, portOf(s.mapperStep())) != atPort {
				continue
			}
			switch step.Outcome {
			case OK, Refused:
				answers++
			case Timeout:
				if !step.short {
					dropped++
				}
			}
		}
	}
	switch {
	case answers > 0 && s.place == atActivated:
		return HostFirewall, "a dynamic port of another service answers, so the host's own firewall drops this one"
	case answers > 0 && s.place == atPort:
		return HostFirewall, "another dynamic port of the host answers, so the host's own firewall drops this one"
	case answers > 0:
		return HostFirewall, "a dynamic port of the host answers, so the host's own firewall drops this one"
	case s.place == atPort && dropped > 1:
		return NetworkFirewall, "no dynamic port of the host does, as behind a network firewall that lets only fixed ports through; with the host's rules off it looks the same"
	case s.place == atActivated && dropped > 0:
		return NetworkFirewall, "no dynamic port of the host does, as behind a network firewall that lets only fixed ports through; with the host's rules off it looks the same"
	case s.place == atPort, s.place == atActivated:
		return AnyFirewall, "the host's rule is off, or a network firewall drops the dynamic ports"
	case s.seen.alive != 0:
		return HostFirewall, fmt.Sprintf("the host is up (TCP %d answers), so most likely its own firewall drops this port, as Windows' default does", s.seen.alive)
	case s.place == atSMB && s.mapperStep().Outcome == OK:
		return AnyFirewall, "the host answers on " + portText(s.mapperStep()) + ", so its rule for this port is off, or a network firewall drops it"
	case s.place == atMapper && s.smbStep().Outcome == OK:
		return AnyFirewall, "the host answers on " + portText(s.smbStep()) + ", so its rule for this port is off, or a network firewall drops it"
	}
	return AnyFirewall, "a firewall drops it, on the host or on the way"
}

func portText(s Step) string { return "TCP " + strconv.Itoa(int(portOf(s))) }

// mapperStep and smbStep return the connect to 135 and 445 that counted.
func (s scene) mapperStep() Step { return connectOf(s.seen.mapper()) }
func (s scene) smbStep() Step    { return connectOf(s.seen.smb) }

// allRefused reports whether the step is about 445 or 135, which both are refused.
func (s scene) allRefused() bool {
	return (s.place == atSMB || s.place == atMapper) && s.smbStep().Outcome == Refused && s.mapperStep().Outcome == Refused
}

func connectOf(t Trail) Step {
	var found Step
	for _, s := range t {
		if s.Stage == Connect {
			found = s
		}
	}
	return found
}

// Causes returns the report's causes, each once, in the order of the rules.
func (r *Report) Causes() []Cause {
	var causes []Cause
	for _, f := range r.Findings {
		if f.Cause != (Cause{}) && !slices.Contains(causes, f.Cause) {
			causes = append(causes, f.Cause)
		}
	}
	return causes
}
