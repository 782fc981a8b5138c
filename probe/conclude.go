package probe

import (
	"fmt"

	"github.com/gpreach/gpreach/rpc"
)

// conclude fills in what follows from what was seen about the asked
// operations' rules: findings, statuses, identity and warnings.
func (p *Prober) conclude(r *Report, rules []Rule, resolved Trail, seen *sighting) {
	wrong := p.identified(r, seen)
	mapper := Unknown
	for _, rule := range rules {
		if rule.Route == ByMapper {
			mapper = judge(rule, joined(resolved, seen.mapper()), "")
		}
	}
	r.Findings = make([]Finding, 0, len(rules))
	for rule, climbed := range seen.routes(rules) {
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
		p.word(r, &r.Findings[i], seen)
	}
	for _, op := range r.Asked {
		r.Operations = append(r.Operations, operation(op, r.Findings, seen.silent, p.Authenticate != nil))
	}
}

// identified fills in the report's identity, and returns the step that ends
// every trail when another host than the directory's answered.
func (p *Prober) identified(r *Report, seen *sighting) Trail {
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
	s := OperationStatus{Operation: op, Status: judgeOperation(op, findings, silent, given), Reason: wordsReady}
	want := Unreachable
	if s.Status == StatusUnproven {
		want, s.Reason = Unknown, wordsUnproven
	}
	for _, f := range findings {
		known := f.Rule.Route == ByDCOM && f.Verdict == Unknown && f.Cause.Owner == ""
		if f.Rule.Needed(op) && f.Verdict == want && !known {
			s.Reason = f.Reason
			break
		}
	}
	return s
}

// word gives a finding its reason, fix and cause.
func (p *Prober) word(r *Report, f *Finding, seen *sighting) {
	s := scene{rule: f.Rule, asked: r.Asked, step: f.Trail.last(), seen: seen}
	if failed, ok := f.Trail.Failed(); ok && f.Verdict == Unreachable {
		s.step = failed
	}
	s.place = placeOf(f.Rule, s.step, p.MapperPort)
	switch {
	case f.Verdict == Reachable:
		f.Reason = s.fill(wordsReachable[f.Rule.Route], "")
		return
	case r.Silent && s.step.Stage == Connect:
		s.ports = append([]uint16{p.SMBPort, p.MapperPort}, p.LivenessPorts...)
		f.Reason, f.Fix = s.fill(wordsSilent, ""), s.fill(fixSilent, "")
		f.Cause = Cause{Owner: PowerOrPlace, Stage: Connect, Outcome: s.step.Outcome, where: "everything"}
		return
	case notBegun(f.Trail):
		f.Reason, f.Fix = wordsNotBegun, fixNotBegun
		f.Cause = Cause{Owner: ThisMachine, Outcome: Timeout, where: "deadline"}
		return
	case f.Verdict == Unknown && s.step.Outcome == OK:
		f.Reason, f.Fix = s.fill(wordsWMI, ""), s.fill(fixWMI, "")
		return
	}
	a := adviceOn(s.place, s.step.Outcome)
	tell := ""
	if a.owner == "" {
		if a.owner, tell = s.firewall(r.Findings); a.owner == NetworkFirewall {
			a.fix = fixNetwork
		}
	}
	f.Reason, f.Fix = s.fill(a.reason, tell), s.fill(a.fix, tell)
	if a.owner == Nobody {
		return
	}
	f.Cause = Cause{Owner: a.owner, Stage: s.step.Stage, Outcome: s.step.Outcome, where: s.where()}
}
