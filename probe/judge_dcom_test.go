package probe

import (
	"maps"
	"slices"
	"testing"

	"github.com/gpreach/gpreach/rpc"
)

// Steps of DCOM and Task Scheduler with a credential.
var (
	bindActivator   = Step{Stage: Bind, Peer: "10.0.0.1:135", by: byCredential, object: rpc.RemoteActivator}
	activateWMI     = Step{Stage: Activate, Peer: "10.0.0.1:135", by: byCredential, named: 52419}
	connectActive   = Step{Stage: Connect, Peer: "10.0.0.1:52419", by: byCredential, leg: legActivated}
	bindActive      = Step{Stage: Bind, Peer: "10.0.0.1:52419", by: byCredential, leg: legActivated, object: rpc.WMILogin}
	openNamespace   = Step{Stage: Call, Peer: "10.0.0.1:52419", by: byCredential, leg: legActivated}
	connectSMBFirst = Step{Stage: Connect, Peer: "10.0.0.1:445", by: byCredential, leg: legSMB}
	askTasks        = Step{Stage: Call, Peer: "10.0.0.1:49668", by: byCredential}
	rehearseTask    = Step{Stage: Call, Peer: "10.0.0.1:49668", by: byCredential, rehearsed: true}
)

// TestJudgeActivation is the contract's lines of DCOM with a credential: for steps that
// end in each outcome the verdict is as exceptions say, else the line's own; with WMI's
// fixed port too, whose line is below them.
func TestJudgeActivation(t *testing.T) {
	before := []Step{connect135, bindMapper, bindDCOM, alive}
	fixed := append(before[:4:4], connectWMI, bindWMI)
	unproved := map[Outcome]Verdict{}
	for _, o := range []Outcome{Unsupported, NotRegistered, Timeout, Reset, Hangup, Garbled} {
		unproved[o] = Unreachable
	}
	ours := map[Outcome]Verdict{Canceled: Unknown, NoResources: Unknown}
	and := func(more map[Outcome]Verdict) map[Outcome]Verdict {
		out := maps.Clone(ours)
		maps.Copy(out, more)
		return out
	}
	nowhere := activateWMI
	nowhere.named = 0
	tests := []struct {
		name   string
		mapper Verdict
		with   []Step
		other  Verdict // Unknown is what the lines below say
		but    map[Outcome]Verdict
	}{
		{"ask the KDC", Reachable, []Step{askKDC}, Unknown, nil},
		{"connect to 445 first", Reachable, []Step{connectSMBFirst}, Unknown, nil},
		{"connect to 135", Reachable, []Step{askKDC, {Stage: Connect, Peer: "10.0.0.1:135", by: byCredential}}, Unknown, nil},
		{"bind to the activator", Reachable, []Step{askKDC, bindActivator}, Unknown, nil},
		{"activate", Reachable, []Step{askKDC, bindActivator, activateWMI}, Unknown, unproved},
		{"activate without a port", Reachable, []Step{bindActivator, nowhere}, Unknown, and(map[Outcome]Verdict{OK: Unreachable, Unsupported: Unreachable, NotRegistered: Unreachable, Timeout: Unreachable, Reset: Unreachable, Hangup: Unreachable, Garbled: Unreachable})},
		{"connect to the port", Reachable, []Step{bindActivator, activateWMI, connectActive}, Unreachable, and(map[Outcome]Verdict{OK: Unknown})},
		{"bind at the port", Reachable, []Step{bindActivator, activateWMI, connectActive, bindActive}, Unreachable, and(map[Outcome]Verdict{OK: Reachable, AccessDenied: Reachable})},
		{"open the namespace", Reachable, []Step{bindActivator, activateWMI, connectActive, bindActive, openNamespace}, Reachable, nil},
		{"the mapper is unreachable", Unreachable, []Step{bindActivator, activateWMI, connectActive, bindActive}, Unreachable, nil},
	}
	for _, tt := range tests {
		for _, o := range every {
			want, ok := tt.but[o]
			if !ok {
				want = tt.other
			}
			climbed := func(without []Step) Trail {
				trail := steps(slices.Concat(without, tt.with)...)
				trail[len(trail)-1].Outcome = o
				return trail
			}
			if got := judge(Rule{Route: ByDCOM}, climbed(before), tt.mapper); got != want {
				t.Errorf("%s, %s: %s, want %s", tt.name, o, got, want)
			}
			if want == Unknown {
				want = Reachable
			}
			if got := judge(Rule{Route: ByDCOM}, climbed(fixed), tt.mapper); got != want {
				t.Errorf("%s, %s, and the fixed port: %s, want %s", tt.name, o, got, want)
			}
		}
	}
}
