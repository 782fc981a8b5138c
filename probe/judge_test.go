package probe

import (
	"maps"
	"testing"

	"github.com/gpreach/gpreach/rpc"
)

// steps builds a trail: every step but the last is ok.
func steps(s ...Step) Trail {
	for i := range s[:max(len(s)-1, 0)] {
		s[i].Outcome = OK
	}
	return s
}

var (
	resolve     = Step{Stage: Resolve, Peer: "ws-001"}
	connect445  = Step{Stage: Connect, Peer: "10.0.0.1:445"}
	negotiate   = Step{Stage: Negotiate, Peer: "10.0.0.1:445"}
	connect135  = Step{Stage: Connect, Peer: "10.0.0.1:135"}
	bindMapper  = Step{Stage: Bind, Peer: "10.0.0.1:135", object: rpc.EndpointMapper}
	mapService  = Step{Stage: Map, Peer: "10.0.0.1:135"}
	connectPort = Step{Stage: Connect, Peer: "10.0.0.1:49668"}
	bindService = Step{Stage: Bind, Peer: "10.0.0.1:49668", object: rpc.TaskScheduler}
	bindDCOM    = Step{Stage: Bind, Peer: "10.0.0.1:135", object: rpc.ObjectExporter}
	alive       = Step{Stage: Call, Peer: "10.0.0.1:135"}
	connectWMI  = Step{Stage: Connect, Peer: "10.0.0.1:24158"}
	bindWMI     = Step{Stage: Bind, Peer: "10.0.0.1:24158", object: rpc.RemUnknown2}
	identify    = Step{Stage: Identify, Peer: "10.0.0.1:135"}

	askKDC    = Step{Stage: Authenticate, Peer: "10.0.0.10:88", by: byKDC}
	reconnect = Step{Stage: Connect, Peer: "10.0.0.1:445", by: byCredential}
	logOn     = Step{Stage: Authenticate, Peer: "10.0.0.1:445", by: byCredential}
	openPipe  = Step{Stage: Open, Peer: "10.0.0.1:445", by: byCredential}
	bindPipe  = Step{Stage: Bind, Peer: "10.0.0.1:445", by: byCredential, object: rpc.EventLogPipe}
	callPipe  = Step{Stage: Call, Peer: "10.0.0.1:445", by: byCredential}
	rebind    = Step{Stage: Bind, Peer: "10.0.0.1:49668", by: byCredential, object: rpc.TaskScheduler}
	callLog   = Step{Stage: Call, Peer: "10.0.0.1:49668", by: byCredential}
)

// every is all outcomes, for lines of the table that speak of "anything else".
var every = []Outcome{
	OK, NoSuchName, Timeout, Refused, Unroutable, NotPermitted, NoResources, Reset, Hangup, Garbled,
	NotRegistered, Unsupported, AccessDenied, LogonFailed, LockedOut, WrongHost, Canceled,
}

// TestJudge is the table of verdicts: for a trail that ends in each outcome,
// the verdict is as exceptions say, else the line's own.
func TestJudge(t *testing.T) {
	undecided := map[Outcome]Verdict{Canceled: Unknown, NoResources: Unknown}
	with := func(more map[Outcome]Verdict) map[Outcome]Verdict {
		maps.Copy(more, undecided)
		return more
	}
	plain := with(map[Outcome]Verdict{})
	wantsLogon := with(map[Outcome]Verdict{AccessDenied: Unknown})
	tests := []struct {
		name   string
		route  Route
		mapper Verdict
		trail  []Step
		other  Verdict
		but    map[Outcome]Verdict
	}{
		{"resolve, any route", ByPipe, Unknown, []Step{resolve}, Unreachable, with(map[Outcome]Verdict{OK: Unknown})},
		{"resolve, dynamic", ByDynamic, Unreachable, []Step{resolve}, Unreachable, with(map[Outcome]Verdict{OK: Unknown})},
		{"connect to 445", ByPipe, Reachable, []Step{resolve, connect445}, Unreachable, plain},
		{"negotiate", ByPipe, Reachable, []Step{connect445, negotiate}, Unreachable, with(map[Outcome]Verdict{OK: Reachable})},
		{"the wrong host, pipe", ByPipe, Reachable, []Step{connect445, negotiate, identify}, Unreachable, with(map[Outcome]Verdict{})},
		{"connect to 135, mapper", ByMapper, "", []Step{connect135}, Unreachable, plain},
		{"bind on 135, mapper", ByMapper, "", []Step{connect135, bindMapper}, Unreachable, with(map[Outcome]Verdict{OK: Reachable, AccessDenied: Unknown})},
		{"connect to 135, dynamic", ByDynamic, Unreachable, []Step{connect135}, Unreachable, plain},
		{"bind on 135, dynamic", ByDynamic, Unknown, []Step{connect135, bindMapper}, Unreachable, wantsLogon},
		{"map", ByDynamic, Reachable, []Step{connect135, bindMapper, mapService}, Unreachable, wantsLogon},
		{"connect to the mapped port", ByDynamic, Reachable, []Step{connect135, bindMapper, mapService, connectPort}, Unreachable, wantsLogon},
		{
			"bind at the mapped port", ByDynamic, Reachable,
			[]Step{connect135, bindMapper, mapService, connectPort, bindService},
			Unreachable,
			with(map[Outcome]Verdict{OK: Reachable, AccessDenied: Unknown}),
		},
		{"bind at the mapped port, mapper unreachable", ByDynamic, Unreachable, []Step{connect135, bindMapper, mapService, connectPort, bindService}, Unreachable, plain},
		{"the mapper is unreachable, DCOM", ByDCOM, Unreachable, []Step{connect135, bindMapper}, Unreachable, plain},
		{"bind to IObjectExporter", ByDCOM, Reachable, []Step{connect135, bindMapper, bindDCOM}, Unknown, with(map[Outcome]Verdict{Unsupported: Unreachable, WrongHost: Unreachable})},
		{"ServerAlive2", ByDCOM, Reachable, []Step{connect135, bindMapper, bindDCOM, alive}, Unknown, with(map[Outcome]Verdict{WrongHost: Unreachable})},
		{
			"bind on the fixed port", ByDCOM, Reachable,
			[]Step{connect135, bindMapper, bindDCOM, alive, connectWMI, bindWMI},
			Unknown,
			with(map[Outcome]Verdict{OK: Reachable, WrongHost: Unreachable}),
		},
		{"the fixed port, mapper wants a logon", ByDCOM, Unknown, []Step{connectWMI, bindWMI}, Unknown, with(map[Outcome]Verdict{OK: Reachable, WrongHost: Unreachable})},
		{"the fixed port, mapper unreachable", ByDCOM, Unreachable, []Step{connectWMI, bindWMI}, Unreachable, plain},
	}
	for _, tt := range tests {
		rule := Rule{Route: tt.route, Object: rpc.TaskScheduler}
		for _, o := range every {
			trail := steps(append([]Step(nil), tt.trail...)...)
			trail[len(trail)-1].Outcome = o
			want, ok := tt.but[o]
			if !ok {
				want = tt.other
			}
			if tt.trail[len(tt.trail)-1].Stage == Identify && o != WrongHost {
				continue // identify is a step only where it found the wrong host
			}
			if got := judge(rule, trail, tt.mapper); got != want {
				t.Errorf("%s, %s: %s, want %s", tt.name, o, got, want)
			}
		}
	}
}

