package probe

import (
	"slices"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// A Stage is a rung of a route.
type Stage string

// The stages. Activate, Authenticate and Open need a credential.
const (
	Resolve      Stage = "resolve"
	Connect      Stage = "connect"
	Negotiate    Stage = "negotiate"
	Identify     Stage = "identify"
	Bind         Stage = "bind"
	Map          Stage = "map"
	Activate     Stage = "activate"
	Authenticate Stage = "authenticate"
	Open         Stage = "open"
	Call         Stage = "call"
)

// An Outcome is what came of trying a stage.
type Outcome string

// The outcomes: a closed list, fit for a metric's label.
const (
	OK            Outcome = "ok"
	NoSuchName    Outcome = "no-such-name"   // NXDOMAIN, or no address
	Timeout       Outcome = "timeout"        // no answer in time, cut by the deadline, or the resolver failed
	Refused       Outcome = "refused"        // a reset to the connect
	Unroutable    Outcome = "unreachable"    // an ICMP error, or no route
	NotPermitted  Outcome = "not-permitted"  // this machine's own firewall
	NoResources   Outcome = "no-resources"   // this machine ran out of descriptors, ports or buffers
	Reset         Outcome = "reset"          // the connection was reset
	Hangup        Outcome = "hangup"         // the connection was closed early
	Garbled       Outcome = "garbled"        // the answer is not the protocol
	NotRegistered Outcome = "not-registered" // the mapper has no such service
	Unsupported   Outcome = "unsupported"    // answered, but not this interface, version or dialect
	AccessDenied  Outcome = "denied"         // fault 5, bind_nak 8 or 9, access denied
	LogonFailed   Outcome = "logon-failed"   // a refused logon
	LockedOut     Outcome = "locked-out"     // the account is locked
	WrongHost     Outcome = "wrong-host"     // another host than the one asked for
	Canceled      Outcome = "canceled"       // the run was interrupted
)

// A Step is one stage tried and what came of it. It is the evidence.
type Step struct {
	Stage   Stage
	Peer    string // the name resolved, or the address and port dialled
	Outcome Outcome
	Elapsed time.Duration
	// Detail is what the peer said, in printable ASCII of at most 200 bytes.
	Detail string

	object rpc.Syntax // of a bind: the interface bound to
	by     means      // how it was tried
	code   uint32     // with a credential: the status or fault that the peer answered, or 0

	short bool // of a timeout: the host's deadline left it much less time than a stage has

	leg       leg    // with a credential: at which port
	named     uint16 // of an activate that is ok: the port that the host named, 0 for none
	rehearsed bool   // a call that only asks whether another would be allowed
}

// means are how a step was tried.
type means uint8

const (
	anonymously  means = iota
	byCredential       // at the host, with the credential
	byKDC              // at a KDC, with the credential
)

// WithCredential reports whether the step was tried with the credential: at the
// host, or at a KDC for the host's sake.
func (s Step) WithCredential() bool { return s.by != anonymously }

// A Trail is the steps towards one rule, first to last.
type Trail []Step

// last returns the last step, or the zero Step of an empty trail.
func (t Trail) last() Step {
	if len(t) == 0 {
		return Step{}
	}
	return t[len(t)-1]
}

// begun returns a trail that begins with those steps and has room for a route.
func begun(steps Trail) Trail {
	const route = 5 // connect, bind, map, connect, bind
	return append(make(Trail, 0, len(steps)+route), steps...)
}

// plus returns the trail with steps added. It grows in place where there is
// room: a trail that others hold too is clipped first.
func (t Trail) plus(s ...Step) Trail { return append(t, s...) }

// anonymous returns the steps that were tried without a logon, and the others.
func (t Trail) anonymous() (without, with Trail) {
	for i, s := range t {
		if s.by != anonymously {
			return t[:i:i], t[i:]
		}
	}
	return t, nil
}

// joined returns the parts as one trail.
func joined(parts ...Trail) Trail {
	parts = slices.DeleteFunc(parts, func(t Trail) bool { return len(t) == 0 })
	if len(parts) == 1 {
		return slices.Clip(parts[0])
	}
	return slices.Concat(parts...)
}

// Failed returns the last step that is not ok, and whether there is one.
func (t Trail) Failed() (Step, bool) {
	for _, s := range slices.Backward(t) {
		if s.Outcome != OK {
			return s, true
		}
	}
	return Step{}, false
}
