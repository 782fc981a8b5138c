package probe_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// A rung is a step that a test's credential tries.
type rung struct {
	stage  probe.Stage
	kdc    bool
	goesOn bool // whatever comes of it
	err    error

	port      uint16 // that an activation names
	rehearsed bool
}

// says is a failure of this outcome and code.
func says(o probe.Outcome, code uint32) error {
	return &probe.Failure{Outcome: o, Code: code, Text: fmt.Sprintf("0x%08X", code)}
}

// The steps of a credential that is let in, on the pipe and over TCP.
var (
	ticket      = rung{stage: probe.Authenticate, kdc: true}
	throughPipe = []rung{ticket, {stage: probe.Connect}, {stage: probe.Authenticate}, {stage: probe.Open}, {stage: probe.Bind}, {stage: probe.Call}}
	overTCP     = []rung{ticket, {stage: probe.Connect}, {stage: probe.Bind}, {stage: probe.Call}, {stage: probe.Call}}
)

// but returns the steps up to the i-th, which ends with err.
func but(steps []rung, i int, err error) []rung {
	out := slices.Clone(steps[:i+1])
	out[i].err = err
	return out
}

// logon is a credential that tries these steps, by the shorthand of a rule.
func logon(tries map[string][]rung) func(probe.Target) func(context.Context, *probe.Ascent) {
	return func(probe.Target) func(context.Context, *probe.Ascent) {
		return func(ctx context.Context, a *probe.Ascent) {
			steps := tries[short[a.Rule.ID]]
			if len(steps) > 0 {
				a.Use("kerberos")
			}
			for _, r := range steps {
				if !try(ctx, a, r) && !r.goesOn {
					return
				}
			}
		}
	}
}

func try(ctx context.Context, a *probe.Ascent, r rung) bool {
	run := func(_ context.Context, s *probe.Step) error {
		if r.kdc {
			s.Peer = "10.77.0.10:88"
		}
		if r.rehearsed {
			s.Detail = "what it is"
		}
		return r.err
	}
	switch {
	case r.stage == probe.Connect:
		return a.Connect(ctx) != nil
	case r.kdc:
		return a.AskKDC(run)
	case r.stage == probe.Bind:
		return a.Bind(a.Rule.Object, run)
	case r.stage == probe.Activate:
		return a.Activate(func(ctx context.Context, s *probe.Step) (uint16, error) { return r.port, run(ctx, s) })
	case r.rehearsed:
		return a.Rehearse(run)
	}
	return a.Step(r.stage, run)
}

// access writes a report's credential, statuses and each rule's verdict, access
// and owner.
func access(r *probe.Report) string {
	out := []string{r.Credential, string(r.Status(probe.RSoP)), string(r.Status(probe.Refresh))}
	for _, f := range r.Findings {
		if id := short[f.Rule.ID]; id == "NP" || id == "LOG" {
			out = append(out, fmt.Sprintf("%s %s %s", id, f.Verdict, f.Access))
			if f.Cause.Owner != "" {
				out = append(out, "("+string(f.Cause.Owner)+")")
			}
		}
	}
	return strings.Join(out, " ")
}

