package probe_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var hostAddr = netip.MustParseAddr("10.77.0.101")

// prober returns a Prober with the defaults of the command line.
func prober(n *winhost.Network) *probe.Prober {
	return &probe.Prober{
		Dial: n.Dial, Lookup: n.Lookup, Vantage: "gpmc01",
		Timeout: 2 * time.Second, Deadline: 15 * time.Second,
		SMBPort: 445, MapperPort: 135, LivenessPorts: []uint16{7680, 5040, 3389, 5985},
	}
}

// bubble runs a test in virtual time, and on until the simulated hosts have
// noticed that they were left.
func bubble(t *testing.T, f func(*testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		f(t)
		time.Sleep(2 * time.Hour)
	})
}

// short names the rules in the tests' shorthand.
var short = map[string]string{
	"RemoteEventLogSvc-NP-In-TCP": "NP", "RemoteEventLogSvc-In-TCP": "LOG", "RemoteEventLogSvc-RPCSS-In-TCP": "MAP",
	"WMI-WINMGMT-In-TCP": "WMI", "RemoteTask-In-TCP": "TASK", "RemoteTask-RPCSS-In-TCP": "MAP2",
}

// sketch writes a report in the tests' shorthand: the statuses, then a line a
// rule with its verdict and, from the port dialled, its steps.
func sketch(r *probe.Report) string {
	var b strings.Builder
	for _, o := range r.Operations {
		fmt.Fprintf(&b, "%s %s\n", o.Operation, o.Status)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s:", short[f.Rule.ID], f.Verdict)
		peer := ""
		for _, s := range f.Trail {
			if s.Peer != peer {
				peer = s.Peer
				fmt.Fprintf(&b, " [%s]", strings.TrimPrefix(peer, hostAddr.String()+":"))
			}
			fmt.Fprintf(&b, " %s", s.Stage)
			if s.Outcome != probe.OK {
				fmt.Fprintf(&b, "=%s", s.Outcome)
			}
		}
		b.WriteByte('\n')
	}
	return strings.TrimSpace(b.String())
}

// A healthy client's rules, to be put together into what a test expects.
const (
	np   = "NP reachable: [445] connect negotiate"
	log  = "LOG reachable: [135] connect bind map [49667] connect bind"
	mapp = "MAP reachable: [135] connect bind"
	wmi  = "WMI unknown: [135] connect bind bind call"
	task = "TASK reachable: [135] connect bind map [49668] connect bind"
	map2 = "MAP2 reachable: [135] connect bind"
)

func lines(l ...string) string { return strings.Join(l, "\n") }

// all135 is what is left when the mapper's steps end alike for every rule.
func all135(smb, verdict, steps string) string {
	var out []string
	for _, name := range []string{"LOG", "MAP", "WMI", "TASK", "MAP2"} {
		out = append(out, fmt.Sprintf("%s %s: [135] %s", name, verdict, steps))
	}
	return lines("rsop unreachable", "refresh unreachable", smb, strings.Join(out, "\n"))
}

