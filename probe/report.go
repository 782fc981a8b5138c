package probe

import (
	"net/netip"
	"slices"
	"time"
)

// A Verdict says whether a rule lets us through.
type Verdict string

// The verdicts. Unknown is neither good nor bad.
const (
	Reachable   Verdict = "reachable"
	Unreachable Verdict = "unreachable"
	Unknown     Verdict = "unknown"
)

// Access says whether a credential was let in behind a rule.
type Access string

// The kinds of access. Without a credential all is Untested.
const (
	Granted  Access = "granted"
	Denied   Access = "denied"
	Untested Access = "untested"
)

// A Status sums up an operation on a host.
type Status string

// The statuses.
const (
	StatusReady       Status = "ready"       // every rule reachable
	StatusUnproven    Status = "unproven"    // nothing blocked, something unknown
	StatusSilent      Status = "silent"      // the host did not answer at all
	StatusDenied      Status = "denied"      // some access denied
	StatusUnreachable Status = "unreachable" // some rule unreachable
)

// Statuses returns all statuses, best first: a silent host may be switched
// off, an unreachable one is somebody's ticket.
func Statuses() []Status {
	return []Status{StatusReady, StatusUnproven, StatusSilent, StatusDenied, StatusUnreachable}
}

// A Finding is what was found about one rule.
type Finding struct {
	Rule    Rule
	For     []Operation // the asked operations that need the rule
	Verdict Verdict
	Access  Access
	Reason  string // one sentence
	Fix     string // one sentence; empty when the rule is reachable
	Cause   Cause  // whose ticket it is
	Trail   Trail
}

// An OperationStatus is the status of one operation, with a sentence of why.
type OperationStatus struct {
	Operation Operation
	Status    Status
	Reason    string
}

// An Identity is what a host says of itself without a logon: the NTLM
// challenge to a bind on 135, [MS-NLMP] section 2.2.1.2. All is printable ASCII.
type Identity struct {
	Computer string // NetBIOS name
	DNS      string // fully qualified name
	Domain   string // DNS domain, or the NetBIOS one where it has none
	Build    string // such as 10.0.22631
}

// A Report is all findings for one target at one address, and when and from
// where they were made.
type Report struct {
	Target     Target
	Address    netip.Addr // the zero Addr when the name did not resolve
	Vantage    string     // the machine that asked
	Asked      []Operation
	Credential string // "kerberos" or "ntlm", as used at this host, or "none"
	Started    time.Time
	Elapsed    time.Duration
	Identity   *Identity // nil when it was not learned
	Operations []OperationStatus
	Findings   []Finding
	Warnings   []string

	// LoggingOn is set when there was a credential for the host, used or not.
	LoggingOn bool
	// Silent is set when the host did not answer at all.
	Silent bool
	// Excluded is set when every address of the target's name is excluded:
	// nothing was dialled, and there is nothing to report.
	Excluded bool
}

// Status returns the status of op, or "" when it was not asked.
func (r *Report) Status(op Operation) Status {
	for _, o := range r.Operations {
		if o.Operation == op {
			return o.Status
		}
	}
	return ""
}

// Resolution returns the step that resolved the target's name, if it has one.
func (r *Report) Resolution() (Step, bool) {
	if len(r.Findings) == 0 || len(r.Findings[0].Trail) == 0 || r.Findings[0].Trail[0].Stage != Resolve {
		return Step{}, false
	}
	return r.Findings[0].Trail[0], true
}

// Worst returns the worst status of the asked operations, as Statuses orders them.
func (r *Report) Worst() Status {
	worst := StatusReady
	for _, o := range r.Operations {
		if slices.Index(Statuses(), o.Status) > slices.Index(Statuses(), worst) {
			worst = o.Status
		}
	}
	return worst
}

// Accepted reports whether every asked operation is ready or has one of the
// statuses in also.
func (r *Report) Accepted(also ...Status) bool {
	for _, o := range r.Operations {
		if o.Status != StatusReady && !slices.Contains(also, o.Status) {
			return false
		}
	}
	return true
}
