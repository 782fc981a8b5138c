package probe

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/rpc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Every place has an owner and a sentence of reason and of fix for every
// outcome, with nothing left to fill in. The golden file has all of them, for
// the first rule whose way leads there.
func TestAdvices(t *testing.T) {
	type spot struct {
		at   place
		step Step
	}
	var all strings.Builder
	for _, spot := range []spot{
		{atName, resolve},
		{atIdentity, identify},
		{atSMB, connect445},
		{atNegotiate, negotiate},
		{atMapper, connect135},
		{atMapperBind, bindMapper},
		{atMap, mapService},
		{atPort, connectPort},
		{atService, bindService},
		{atDCOM, bindDCOM},
		{atAlive, alive},
		{atKDC, askKDC},
		{atReconnect, reconnect},
		{atLogon, logOn},
		{atPipe, openPipe},
		{atPipeBind, bindPipe},
		{atPipeCall, callPipe},
		{atLogonBind, rebind},
		{atSealed, callLog},
		{atTasks, askTasks},
		{atRehearsal, rehearseTask},
		{atActivatorBind, bindActivator},
		{atActivate, activateWMI},
		{atActivated, connectActive},
		{atActivatedBind, bindActive},
		{atNamespace, openNamespace},
	} {
		_, ofLogon := logonAdvices[spot.at]
		ofDCOM := ofLogon && spot.at != atTasks && spot.at != atRehearsal
		for _, o := range every {
			if o == OK && spot.at != atActivate || spot.at == atIdentity && o != WrongHost {
				continue
			}
			a, told := adviceOn(spot.at, o), false
			for _, rule := range Rules() {
				if got := placeOf(rule, spot.step, 135); ofDCOM && rule.Route == ByDCOM && got != spot.at {
					t.Errorf("%s stands at %s", spot.at, got)
				}
				if ofDCOM != (rule.Route == ByDCOM) && ofLogon || spot.at == atTasks && rule.Object != rpc.TaskScheduler || spot.at == atRehearsal && rule.Object != rpc.TaskScheduler {
					continue
				}
				if onward := spot.at == atMap || spot.at == atPort || spot.at == atService || spot.at == atLogonBind || spot.at == atSealed; onward && rule.Route != ByDynamic {
					continue
				}
				if onPipe := spot.at == atPipe || spot.at == atPipeBind || spot.at == atPipeCall; onPipe && rule.Route != ByPipe {
					continue
				}
				spot.step.Outcome = o
				s := scene{rule: rule, asked: Operations(), step: spot.step, place: spot.at, seen: &sighting{}}
				reason, fix := s.fill(a.reason, "a firewall drops it"), s.fill(a.fix, "")
				for _, text := range []string{reason, fix} {
					if strings.ContainsAny(text, "{}") || !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "Enable-NetFirewallRule") {
						t.Errorf("%s, %s, %s: %q", spot.at, o, rule.ID, text)
					}
				}
				if !told {
					told = true
					fmt.Fprintf(&all, "%s: %s\n  %s\n  %s\n  %s\n\n", spot.at, o, cmp.Or(a.owner, "as the trails tell"), reason, fix)
				}
			}
		}
	}
	for _, code := range slices.Sorted(maps.Keys(refusals)) {
		for _, by := range []string{"kerberos", "ntlm"} {
			s := scene{rule: rules[0], asked: Operations(), step: logOn, place: atLogon, seen: &sighting{credential: by}}
			s.step.Outcome, s.step.code = LogonFailed, code
			a := s.advice()
			fmt.Fprintf(&all, "%s, by %s: 0x%X\n  %s\n  %s\n\n", atLogon, by, code, a.owner, s.fill(a.fix, ""))
		}
	}
	const path = "testdata/advice.txt"
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./probe -run TestAdvices -update writes it", err)
	}
	if string(want) != all.String() {
		t.Errorf("the sentences are not those of %s (-update writes them):\n%s", path, &all)
	}
}

