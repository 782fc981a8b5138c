package probe

import (
	"fmt"
	"slices"

	"github.com/gpreach/gpreach/rpc"
)

// conclude fills in what follows from what was seen about the asked
// operations' rules: findings, statuses, identity and warnings.
func (c *climb) conclude(r *Report, resolved Trail, seen *sighting) {
	wrong := identified(r, seen)
	mapper := Unknown
	for _, rule := range c.rules {
		if rule.Route == ByMapper {
			mapper = judge(rule, joined(resolved, seen.mapper()), "")
		}
	}
	r.Findings = make([]Finding, 0, len(c.rules))
	for rule, climbed := range seen.routes(c.rules) {
		t := joined(resolved, *climbed, wrong)
		f := Finding{Rule: rule, Verdict: judge(rule, t, mapper), Access: judgeAccess(t), Trail: t}
		for _, op := range r.Asked {
			if rule.Needed(op) {
				f.For = append(f.For, op)
			}
		}
		r.Findings = append(r.Findings, f)
	}
	r.Silent = seen.silent
	r.Warnings = append(r.Warnings, seen.warnings...)
	for i := range r.Findings {
		c.word(r, &r.Findings[i], seen)
	}
	for _, op := range r.Asked {
		r.Operations = append(r.Operations, operation(op, r.Findings, seen.silent, r.LoggingOn))
	}
}

// identified fills in the report's identity, and returns the step that ends
// every trail when another host than the directory's answered.
func identified(r *Report, seen *sighting) Trail {
	c := seen.identity
	if c == nil {
		return nil
	}
	r.Identity = &Identity{Computer: clean(c.NetBIOSComputer), DNS: clean(c.DNSComputer), Domain: clean(c.DNSDomain)}
	if c.DNSDomain == "" {
		r.Identity.Domain = clean(c.NetBIOSDomain)
	}
	if c.Build != 0 {
		r.Identity.Build = fmt.Sprintf("%d.%d.%d", c.Major, c.Minor, c.Build)
	}
	if *r.Identity == (Identity{}) {
		r.Identity = nil // it said nothing
		return nil
	}
	_, literal := r.Target.Addr()
	switch {
	case c.DNSComputer == "":
	case isAnother(r.Target, c):
		step := seen.identify
		step.Detail = r.Identity.DNS
		return Trail{step}
	case r.Target.DNSHostName == "" && !literal && !sameHost(r.Target.Name, c.DNSComputer):
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s answers as %s", r.Target.Name, r.Identity.DNS))
	}
	return nil
}

// isAnother reports whether another host answered than the one that the directory
// means by a target.
func isAnother(t Target, c *rpc.Challenge) bool {
	return t.DNSHostName != "" && c != nil && c.DNSComputer != "" && !sameHost(t.DNSHostName, c.DNSComputer)
}

// operation sums up the findings that op needs, with a sentence of why.
func operation(op Operation, findings []Finding, silent, given bool) OperationStatus {
	s := OperationStatus{Operation: op, Status: judgeOperation(op, findings, silent, given)}
	why := func(f Finding) bool { return f.Verdict == Unreachable }
	switch {
	case s.Status == StatusReady && given:
		s.Reason = wordsAllGranted
	case s.Status == StatusReady:
		s.Reason = wordsReady
	case s.Status == StatusDenied:
		why = func(f Finding) bool { return f.Access == Denied }
	case s.Status == StatusUnproven && given:
		s.Reason = wordsNotTried
		why = func(f Finding) bool { return f.Cause.Owner != "" }
	case s.Status == StatusUnproven:
		s.Reason = wordsUnproven
		why = func(f Finding) bool {
			return f.Verdict == Unknown && !(f.Rule.Route == ByDCOM && f.Cause.Owner == "") //nolint:staticcheck // as it is said
		}
	}
	for _, f := range findings {
		if f.Rule.Needed(op) && why(f) {
			s.Reason = f.Reason
			break
		}
	}
	return s
}

// decisive returns the step that the wording about a finding is about.
func (f *Finding) decisive() Step {
	_, with := f.Trail.anonymous()
	if at := slices.IndexFunc(with, Step.refuses); at >= 0 && f.Access == Denied && f.Verdict == Reachable {
		return with[at]
	}
	if f.Access == Granted {
		return f.Trail.last()
	}
	if at := slices.IndexFunc(with, Step.leadsNowhere); at >= 0 {
		return with[at]
	}
	if failed, ok := f.Trail.Failed(); ok && (f.Verdict == Unreachable || failed.by != anonymously) {
		return failed
	}
	return f.Trail.last()
}

// word gives a finding its reason, fix and cause.
func (c *climb) word(r *Report, f *Finding, seen *sighting) {
	s := scene{rule: f.Rule, asked: r.Asked, step: f.decisive(), seen: seen}
	s.place = placeOf(f.Rule, s.step, c.p.MapperPort)
	for _, other := range r.Findings {
		s.both = s.both || other.Rule.Route == ByDynamic && other.Access == Granted
	}
	given := r.LoggingOn && f.Rule.Route != ByMapper
	switch {
	case f.Verdict == Reachable && f.Access == Denied:
	case f.Verdict == Reachable && f.Access == Granted:
		f.Reason = s.fill(wordsGranted[f.Rule.Route], "")
		return
	case f.Verdict == Reachable && s.step.Outcome == OK:
		if f.Reason = s.fill(wordsReachable[f.Rule.Route], ""); given {
			f.Reason += " " + wordsUntried
		}
		return
	case f.Verdict == Reachable && s.step.Outcome == Canceled:
		f.Reason = s.fill(wordsReachable[f.Rule.Route], "") + " " + wordsStopped
		return
	case s.step.Outcome == Canceled && s.step.by != anonymously:
		f.Reason, f.Fix = wordsStopped, fixStopped
		return
	case r.Silent && s.step.Stage == Connect:
		s.ports = append([]uint16{c.p.SMBPort, c.p.MapperPort}, c.p.LivenessPorts...)
		f.Reason, f.Fix = s.fill(wordsSilent, ""), s.fill(fixSilent, "")
		if s.step.short {
			f.Reason, f.Fix = f.Reason+" "+wordsSilentShort, fixNotBegun+" "+f.Fix
		}
		f.Cause = Cause{Owner: PowerOrPlace, Stage: Connect, Outcome: s.step.Outcome, where: "everything"}
		return
	case notBegun(f.Trail):
		f.Reason, f.Fix, f.Cause = wordsNotBegun, fixNotBegun, deadlineSpent
		return
	case f.Verdict == Unknown && s.step.Outcome == OK:
		f.Reason, f.Fix = s.fill(wordsWMI, ""), s.fill(fixWMI, "")
		if given {
			f.Reason = wordsWMIUntried + " " + wordsUntried
		}
		return
	}
	a := s.advice()
	tell := ""
	if a.owner == "" {
		if a.owner, tell = s.firewall(r.Findings); a.owner == NetworkFirewall {
			a.fix = fixNetwork
		}
	}
	f.Reason, f.Fix = s.fill(a.reason, tell), s.fill(a.fix, tell)
	if f.Verdict == Reachable && f.Access != Denied { // what to do stands in the reason, for nothing is wrong with the rule
		f.Reason, f.Fix = f.Reason+" "+f.Fix, ""
	}
	switch {
	case a.owner == Nobody:
		return
	case s.step.short:
		f.Cause = deadlineSpent
		return
	}
	f.Cause = Cause{Owner: a.owner, Stage: s.step.Stage, Outcome: s.step.Outcome, where: s.where()}
}
