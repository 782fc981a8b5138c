package probe

import "github.com/gpreach/gpreach/rpc"

// judge turns what was seen into what it means for a rule. mapper is the
// verdict of the mapper rules, which the other routes through 135 build on.
// The first case that fits decides; none looks at anything but its arguments.
func judge(r Rule, t Trail, mapper Verdict) Verdict {
	last := t.last()
	switch {
	case last.Outcome == Canceled, last.Outcome == NoResources, notBegun(t):
		return Unknown
	case last.Outcome == WrongHost, last.Stage == Resolve:
		return Unreachable
	}
	switch r.Route {
	case ByPipe:
		return judgePipe(last)
	case ByMapper:
		return judgeMapper(last)
	case ByDynamic:
		return judgeDynamic(r, last, mapper)
	case ByDCOM:
		return judgeDCOM(t, mapper)
	}
	return Unknown
}

// notBegun reports whether no step was tried after the name was resolved.
func notBegun(t Trail) bool {
	last := t.last()
	return len(t) == 0 || last.Stage == Resolve && last.Outcome == OK
}

func judgePipe(last Step) Verdict {
	if last.Stage == Negotiate && last.Outcome == OK {
		return Reachable
	}
	return Unreachable
}

func judgeMapper(last Step) Verdict {
	switch {
	case last.Stage == Bind && last.Outcome == OK:
		return Reachable
	case last.Stage == Bind && last.Outcome == AccessDenied:
		return Unknown
	}
	return Unreachable
}

func judgeDynamic(r Rule, last Step, mapper Verdict) Verdict {
	switch {
	case mapper == Unreachable:
		return Unreachable // the port cannot be learned
	case last.Outcome == AccessDenied:
		return Unknown // the mapper, or the service itself, wants a logon first
	case last.Stage == Bind && last.object == r.Object && last.Outcome == OK:
		return Reachable
	}
	return Unreachable
}

func judgeDCOM(t Trail, mapper Verdict) Verdict {
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
	if fixed {
		return Reachable
	}
	return Unknown // without a logon the port cannot be learned
}

// judgeOperation sums up the findings that op needs. The first status that
// applies holds.
func judgeOperation(op Operation, findings []Finding, silent bool) Status {
	if silent {
		return StatusSilent
	}
	status := StatusReady
	for _, f := range findings {
		switch {
		case !f.Rule.Needed(op):
		case f.Verdict == Unreachable:
			return StatusUnreachable
		case f.Access == Denied:
			status = StatusDenied
		case f.Verdict == Unknown && status == StatusReady:
			status = StatusUnproven
		}
	}
	return status
}