// TestAccess is what a credential's steps prove, on a healthy client.
func TestAccess(t *testing.T) {
	const in, over = "NP reachable granted", "LOG reachable granted"
	denied, wrong := says(probe.AccessDenied, 0xC0000022), says(probe.WrongHost, 41)
	tests := []struct {
		name      string
		pipe, log []rung
		want      string
		reason    string // of the first rule that is not granted, or of the first
	}{
		{"let in", throughPipe, overTCP, "kerberos unproven unproven " + in + " " + over, "may read the System log through it."},
		{"denied on the pipe", but(throughPipe, 5, denied), overTCP, "kerberos denied unproven NP reachable denied (rights of the account) " + over, "though over TCP it lets the account in: "},
		{"an RPC filter", but(throughPipe, 5, says(probe.AccessDenied, 5)), overTCP, "kerberos denied unproven NP reachable denied (rights of the account) " + over, "RPC filter blocks the pipe alone"},
		{"an RPC filter at the bind", but(throughPipe, 4, says(probe.AccessDenied, 5)), overTCP, "kerberos denied unproven NP reachable denied (service on the host) " + over, "as by an RPC filter"},
		{"denied everywhere", but(throughPipe, 5, denied), but(overTCP, 3, says(probe.AccessDenied, 5)), "kerberos denied unproven NP reachable denied (rights of the account) LOG reachable denied (rights of the account)", "neither Event Log Readers nor Administrators"},
		{"denied one log of two", throughPipe, but(overTCP, 4, says(probe.AccessDenied, 0x80070005)), "kerberos denied unproven " + in + " LOG reachable denied (rights of the account)", "neither Event Log Readers nor Administrators"},
		{"the call refused by a fault", throughPipe, but(overTCP, 3, says(probe.AccessDenied, 5)), "kerberos denied unproven " + in + " LOG reachable denied (rights of the account)", "before any right was looked at"},
		{"logon refused", but(throughPipe, 2, says(probe.LogonFailed, 0xC000015B)), overTCP, "kerberos denied unproven NP reachable denied (rights of the account) " + over, "refuses the logon"},
		{"the ticket is of no use", but(throughPipe, 2, says(probe.LogonFailed, 0xC000006D)), nil, "kerberos denied unproven NP reachable denied (accounts in the directory) LOG reachable untested", "0xC000006D"},
		{"locked out", but(throughPipe, 2, says(probe.LockedOut, 0xC0000234)), nil, "kerberos denied unproven NP reachable denied (accounts in the directory) LOG reachable untested", "the account is locked"},
		{"another host", but(throughPipe, 2, wrong), but(overTCP, 2, wrong), "kerberos unproven unproven NP reachable untested (DNS) LOG reachable untested (DNS)", "did not prove"},
		{"no service name", but(throughPipe, 0, says(probe.Unsupported, 7)), but(overTCP, 0, says(probe.Unsupported, 7)), "kerberos unproven unproven NP reachable untested (accounts in the directory) LOG reachable untested (accounts in the directory)", "setspn -L"},
		{"NTLM, where the KDC does not know the host", append([]rung{{stage: probe.Authenticate, kdc: true, goesOn: true, err: says(probe.Unsupported, 7)}}, throughPipe[1:]...), overTCP[1:], "kerberos unproven unproven " + in + " " + over, "opens on TCP 445"},
		{"kept away by the KDC", but(throughPipe, 0, says(probe.AccessDenied, 12)), nil, "kerberos denied unproven NP reachable denied (rights of the account) LOG reachable untested", "policy"},
		{"the KDC's clock", but(throughPipe, 0, says(probe.LogonFailed, 37)), nil, "kerberos denied unproven NP reachable denied (accounts in the directory) LOG reachable untested", "The KDC refuses the credential"},
		{"the KDC is silent", but(throughPipe, 0, context.DeadlineExceeded), nil, "kerberos unproven unproven NP reachable untested (network firewall) LOG reachable untested", "No ticket could be had"},
		{"stopped", but(throughPipe, 2, context.Canceled), nil, "kerberos unproven unproven NP reachable untested LOG reachable untested", "given up"},
		{"not tried", nil, nil, "none unproven unproven NP reachable untested LOG reachable untested", "not tried"},
		{"no pipe", but(throughPipe, 3, says(probe.NotRegistered, 0xC0000034)), overTCP, "kerberos unreachable unproven NP unreachable untested (service on the host) " + over, "has no pipe eventlog"},
		{"another service behind the pipe", but(throughPipe, 4, says(probe.Unsupported, 0)), overTCP, "kerberos unreachable unproven NP unreachable untested (service on the host) " + over, "is not behind it"},
		{"the pipe opens not", but(throughPipe, 3, says(probe.Unsupported, 0xC00000AC)), overTCP, "kerberos unproven unproven NP reachable untested (service on the host) " + over, "does not open"},
		{"the logon is not answered", but(throughPipe, 2, context.DeadlineExceeded), overTCP, "kerberos unreachable unproven NP unreachable untested (network firewall) " + over, "no proper answer"},
		{"the logon is garbled", but(throughPipe, 2, says(probe.Garbled, 0)), overTCP, "kerberos unreachable unproven NP unreachable untested (network firewall) " + over, "no proper answer"},
		{"the sealed call is garbled", throughPipe, but(overTCP, 3, says(probe.Garbled, 0)), "kerberos unproven unproven " + in + " LOG reachable untested (service on the host)", "no proper answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := prober(winhost.NewNetwork(winhost.Client("ws-001.corp.example", hostAddr)))
				p.Authenticate = logon(map[string][]rung{"NP": tt.pipe, "LOG": tt.log})
				r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
				if got := access(r); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				reason := r.Findings[0].Reason
				if strings.Contains(tt.want, in) && !strings.Contains(tt.want, over) {
					reason = r.Findings[1].Reason
				}
				if !strings.Contains(reason, tt.reason) {
					t.Errorf("%q lacks %q", reason, tt.reason)
				}
				checkWording(t, r)
			})
		})
	}
}

