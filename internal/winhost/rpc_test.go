package winhost

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gpreach/gpreach/rpc"
)

// Answers that many conversations share.
const (
	accepted49668 = "05000c0310000000 3c00 0000 01000000 d016d016 73670000 0600 343936363800 01000000 00000000" + ndrHex
	accepted135   = "05000c0310000000 3c00 0000 01000000 d016d016 73670000 0400 31333500 0000 01000000 00000000" + ndrHex
	nothing       = "0000000000000000000000000000000000000000"
)

func rejectedHex(result string) string {
	return "05000c0310000000 3c00 0000 01000000 d016d016 73670000 0600 343936363800 01000000" + result + nothing
}

func faultHex(status string) string {
	return "0500032310000000 2000 0000 02000000 20000000 0000 0000" + status + "00000000"
}

func nakHex(call, reason string) string {
	return "05000d0310000000 1800 0000" + call + reason + "01 0500 000000"
}

func TestRPC(t *testing.T) {
	schedule := func(change func(*RPC)) *RPC {
		s := Client("ws-001.corp.example").RPC(Interface{Syntax: rpc.TaskScheduler})
		change(s)
		return s
	}
	asIs := func(*RPC) {}
	bindSchedule := bindHex(scheduleHex, ndrHex)
	for _, test := range []struct {
		name    string
		service *RPC
		ask     []string
		want    []string
	}{
		{
			"an anonymous bind is taken, a call is not", schedule(asIs),
			[]string{bindSchedule, callHex("0000", "")},
			[]string{accepted49668, faultHex("05000000")},
		},
		{
			"an interface that is served elsewhere", schedule(asIs),
			[]string{bindHex(eventLogHex, ndrHex)},
			[]string{rejectedHex("02000100")},
		},
		{
			"a newer major version", schedule(asIs),
			[]string{bindHex(strings.Replace(scheduleHex, "01000000", "02000000", 1), ndrHex)},
			[]string{rejectedHex("02000100")},
		},
		{
			"a newer minor version", schedule(asIs),
			[]string{bindHex(strings.Replace(scheduleHex, "01000000", "01000100", 1), ndrHex)},
			[]string{rejectedHex("02000100")},
		},
		{
			"NDR64", schedule(asIs),
			[]string{bindHex(scheduleHex, ndr64Hex)},
			[]string{rejectedHex("02000200")},
		},
		{
			"bind time feature negotiation", schedule(asIs),
			[]string{bindHex(scheduleHex, featuresHex)},
			[]string{rejectedHex("03000300")},
		},
		{
			"a call before any bind", schedule(asIs),
			[]string{callHex("0000", "")},
			[]string{faultHex("0300011c")},
		},
		{
			"alter_context has no secondary address", schedule(asIs),
			[]string{bindSchedule, pduHex("0e", "02000000", "d016d016 73670000 01000000 0100 0100"+scheduleHex+ndrHex)},
			[]string{accepted49668, "05000f0310000000 3800 0000 02000000 d016d016 73670000 0000 0000 01000000 00000000" + ndrHex},
		},
		{
			"a client of small fragments and a group", schedule(asIs),
			[]string{pduHex("0b", "01000000", "b810b810 11223344 01000000 0000 0100"+scheduleHex+ndrHex)},
			[]string{strings.Replace(accepted49668, "d016d016 73670000", "b810b810 11223344", 1)},
		},
		{
			"SMB instead of RPC", schedule(asIs),
			[]string{"00000045 ff534d42 72"},
			[]string{nakHex("00000000", "0400")},
		},
		{
			"a PDU longer than a fragment", schedule(asIs),
			[]string{"05000b0310000000 d116 0000 01000000"},
			[]string{nakHex("00000000", "0400")},
		},
		{
			"a bind cut short", schedule(asIs),
			[]string{pduHex("0b", "01000000", "d016d016 00000000 02000000 0000 0100"+scheduleHex+ndrHex)},
			[]string{nakHex("01000000", "0400")},
		},
		{
			"a reason of the test's choice", schedule(func(s *RPC) { s.Nak = new(uint16) }),
			[]string{bindSchedule},
			[]string{nakHex("01000000", "0000")},
		},
		{
			"a result of the test's choice", schedule(func(s *RPC) { s.Reject = [2]uint16{1, 3} }),
			[]string{bindSchedule},
			[]string{rejectedHex("01000300")},
		},
		{
			"a fault of the test's choice", schedule(func(s *RPC) { s.Fault = 0x721 }),
			[]string{bindSchedule, callHex("0000", "")},
			[]string{accepted49668, faultHex("21070000")},
		},
		{
			"an opnum out of range", Client("ws-001").RPCSS(),
			[]string{bindHex(epmHex, ndrHex), callHex("0900", "")},
			[]string{accepted49668, faultHex("0200011c")},
		},
		{
			"the end of a call that has not begun", schedule(asIs),
			[]string{bindSchedule, strings.Replace(tidy(callHex("0000", "")), "05000003", "05000002", 1)},
			[]string{accepted49668, faultHex("0b00011c")},
		},
		{
			"all in big-endian", schedule(func(s *RPC) { s.BigEndian = true }),
			[]string{bindSchedule, callHex("0000", "")},
			[]string{
				"05000c0300000000 003c 0000 00000001 16d016d0 00006773 0006 343936363800 01000000 00000000 8a885d041ceb11c99fe808002b104860 00000002",
				"0500032300000000 0020 0000 00000002 00000020 0000 0000 00000005 00000000",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var want []string
				for _, w := range test.want {
					want = append(want, tidy(w))
				}
				if diff := cmp.Diff(want, converse(t, test.service.Serve, 49668, test.ask...)); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

// The bind and the reply of a real Windows 10, github.com/OTRF/Security-Datasets
// d9d40ef1 (MIT), schtask_create: it prefers NDR64, where we only have NDR.
func TestContextsAreDecidedOneByOne(t *testing.T) {
	const ask = "05000b0310000000a000000002000000d016d0160000000003000000" +
		"00000100" + epmHex + ndrHex + "01000100" + epmHex + ndr64Hex + "02000100" + epmHex + featuresHex
	const want = "05000c03100000006c00000002000000d016d016736700000400313335000000" + "03000000" +
		"00000000" + ndrHex + "02000200" + nothing + "03000300" + nothing
	synctest.Test(t, func(t *testing.T) {
		if diff := cmp.Diff([]string{tidy(want)}, converse(t, Client("ws-001").RPCSS().Serve, 135, ask)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// The conversation of a real Windows 10 and its reply, as above but from
// empire_wmi_dcerpc_wmi_IWbemServices_ExecMethod: byte for byte.
func TestServerAlive2(t *testing.T) {
	const reply = "050002031000000094000000250000007c0000000000000005000700000002003200000032001c00" +
		"070057004f0052004b00530054004100540049004f004e003600000007003100370032002e00310038002e00330039002e00360000000000" +
		"0900ffff00001e00ffff00001000ffff00000a00ffff00001600ffff00001f00ffff00000e00ffff000000000000000000000000"
	synctest.Test(t, func(t *testing.T) {
		h := Client("workstation6.theshire.local")
		h.Inner = netip.MustParseAddr("172.18.39.6")
		got := converse(t, h.RPCSS().Serve, 135, bindHex(oxidHex, ndrHex),
			"050000031000000018000000250000000000000000000500",
			callHex("0300", ""), callHex("0200", ""), callHex("0600", ""))
		want := []string{accepted135, reply, "0500020310000000 1c00 0000 02000000 04000000 0000 0000 00000000", faultHex("05000000"), faultHex("0200011c")}
		for i := range want {
			want[i] = tidy(want[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestWMIsFixedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Server("srv-001")
		h.StandaloneWMI()
		got := converse(t, h.Ports[WMIPort].Serve, WMIPort, bindHex(remUnknown2Hex, ndrHex))[0]
		if want := tidy("01000000 00000000" + ndrHex); !strings.HasSuffix(got, want) {
			t.Errorf("got %s, want an acceptance", got)
		}
	})
}

func TestFragments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Client("workstation6").RPCSS()
		s.Host.Inner = netip.MustParseAddr("172.18.39.6")
		c := connected(t, s.Serve)
		whole := talk(t, c, bindHex(oxidHex, ndrHex), callHex("0500", ""))[48:]

		s.Fragment = 50
		c = connected(t, s.Serve)
		part := talk(t, c, bindHex(oxidHex, ndrHex), callHex("0500", ""))
		heads, stub := part[:48], part[48:]
		for part[6:8] != "02" {
			var err error
			if part, err = readReply(c); err != nil {
				t.Fatal(err)
			}
			heads += " " + part[:48]
			stub += part[48:]
		}
		const want = "050002011000000 04a00 0000 02000000 7c000000 00000000" +
			"0500020010000000 4a00 0000 02000000 4a000000 00000000" +
			"0500020210000000 3000 0000 02000000 18000000 00000000"
		if diff := cmp.Diff(tidy(want), tidy(heads)); diff != "" {
			t.Errorf("headers: -want +got\n%s", diff)
		}
		if stub != whole {
			t.Errorf("the fragments make\n%s\nnot\n%s", stub, whole)
		}
	})
}

// negotiateHex is the verifier of a bind: connect level, context 7, and an
// NTLM NEGOTIATE, [MS-NLMP] section 2.2.1.1.
const negotiateHex = "0a020000 07000000 4e544c4d53535000 01000000 078208a2 0000000000000000 0000000000000000 0a006358 0000000f"

func ntlmBind() string {
	b := tidy(bindHex(scheduleHex, ndrHex))
	return b[:16] + "7800" + "2800" + b[24:] + tidy(negotiateHex)
}

func TestChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Server("srv-001.corp.example").RPC(Interface{Syntax: rpc.TaskScheduler})
		got := talk(t, connected(t, s.Serve), ntlmBind())
		const want = "05000c0310000000 1601 d200 01000000 d016d016 73670000 0400 31333500 0000 01000000 00000000" + ndrHex +
			"0a020000 07000000" +
			"4e544c4d53535000 02000000 0800 0800 38000000 058289a2 0123456789abcdef 0000000000000000 9200 9200 40000000 0a00 7c4f 0000000f" +
			"43004f0052005000" +
			"0200 0800 43004f0052005000" +
			"0100 0e00 5300520056002d00300030003100" +
			"0400 1800 63006f00720070002e006500780061006d0070006c006500" +
			"0300 2800 7300720076002d003000300031002e0063006f00720070002e006500780061006d0070006c006500" +
			"0500 1800 63006f00720070002e006500780061006d0070006c006500" +
			"0700 0800 f0896f25eb53bf01" + "0000 0000" // 2000-01-01, when virtual time begins, and 15 ms
		if diff := cmp.Diff(tidy(want), got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestVerifiers(t *testing.T) {
	spnego := strings.Replace(ntlmBind(), "0a02000007000000", "0902000007000000", 1)
	const signed = "0500000310000000 3000 1000 02000000 00000000 0000 0300 0a050000 07000000 01000000 0000000000000000 00000000"
	denied := tidy(faultHex("05000000"))
	for name, test := range map[string]struct {
		noNTLM bool
		ask    []string
		want   string
	}{
		"SPNEGO is not spoken here":           {false, []string{spnego}, nakHex("01000000", "0800")},
		"NTLM is turned off":                  {true, []string{ntlmBind()}, nakHex("01000000", "0800")},
		"who begins to log on cannot call":    {false, []string{ntlmBind(), mapHex(scheduleHex)}, denied},
		"nor can a call with a verifier":      {false, []string{bindHex(scheduleHex, ndrHex), signed}, denied},
		"an anonymous call is another matter": {true, []string{bindHex(scheduleHex, ndrHex), callHex("0300", "")}, "0500020310000000 1800 0000 02000000 00000000 0000 0000"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := Client("ws-001").RPC(Interface{Syntax: rpc.TaskScheduler, calls: map[uint16]call{3: func(*reader, *writer) uint32 { return 0 }}})
				s.NoNTLM = test.noNTLM
				if diff := cmp.Diff(tidy(test.want), talk(t, connected(t, s.Serve), test.ask...)); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

func TestAnAnswerToALogonNeedsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connected(t, Client("ws-001").RPC(Interface{Syntax: rpc.TaskScheduler}).Serve)
		talk(t, c, ntlmBind())
		write(t, c, string(raw(t, pduHex("10", "01000000", "00000000"))))
		if got, want := talk(t, c, callHex("0000", "")), tidy(faultHex("05000000")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestDelays(t *testing.T) {
	var bound, called time.Duration
	synctest.Test(t, func(t *testing.T) {
		s := Client("ws-001").RPC(Interface{Syntax: rpc.TaskScheduler})
		s.BindDelay, s.CallDelay = 3*time.Second, 7*time.Second
		c := connected(t, s.Serve)
		start := time.Now()
		talk(t, c, bindHex(scheduleHex, ndrHex))
		bound = time.Since(start)
		talk(t, c, callHex("0000", ""))
		called = time.Since(start) - bound

		write(t, c, string(raw(t, callHex("0000", ""))))
		c.Close() // the pause ends, or the bubble says so
	})
	if bound != 3*time.Second+rtt || called != 7*time.Second+rtt {
		t.Errorf("bind took %v, call %v", bound, called)
	}
}

// connected returns a connection to port 135 of a host that has only this service.
func connected(t *testing.T, serve func(net.Conn)) net.Conn {
	t.Helper()
	n := NewNetwork(&Host{Addrs: []netip.Addr{here}, RTT: rtt, Ports: map[uint16]Port{135: {Serve: serve}}})
	c, err := n.Dial(context.Background(), "tcp", here.String()+":135")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// talk sends requests and returns the last answer.
func talk(t *testing.T, c net.Conn, requests ...string) (last string) {
	t.Helper()
	for _, r := range requests {
		write(t, c, string(raw(t, r)))
		var err error
		if last, err = readReply(c); err != nil {
			t.Fatal(err)
		}
	}
	return last
}
