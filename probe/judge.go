package probe

import "slices"

// judge turns what was seen into what it means for a rule. mapper is the
// verdict of the mapper rules, which the other routes through 135 build on.
// The first case that fits decides; none looks at anything but its arguments.
func judge(r Rule, all Trail, mapper Verdict) Verdict {
	t, with := all.anonymous()
	last := t.last()
	switch {
	case last.Outcome == Canceled, last.Outcome == NoResources, notBegun(t):
		return Unknown
	case last.Outcome == WrongHost, last.Stage == Resolve:
		return Unreachable
	}
	switch r.Route {
	case ByPipe:
		return judgePipe(last, with)
	case ByMapper:
		return judgeMapper(last)
	case ByDynamic:
		return judgeDynamic(r, last, with, mapper)
	case ByDCOM:
		return judgeDCOM(t, with, mapper)
	}
	return Unknown
}

// notBegun reports whether no step was tried after the name was resolved.
func notBegun(t Trail) bool {
	last := t.last()
	return len(t) == 0 || last.Stage == Resolve && last.Outcome == OK
}

// decides reports whether a step with a credential may decide a verdict: not one
// that this machine or a KDC is to blame for.
func (s Step) decides() bool {
	return s.by != byKDC && s.Outcome != Canceled && s.Outcome != NoResources
}

func judgePipe(last Step, with Trail) Verdict {
	for _, s := range with {
		if !s.decides() {
			continue
		}
		switch s.Outcome {
		case Timeout, Reset, Hangup, Garbled:
			return Unreachable
		case NotRegistered:
			if s.Stage == Open {
				return Unreachable
			}
		case Unsupported:
			if s.Stage == Bind {
				return Unreachable
			}
		}
	}
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

func judgeDynamic(r Rule, last Step, with Trail, mapper Verdict) Verdict {
	bound := func(s Step) bool { return s.Stage == Bind && s.object == r.Object && s.Outcome == OK }
	switch {
	case mapper == Unreachable:
		return Unreachable // the port cannot be learned
	case slices.ContainsFunc(with, bound):
		return Reachable
	case last.Outcome == AccessDenied:
		return Unknown // the mapper, or the service itself, wants a logon first
	case bound(last):
		return Reachable
	}
	return Unreachable
}

// judgeAccess tells whether the credential was let in, of a trail's steps with it.
// A KDC that does not know the host decides upon the mechanism, where steps follow.
// A rehearsal comes after what grants access, and can only show that it is denied.
func judgeAccess(t Trail) Access {
	_, with := t.anonymous()
	access := Untested
	if with.last().Stage == Call {
		access = Granted
	}
	for i, s := range with {
		switch {
		case s.rehearsed && !s.refuses():
		case s.Outcome == OK, s.by == byKDC && s.Outcome == Unsupported && i < len(with)-1:
		case s.refuses():
			return Denied
		default:
			access = Untested
		}
	}
	return access
}

// refuses reports whether a step with a credential ended by its being refused.
func (s Step) refuses() bool {
	return s.Outcome == AccessDenied || s.Outcome == LogonFailed || s.Outcome == LockedOut
}

// judgeOperation sums up the findings that op needs. The first status that
// applies holds. given tells whether there is a credential, which must then have
// been let in everywhere.
func judgeOperation(op Operation, findings []Finding, silent, given bool) Status {
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
		case status == StatusReady && (f.Verdict == Unknown || given && f.Access == Untested && f.Rule.Route != ByMapper):
			status = StatusUnproven
		}
	}
	return status
}
