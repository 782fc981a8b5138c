package probe

import "github.com/gpreach/gpreach/rpc"

func judgeDCOM(t, with Trail, mapper Verdict) Verdict {
	if mapper == Unreachable {
		return Unreachable
	}
	fixed := false
	for _, s := range t {
		switch {
		case s.object == rpc.ObjectExporter && s.Outcome == Unsupported:
			return Unreachable
		case s.object == rpc.RemUnknown2 && s.Outcome == OK:
			fixed = true
		}
	}
	switch v := judgeActivation(with); {
	case v != Unknown:
		return v
	case fixed:
		return Reachable
	}
	return Unknown // without a logon that succeeds the port cannot be learned
}

// judgeActivation tells what an activation with a credential, and what followed at
// the port that it named, proved.
func judgeActivation(with Trail) Verdict {
	for _, s := range with {
		switch {
		case !s.decides():
		case s.leadsNowhere():
			return Unreachable
		case s.Stage == Activate:
			switch s.Outcome {
			case Unsupported, NotRegistered, Timeout, Reset, Hangup, Garbled:
				return Unreachable
			}
		case s.leg != legActivated:
		case s.Stage == Bind && (s.Outcome == OK || s.Outcome == AccessDenied):
			return Reachable
		case s.Stage == Bind, s.Stage == Connect && s.Outcome != OK:
			return Unreachable
		}
	}
	return Unknown
}

// leadsNowhere reports whether a step activated what has no port.
func (s Step) leadsNowhere() bool { return s.Stage == Activate && s.Outcome == OK && s.named == 0 }