func TestJudgeNotBegun(t *testing.T) {
	resolved := resolve
	resolved.Outcome = OK
	for _, route := range []Route{ByPipe, ByMapper, ByDynamic, ByDCOM} {
		for _, trail := range []Trail{nil, {resolved}} {
			if got := judge(Rule{Route: route}, trail, Unknown); got != Unknown {
				t.Errorf("%s, %v: %s", route, trail, got)
			}
		}
	}
}

// A second tower that was refused stays as evidence and decides nothing.
func TestJudgeEarlierFailures(t *testing.T) {
	trail := steps(connect135, bindMapper, mapService, connectPort, connectPort, bindService)
	trail[3].Outcome, trail[5].Outcome = Refused, OK
	if got := judge(Rule{Route: ByDynamic, Object: rpc.TaskScheduler}, trail, Reachable); got != Reachable {
		t.Error(got)
	}
	trail = steps(connect135, bindMapper, bindDCOM, connectWMI, bindWMI)
	trail[2].Outcome, trail[4].Outcome = Unsupported, OK
	if got := judge(Rule{Route: ByDCOM}, trail, Reachable); got != Unreachable {
		t.Errorf("no IObjectExporter, but the fixed port: %s", got)
	}
}

func TestJudgeOperation(t *testing.T) {
	rules := Rules()
	all := func(v Verdict, a Access) []Finding {
		var out []Finding
		for _, r := range rules {
			out = append(out, Finding{Rule: r, Verdict: v, Access: a})
		}
		return out
	}
	change := func(id string, v Verdict, a Access) []Finding {
		out := all(Reachable, Untested)
		for i := range out {
			if out[i].Rule.ID == id {
				out[i].Verdict, out[i].Access = v, a
			}
		}
		return out
	}
	both := append(change("RemoteTask-In-TCP", Unknown, Untested), Finding{Rule: rules[4], Verdict: Reachable, Access: Denied})
	tests := []struct {
		name          string
		findings      []Finding
		silent        bool
		rsop, refresh Status
	}{
		{"all reachable", all(Reachable, Untested), false, StatusReady, StatusReady},
		{"all unreachable", all(Unreachable, Untested), false, StatusUnreachable, StatusUnreachable},
		{"silent comes first", all(Unreachable, Denied), true, StatusSilent, StatusSilent},
		{"unreachable before denied", append(change("RemoteTask-In-TCP", Unreachable, Untested), Finding{Rule: rules[4], Access: Denied}), false, StatusReady, StatusUnreachable},
		{"denied", change("RemoteTask-In-TCP", Reachable, Denied), false, StatusReady, StatusDenied},
		{"denied before unproven", both, false, StatusReady, StatusDenied},
		{"WMI counts for both", change("WMI-WINMGMT-In-TCP", Unknown, Untested), false, StatusUnproven, StatusUnproven},
		{"the pipe counts for rsop", change("RemoteEventLogSvc-NP-In-TCP", Unreachable, Untested), false, StatusUnreachable, StatusReady},
	}
	for _, tt := range tests {
		if got := judgeOperation(RSoP, tt.findings, tt.silent, false); got != tt.rsop {
			t.Errorf("%s: rsop %s, want %s", tt.name, got, tt.rsop)
		}
		if got := judgeOperation(Refresh, tt.findings, tt.silent, false); got != tt.refresh {
			t.Errorf("%s: refresh %s, want %s", tt.name, got, tt.refresh)
		}
	}
}
