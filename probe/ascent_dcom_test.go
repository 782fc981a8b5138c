package probe_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// The steps of a credential that WMI and Task Scheduler let in. Each dials.
var (
	byActivation = []rung{
		ticket,
		{stage: probe.Connect},
		{stage: probe.Bind},
		{stage: probe.Activate, port: 52419},
		{stage: probe.Connect},
		{stage: probe.Bind},
		{stage: probe.Call, goesOn: true},
		{stage: probe.Call},
	}
	asTasks = append(slices.Clone(overTCP), rung{stage: probe.Call, rehearsed: true})
)

// TestAccessOfWMI is what a credential's steps prove of WMI and Task Scheduler, on a
// client whose other services let it in.
func TestAccessOfWMI(t *testing.T) {
	const tasks = "TASK reachable granted"
	denied := says(probe.AccessDenied, 0x80070005)
	tests := []struct {
		name      string
		wmi, task []rung
		dropped   bool // the activated port
		want      string
		reason    string // of the first of both rules that is not granted, or of the second
	}{
		{"let in", byActivation, overTCP, false, "ready ready WMI reachable granted " + tasks, "needs Administrators of the host and was not tried."},
		{"rehearsed", byActivation, asTasks, false, "ready ready WMI reachable granted " + tasks, "asked to store none"},
		{"not tried", nil, overTCP, false, "unproven unproven WMI unknown untested " + tasks, "The credential was not tried there."},
		{"the KDC is silent", but(byActivation, 0, context.DeadlineExceeded), overTCP, false, "unproven unproven WMI unknown untested (network firewall) " + tasks, "No ticket could be had"},
		{"no DCOM", but(byActivation, 2, says(probe.Unsupported, 0)), overTCP, false, "unproven unproven WMI unknown untested (whoever runs that host) " + tasks, "or this is not Windows"},
		{"activation denied", but(byActivation, 3, denied), overTCP, false, "denied denied WMI unknown denied (rights of the account) " + tasks, "Distributed COM Users"},
		{"hardened", but(byActivation, 3, says(probe.AccessDenied, 5)), overTCP, false, "denied denied WMI unknown denied (rights of the account) " + tasks, "10036"},
		{"not registered", but(byActivation, 3, says(probe.NotRegistered, 0x80040154)), overTCP, false, "unreachable unreachable WMI unreachable untested (service on the host) " + tasks, "disabled or damaged"},
		{"activation without end", but(byActivation, 3, context.DeadlineExceeded), overTCP, false, "unreachable unreachable WMI unreachable untested (service on the host) " + tasks, "in time"},
		{"no port", append(slices.Clone(byActivation[:3]), rung{stage: probe.Activate}), overTCP, false, "unreachable unreachable WMI unreachable untested (service on the host) " + tasks, "names no TCP port"},
		{"the port dropped", byActivation, overTCP, true, "unreachable unreachable WMI unreachable untested (host firewall) " + tasks, "the port of WMI-WINMGMT-In-TCP"},
		{"refused at the port", but(byActivation, 5, says(probe.AccessDenied, 5)), overTCP, false, "denied denied WMI reachable denied (rights of the account) " + tasks, "refuses the logon"},
		{"another service at the port", but(byActivation, 5, says(probe.Unsupported, 0)), overTCP, false, "unreachable unreachable WMI unreachable untested (service on the host) " + tasks, "is not behind it"},
		{"a namespace denied", but(byActivation, 6, says(probe.AccessDenied, 0x80041003)), overTCP, false, "denied denied WMI reachable denied (rights of the account) " + tasks, "Remote Enable"},
		{"a namespace missing, the other denied", append(but(byActivation, 6, says(probe.Unsupported, 0x8004100E)), rung{stage: probe.Call, err: denied}), overTCP, false, "denied denied WMI reachable denied (rights of the account) " + tasks, "denies the account"},
		{"a namespace missing", append(but(byActivation, 6, says(probe.Unsupported, 0x8004100E)), rung{stage: probe.Call}), overTCP, false, "unproven unproven WMI reachable untested (service on the host) " + tasks, "rsop.mof"},
		{"stopped at the port", but(byActivation, 5, context.Canceled), overTCP, false, "unproven unproven WMI unknown untested " + tasks, "given up"},
		{"tasks denied", byActivation, but(overTCP, 4, denied), false, "ready denied WMI reachable granted TASK reachable denied (rights of the account)", "not in Administrators"},
		{"the rehearsal fails", byActivation, but(asTasks, 5, says(probe.Unsupported, 0x8004131A)), false, "ready ready WMI reachable granted TASK reachable granted", "did not validate a task"},
		{"the rehearsal is not answered", byActivation, but(asTasks, 5, context.DeadlineExceeded), false, "ready ready WMI reachable granted TASK reachable granted", "registers (what it is: timeout)"},
		{"the tasks refused by a fault", byActivation, but(overTCP, 3, says(probe.AccessDenied, 5)), false, "ready denied WMI reachable granted TASK reachable denied (rights of the account)", "before any right was looked at"},
		{"the activation refused by a fault", but(byActivation, 3, says(probe.Unsupported, 0x721)), overTCP, false, "unreachable unreachable WMI unreachable untested (service on the host) " + tasks, "refuses the call that activates WMI"},
		{"the rehearsal denied", byActivation, but(asTasks, 5, denied), false, "ready denied WMI reachable granted TASK reachable denied (rights of the account)", "to register the task"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := winhost.Client("ws-001.corp.example", hostAddr)
				h.Admit(winhost.Account{Name: "admin"})
				if tt.dropped {
					h.Ports[h.WMI.Port] = winhost.Port{Fate: winhost.Drop}
				}
				p := prober(winhost.NewNetwork(h))
				p.Authenticate = logon(map[string][]rung{"NP": throughPipe, "LOG": overTCP, "WMI": tt.wmi, "TASK": tt.task})
				r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
				out, reason := []string{string(r.Status(probe.RSoP)), string(r.Status(probe.Refresh))}, ""
				for _, f := range r.Findings {
					if id := short[f.Rule.ID]; id == "WMI" || id == "TASK" {
						out = append(out, fmt.Sprintf("%s %s %s", id, f.Verdict, f.Access))
						if f.Cause.Owner != "" {
							out = append(out, "("+string(f.Cause.Owner)+")")
						}
						if reason == "" && f.Access != probe.Granted || id == "TASK" && reason == "" {
							reason = f.Reason
						}
					}
				}
				if got := strings.Join(out, " "); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if !strings.Contains(reason, tt.reason) {
					t.Errorf("%q lacks %q", reason, tt.reason)
				}
				checkWording(t, r)
			})
		})
	}
}

// AtSMB tries something at SMB's port and returns to the service's; where that did not
// connect it tries nothing.
func TestAtSMB(t *testing.T) {
	for _, open := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", hostAddr)
			if !open {
				h.Ports[445] = winhost.Port{Fate: winhost.Drop}
			}
			p := prober(winhost.NewNetwork(h))
			p.Deadline = time.Minute
			var peers []string
			p.Authenticate = func(probe.Target) func(context.Context, *probe.Ascent) {
				return func(_ context.Context, a *probe.Ascent) {
					if a.Rule.Route != probe.ByDynamic {
						return
					}
					if tried := a.AtSMB(func() { peers = append(peers, a.Peer()) }); tried != open {
						t.Errorf("open %t, tried %t", open, tried)
					}
					peers = append(peers, a.Peer())
				}
			}
			p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, []probe.Operation{probe.Refresh})
			want := "10.77.0.101:49668"
			if open {
				want = "10.77.0.101:445 " + want
			}
			if got := strings.Join(peers, " "); got != want {
				t.Errorf("open %t: %s, want %s", open, got, want)
			}
		})
	}
}