// A host whose services want a logon before anything is reachable once the
// credential has bound there.
func TestBoundByCredential(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		nak := uint16(8)
		s := h.RPC()
		s.Nak = &nak
		h.Ports[49667] = winhost.Port{Serve: s.Serve}
		p := prober(winhost.NewNetwork(h))
		r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
		if got, want := access(r), "none unproven unproven NP reachable untested LOG unknown untested"; got != want {
			t.Errorf("without: %s, want %s", got, want)
		}
		p.Authenticate = logon(map[string][]rung{"NP": throughPipe, "LOG": overTCP})
		r = p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
		if got, want := access(r), "kerberos unproven unproven NP reachable granted LOG reachable granted"; got != want {
			t.Errorf("with: %s, want %s", got, want)
		}
	})
}

// With a credential that is let in everywhere a host is ready, and only then.
func TestReadyWithCredential(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		h.StandaloneWMI()
		all := map[string][]rung{"NP": throughPipe, "LOG": overTCP, "WMI": overTCP, "TASK": overTCP}
		for _, without := range []string{"", "NP", "LOG", "WMI", "TASK"} {
			tries := map[string][]rung{}
			for rule, steps := range all {
				if rule != without {
					tries[rule] = steps
				}
			}
			p := prober(winhost.NewNetwork(h))
			p.Authenticate = logon(tries)
			r := p.Probe(t.Context(), probe.Target{Name: "ws-001.corp.example"}, nil)
			for _, op := range probe.Operations() {
				want := probe.StatusReady
				for _, f := range r.Findings {
					if f.Rule.Needed(op) && short[f.Rule.ID] == without {
						want = probe.StatusUnproven
					}
				}
				if got := r.Status(op); got != want {
					t.Errorf("without %q, %s: %s, want %s", without, op, got, want)
				}
			}
			checkWording(t, r)
		}
	})
}