// TestProbe breaks a healthy client in one way each.
func TestProbe(t *testing.T) {
	reason := func(n uint16) *uint16 { return &n }
	mapper := func(change func(*winhost.RPC)) func(*winhost.Host) {
		return func(h *winhost.Host) {
			s := h.RPCSS()
			change(s)
			h.Ports[135] = winhost.Port{Serve: s.Serve}
		}
	}
	scheduler := func(change func(*winhost.RPC)) func(*winhost.Host) {
		return func(h *winhost.Host) {
			s := h.RPC(winhost.Interface{Syntax: rpc.TaskScheduler})
			change(s)
			h.Ports[49668] = winhost.Port{Serve: s.Serve}
		}
	}
	fate := func(f winhost.Fate, ports ...uint16) func(*winhost.Host) {
		return func(h *winhost.Host) {
			for _, p := range ports {
				h.Ports[p] = winhost.Port{Fate: f}
			}
		}
	}
	smb := func(s winhost.SMB) func(*winhost.Host) {
		return func(h *winhost.Host) { h.Ports[445] = winhost.Port{Serve: s.Serve} }
	}
	healthy := lines("rsop unproven", "refresh unproven", np, log, mapp, wmi, task, map2)
	onlyRefresh := func(taskLine string) string {
		return lines("rsop unproven", "refresh unreachable", np, log, mapp, wmi, taskLine, map2)
	}
	onlySMB := func(npLine string) string {
		return lines("rsop unreachable", "refresh unproven", npLine, log, mapp, wmi, task, map2)
	}
	tests := []struct {
		name  string
		spoil func(*winhost.Host)
		want  string
	}{
		{"healthy", func(*winhost.Host) {}, healthy},
		{"WMI on its fixed port", (*winhost.Host).StandaloneWMI, lines("rsop ready", "refresh ready", np, log, mapp,
			"WMI reachable: [135] connect bind bind call [24158] connect bind", task, map2)},
		{"another interface on WMI's fixed port", func(h *winhost.Host) {
			h.Ports[24158] = winhost.Port{Serve: h.RPC(winhost.Interface{Syntax: rpc.EventLog}).Serve}
		}, healthy},

		{"445 dropped", fate(winhost.Drop, 445), onlySMB("NP unreachable: [445] connect=timeout")},
		{"445 refused", fate(winhost.Refuse, 445), onlySMB("NP unreachable: [445] connect=refused")},
		{"445 prohibited by a router", fate(winhost.ICMP, 445), onlySMB("NP unreachable: [445] connect=unreachable")},
		{"445 not permitted here", fate(winhost.NotPermitted, 445), onlySMB("NP unreachable: [445] connect=not-permitted")},
		{"no descriptor for 445", fate(winhost.NoResources, 445), lines("rsop unproven", "refresh unproven",
			"NP unknown: [445] connect=no-resources", log, mapp, wmi, task, map2)},
		{
			"445 mute", func(h *winhost.Host) { h.Ports[445] = winhost.Port{Serve: winhost.Mute} },
			onlySMB("NP unreachable: [445] connect negotiate=timeout"),
		},
		{"SMB1 only", smb(winhost.SMB{SMB1Only: true}), onlySMB("NP unreachable: [445] connect negotiate=hangup")},
		{"SMB status", smb(winhost.SMB{Status: 0xC00000BB}), onlySMB("NP unreachable: [445] connect negotiate=unsupported")},
		{"SMB access denied", smb(winhost.SMB{Status: 0xC0000022}), onlySMB("NP unreachable: [445] connect negotiate=denied")},
		{"SMB 2.0.2", smb(winhost.SMB{Dialect: 0x0202}), healthy},

		{"135 dropped", fate(winhost.Drop, 135), all135(np, "unreachable", "connect=timeout")},
		{"135 refused", fate(winhost.Refuse, 135), all135(np, "unreachable", "connect=refused")},
		{
			"135 mute", func(h *winhost.Host) { h.Ports[135] = winhost.Port{Serve: winhost.Mute} },
			all135(np, "unreachable", "connect bind=timeout"),
		},
		{
			"135 speaks SMB", func(h *winhost.Host) { h.Ports[135] = h.Ports[445] },
			all135(np, "unreachable", "connect bind=hangup"),
		},
		{"bind_nak 4", mapper(func(s *winhost.RPC) { s.Nak = reason(4) }), all135(np, "unreachable", "connect bind=unsupported")},
		{"bind_nak 8", mapper(func(s *winhost.RPC) { s.Nak = reason(8) }), strings.ReplaceAll(all135(np, "unknown", "connect bind=denied"), " unreachable", " unproven")},
		{
			"NDR 2.0 rejected", mapper(func(s *winhost.RPC) { s.Reject = [2]uint16{2, 2} }),
			all135(np, "unreachable", "connect bind=unsupported"),
		},
		{"mapper big-endian", mapper(func(s *winhost.RPC) { s.BigEndian = true }), healthy},
		{"mapper in fragments of eight bytes", mapper(func(s *winhost.RPC) { s.Fragment = 8 }), healthy},
		{"mapper wants a logon", mapper(func(s *winhost.RPC) { s.Fault = 5 }), lines("rsop unproven", "refresh unproven", np,
			"LOG unknown: [135] connect bind map=denied", mapp, "WMI unknown: [135] connect bind bind call=denied",
			"TASK unknown: [135] connect bind map=denied", map2)},
		{"mapper faults", mapper(func(s *winhost.RPC) { s.Fault = 0x1C010002 }), lines("rsop unreachable", "refresh unreachable", np,
			"LOG unreachable: [135] connect bind map=unsupported", mapp, "WMI unknown: [135] connect bind bind call=unsupported",
			"TASK unreachable: [135] connect bind map=unsupported", map2)},
		{"mapper never answers a call", mapper(func(s *winhost.RPC) { s.CallDelay = time.Hour }), lines("rsop unreachable", "refresh unreachable", np,
			"LOG unreachable: [135] connect bind map=timeout", mapp, "WMI unknown: [135] connect bind",
			"TASK unreachable: [135] connect bind map=timeout", map2)},
		{"mapper status", func(h *winhost.Host) { h.MapStatus = 0x16C9A0D7 }, lines("rsop unreachable", "refresh unreachable", np,
			"LOG unreachable: [135] connect bind map=unsupported", mapp, wmi, "TASK unreachable: [135] connect bind map=unsupported", map2)},
		{"no DCOM on 135", func(h *winhost.Host) {
			s := h.RPCSS()
			s.Interfaces = s.Interfaces[:1]
			h.Ports[135] = winhost.Port{Serve: s.Serve}
		}, lines("rsop unreachable", "refresh unreachable", np, log, mapp, "WMI unreachable: [135] connect bind bind=unsupported", task, map2)},

		{"scheduler stopped", func(h *winhost.Host) { h.Stop(rpc.TaskScheduler) }, onlyRefresh("TASK unreachable: [135] connect bind map=not-registered")},
		{"scheduler registered on port 0", func(h *winhost.Host) {
			h.Stop(rpc.TaskScheduler)
			h.Endpoints = append(h.Endpoints, winhost.Endpoint{Interface: rpc.TaskScheduler, Pipe: `\PIPE\atsvc`})
		}, onlyRefresh("TASK unreachable: [135] connect bind map=not-registered")},
		{"scheduler's port dropped", fate(winhost.Drop, 49668), onlyRefresh("TASK unreachable: [135] connect bind map [49668] connect=timeout")},
		{"scheduler's port refused", fate(winhost.Refuse, 49668), onlyRefresh("TASK unreachable: [135] connect bind map [49668] connect=refused")},
		{"scheduler's port taken", func(h *winhost.Host) {
			h.Ports[49668] = winhost.Port{Serve: h.RPC(winhost.Interface{Syntax: rpc.EventLog}).Serve}
		}, onlyRefresh("TASK unreachable: [135] connect bind map [49668] connect bind=unsupported")},
		{
			"scheduler mute", func(h *winhost.Host) { h.Ports[49668] = winhost.Port{Serve: winhost.Mute} },
			onlyRefresh("TASK unreachable: [135] connect bind map [49668] connect bind=timeout"),
		},
		{
			"scheduler resets", func(h *winhost.Host) { h.Ports[49668] = winhost.Port{Serve: winhost.Reset} },
			onlyRefresh("TASK unreachable: [135] connect bind map [49668] connect bind=reset"),
		},
		{"scheduler wants a logon", scheduler(func(s *winhost.RPC) { s.Nak = reason(9) }), lines("rsop unproven", "refresh unproven",
			np, log, mapp, wmi, "TASK unknown: [135] connect bind map [49668] connect bind=denied", map2)},
		{"scheduler on a second port", func(h *winhost.Host) {
			first := winhost.Endpoint{Interface: rpc.TaskScheduler, Port: 50001}
			h.Endpoints = append([]winhost.Endpoint{first}, h.Endpoints...)
			h.Ports[50001] = winhost.Port{Fate: winhost.Refuse}
		}, lines("rsop unproven", "refresh unproven", np, log, mapp, wmi,
			"TASK reachable: [135] connect bind map [50001] connect=refused [49668] connect bind", map2)},

		{"default firewall", fate(winhost.Drop, 445, 135), all135("NP unreachable: [445] connect=timeout", "unreachable", "connect=timeout")},
		{
			"silent", func(h *winhost.Host) { clear(h.Ports) },
			strings.NewReplacer("rsop unreachable", "rsop silent", "refresh unreachable", "refresh silent").Replace(
				all135("NP unreachable: [445] connect=timeout", "unreachable", "connect=timeout")),
		},
		{
			"only ICMP errors", func(h *winhost.Host) { clear(h.Ports); h.Undeclared = winhost.ICMP },
			strings.NewReplacer("rsop unreachable", "rsop silent", "refresh unreachable", "refresh silent").Replace(
				all135("NP unreachable: [445] connect=unreachable", "unreachable", "connect=unreachable")),
		},
		{
			"all refused", func(h *winhost.Host) { clear(h.Ports); h.Undeclared = winhost.Refuse },
			all135("NP unreachable: [445] connect=refused", "unreachable", "connect=refused"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := winhost.Client("ws-001.corp.example", hostAddr)
				tt.spoil(h)
				r := prober(winhost.NewNetwork(h)).Probe(t.Context(), probe.Target{Name: hostAddr.String()}, nil)
				if got := sketch(r); got != tt.want {
					t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
				}
				checkWording(t, r)
			})
		})
	}
}

// checkWording holds every report to what CONTRACT.md says of sentences.
func checkWording(t *testing.T, r *probe.Report) {
	t.Helper()
	sentence := func(what, s string) {
		if s == "" || strings.ContainsAny(s, "{}") || s[0] < 'A' || s[0] > 'Z' {
			t.Errorf("%s is no sentence: %q", what, s)
		}
	}
	for _, o := range r.Operations {
		sentence(string(o.Operation), o.Reason)
	}
	for _, f := range r.Findings {
		sentence(f.Rule.ID+" reason", f.Reason)
		if f.Verdict == probe.Reachable && f.Access != probe.Denied {
			if f.Fix != "" {
				t.Errorf("%s is reachable and has a fix: %q", f.Rule.ID, f.Fix)
			}
			continue
		}
		sentence(f.Rule.ID+" fix", f.Fix)
		if f.Verdict == probe.Unreachable && f.Cause.Owner == "" {
			t.Errorf("%s is nobody's ticket", f.Rule.ID)
		}
	}
}