// The fix names the Starter GPO first, then a line with both variants of the
// very rule that is in the way.
func TestEnable(t *testing.T) {
	rules := Rules()
	tests := []struct {
		rule  Rule
		at    place
		asked []Operation
		want  []string
	}{
		{rules[0], atSMB, Operations(), []string{`"Group Policy Reporting Firewall Ports"`, "'RemoteEventLogSvc-NP-In-TCP','RemoteEventLogSvc-NP-In-TCP-NoScope'"}},
		{rules[4], atPort, Operations(), []string{`"Group Policy Remote Update Firewall Ports"`, "'RemoteTask-In-TCP','RemoteTask-In-TCP-NoScope'"}},
		{rules[4], atMapper, Operations(), []string{
			`"Group Policy Reporting Firewall Ports" and "Group Policy Remote Update Firewall Ports"`,
			"'RemoteEventLogSvc-RPCSS-In-TCP','RemoteEventLogSvc-RPCSS-In-TCP-NoScope','RemoteTask-RPCSS-In-TCP','RemoteTask-RPCSS-In-TCP-NoScope'",
		}},
		{rules[3], atMapper, []Operation{Refresh}, []string{`"Group Policy Remote Update Firewall Ports"`, "'RemoteTask-RPCSS-In-TCP'"}},
		{rules[3], anywhere, Operations(), []string{`"Group Policy Reporting Firewall Ports" and "Group Policy Remote Update Firewall Ports"`, "'WMI-WINMGMT-In-TCP'"}},
	}
	for _, tt := range tests {
		got := scene{rule: tt.rule, asked: tt.asked, place: tt.at, seen: &sighting{}}.enable()
		at := 0
		for _, want := range append(tt.want, RunOnHost, "| Enable-NetFirewallRule") {
			if !strings.Contains(got, want) {
				t.Errorf("%s at %s: %q lacks %q", tt.rule.ID, tt.at, got, want)
			}
		}
		if at = strings.Index(got, "Starter GPO"); at < 0 || at > strings.Index(got, "Get-NetFirewallRule") {
			t.Errorf("%s: the Starter GPO does not come first: %q", tt.rule.ID, got)
		}
	}
}

// Whose firewall it is, as far as the trails tell.
func TestFirewall(t *testing.T) {
	ok := func(s Step) Step { s.Outcome = OK; return s }
	lost := func(s Step) Step { s.Outcome = Timeout; return s }
	open := &sighting{smb: Trail{ok(connect445)}, mappers: []Trail{{ok(connect135), ok(bindMapper)}}}
	dynamic := func(s ...Step) []Finding {
		var out []Finding
		for _, step := range s {
			out = append(out, Finding{Rule: Rule{Route: ByDynamic}, Trail: Trail{ok(connect135), step}})
		}
		return out
	}
	tests := []struct {
		name     string
		at       place
		seen     *sighting
		findings []Finding
		want     Owner
	}{
		{"one dynamic port open, the other dropped", atPort, open, dynamic(ok(connectPort), lost(connectPort)), HostFirewall},
		{"both dropped", atPort, open, dynamic(lost(connectPort), lost(connectPort)), NetworkFirewall},
		{"the only one asked dropped", atPort, open, dynamic(lost(connectPort)), AnyFirewall},
		{"the other meets a router", atPort, open, dynamic(Step{Stage: Connect, Peer: connectPort.Peer, Outcome: Unroutable}, lost(connectPort)), AnyFirewall},
		{"445 dropped, a dynamic port open", atSMB, open, dynamic(ok(connectPort)), HostFirewall},
		{"445 dropped, 135 open", atSMB, open, dynamic(lost(connectPort), lost(connectPort)), AnyFirewall},
		{"135 dropped, 445 open", atMapper, &sighting{smb: Trail{ok(connect445)}, mappers: []Trail{{lost(connect135)}}}, nil, AnyFirewall},
		{"both dropped, a liveness port answers", atMapper, &sighting{alive: 7680, mappers: []Trail{{lost(connect135)}}}, nil, HostFirewall},
	}
	for _, tt := range tests {
		owner, tell := scene{place: tt.at, seen: tt.seen}.firewall(tt.findings)
		if owner != tt.want || tell == "" {
			t.Errorf("%s: %s (%s), want %s", tt.name, owner, tell, tt.want)
		}
	}
}