// Where a route leads nowhere without a logon, and where another host than the
// directory's answers, nothing is tried with one.
func TestNoLogon(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(*winhost.Host)
		target probe.Target
		asked  []probe.Operation
		want   string // the rules that are climbed on
	}{
		{"healthy", func(*winhost.Host) {}, probe.Target{Name: "ws-001.corp.example"}, nil, "NP LOG WMI TASK"},
		{"only refresh", func(*winhost.Host) {}, probe.Target{Name: "ws-001.corp.example"}, []probe.Operation{probe.Refresh}, "WMI TASK"},
		{"445 refused", func(h *winhost.Host) { h.Ports[445] = winhost.Port{Fate: winhost.Refuse} }, probe.Target{Name: "ws-001.corp.example"}, nil, "LOG WMI TASK"},
		{"135 refused", func(h *winhost.Host) { h.Ports[135] = winhost.Port{Fate: winhost.Refuse} }, probe.Target{Name: "ws-001.corp.example"}, nil, "NP"},
		{"the event log's port refused", func(h *winhost.Host) { h.Ports[49667] = winhost.Port{Fate: winhost.Refuse} }, probe.Target{Name: "ws-001.corp.example"}, nil, "NP WMI TASK"},
		{"silent", func(h *winhost.Host) { clear(h.Ports) }, probe.Target{Name: "ws-001.corp.example"}, nil, ""},
		{"another host", func(*winhost.Host) {}, probe.Target{Name: "ws-001.corp.example", DNSHostName: "ws-002.corp.example"}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := winhost.Client("ws-001.corp.example", hostAddr)
				tt.spoil(h)
				var climbed []string
				p := prober(winhost.NewNetwork(h))
				p.Authenticate = func(probe.Target) func(context.Context, *probe.Ascent) {
					return func(_ context.Context, a *probe.Ascent) { climbed = append(climbed, short[a.Rule.ID]) }
				}
				p.Probe(t.Context(), tt.target, tt.asked)
				if got := strings.Join(climbed, " "); got != tt.want {
					t.Errorf("climbed on: %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// A step with a credential has the timeout of a stage, on its connection too,
// and ends with the host's deadline and the run.
func TestAscentIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name                string
		deadline, interrupt time.Duration
		want                probe.Outcome
		after               time.Duration
	}{
		{"timeout", 15 * time.Second, time.Hour, probe.Timeout, 2 * time.Second},
		{"deadline", 700 * time.Millisecond, time.Hour, probe.Timeout, 700 * time.Millisecond},
		{"interrupted", 15 * time.Second, 900 * time.Millisecond, probe.Canceled, 900 * time.Millisecond},
	} {
		bubble(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", hostAddr)
			p := prober(winhost.NewNetwork(h))
			p.NoIdentify, p.NoWMIPort, p.Deadline = true, true, tt.deadline
			var end probe.Outcome
			var took time.Duration
			p.Authenticate = func(probe.Target) func(context.Context, *probe.Ascent) {
				return func(ctx context.Context, a *probe.Ascent) {
					if short[a.Rule.ID] != "TASK" {
						return
					}
					conn := a.Connect(ctx)
					start := time.Now()
					a.Step(probe.Call, func(context.Context, *probe.Step) error {
						_, err := conn.Read(make([]byte, 1))
						return err
					})
					took = time.Since(start)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			interrupt := time.AfterFunc(tt.interrupt, cancel)
			defer interrupt.Stop()
			r := p.Probe(ctx, probe.Target{Name: hostAddr.String()}, []probe.Operation{probe.Refresh})
			for _, f := range r.Findings {
				if short[f.Rule.ID] == "TASK" && len(f.Trail) > 0 {
					end = f.Trail[len(f.Trail)-1].Outcome
				}
			}
			if end != tt.want || took > tt.after || took < tt.after-100*time.Millisecond {
				t.Errorf("%s: %s after %v, want %s after %v", tt.name, end, took, tt.want, tt.after)
			}
		})
	}
}

// An error of a step keeps its place: what a Failure says, and nothing of what is behind it.
func TestFailure(t *testing.T) {
	secret := errors.New("hunter2")
	f := &probe.Failure{Outcome: probe.LogonFailed, Text: "0xC000015B", Err: secret}
	if f.Error() != "0xC000015B" || !errors.Is(f, secret) {
		t.Errorf("%v", f)
	}
}

// What a KDC is slow in is not the host's: a step that was left less time than a stage
// has decides nothing, and no rule is begun once there is no time at all.
func TestLateKDC(t *testing.T) {
	wait := func(d time.Duration) func(context.Context, *probe.Step) error {
		return func(ctx context.Context, _ *probe.Step) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	for _, tt := range []struct {
		name         string
		kdc          time.Duration
		begun, warns int
	}{
		{"in time", time.Second, 2, 0},
		{"late", 4 * time.Second, 1, 1},
		{"too late", time.Hour, 1, 1},
	} {
		bubble(t, func(t *testing.T) {
			h := winhost.Client("ws-001.corp.example", hostAddr)
			p := prober(winhost.NewNetwork(h))
			p.NoIdentify, p.NoWMIPort, p.Deadline = true, true, 5*time.Second
			begun := 0
			p.Authenticate = func(probe.Target) func(context.Context, *probe.Ascent) {
				return func(ctx context.Context, a *probe.Ascent) {
					if a.Rule.Route == probe.ByDCOM {
						return
					}
					if begun++; begun == 1 {
						a.AskKDC(wait(tt.kdc))
					}
					if conn := a.Connect(ctx); conn != nil {
						a.Step(probe.Call, wait(1500*time.Millisecond))
					}
				}
			}
			r := p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, []probe.Operation{probe.RSoP})
			for _, f := range r.Findings {
				if f.Verdict == probe.Unreachable || (f.Access == probe.Granted) != (tt.name == "in time" && f.Rule.Route != probe.ByMapper && f.Rule.Route != probe.ByDCOM) {
					t.Errorf("%s: %s is %s, %s", tt.name, f.Rule.ID, f.Verdict, f.Access)
				}
			}
			if begun != tt.begun || len(r.Warnings) != tt.warns {
				t.Errorf("%s: %d begun, warnings %q", tt.name, begun, r.Warnings)
			}
		})
	}
}

// A connect with the credential ends when what it is for does.
func TestConnectIsCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := winhost.Client("ws-001.corp.example", hostAddr)
		n := winhost.NewNetwork(h)
		p := prober(n)
		p.NoIdentify, p.NoWMIPort = true, true
		var took time.Duration
		p.Authenticate = func(probe.Target) func(context.Context, *probe.Ascent) {
			return func(ctx context.Context, a *probe.Ascent) {
				if a.Rule.Route != probe.ByPipe {
					return
				}
				h.Ports[445] = winhost.Port{Fate: winhost.Drop} // it drops from now on
				ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
				defer cancel()
				start := time.Now()
				a.Connect(ctx)
				took = time.Since(start)
			}
		}
		p.Probe(t.Context(), probe.Target{Name: hostAddr.String()}, []probe.Operation{probe.RSoP})
		if took != 700*time.Millisecond {
			t.Errorf("after %v", took)
		}
	})
}
