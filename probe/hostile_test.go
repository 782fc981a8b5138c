package probe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// spoil puts a hostile kind on a port of a healthy client.
func spoil(port uint16, k winhost.Hostile) func(*probe.Prober, *winhost.Host) {
	return func(_ *probe.Prober, h *winhost.Host) {
		h.Ports[port] = winhost.Port{Serve: k.Instead(h.Ports[port].Serve)}
	}
}

// A declaration is what comes of each hostile kind: the outcome of the step
// that it spoils, and where that matters ": " and what is said of it.
type declaration map[string]string

// check probes a healthy client with each kind on a port. want draws what is
// expected of an outcome; rule is the finding whose last step is spoiled.
func (d declaration) check(t *testing.T, port uint16, kinds []winhost.Hostile, rule int, want func(outcome string) string) {
	if len(kinds) != len(d) {
		t.Errorf("%d kinds, %d of them declared", len(kinds), len(d))
	}
	for _, k := range kinds {
		t.Run(fmt.Sprintf("%d %s", port, k.Name), func(t *testing.T) {
			outcome, detail, _ := strings.Cut(d[k.Name], ": ")
			bubble(t, func(t *testing.T) {
				r, n := probeAddr(t, spoil(port, k))
				if got, want := sketch(r), want(outcome); got != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
				trail := r.Findings[rule].Trail
				if last := trail[len(trail)-1]; !strings.Contains(last.Detail, detail) {
					t.Errorf("it says %q, want %q", last.Detail, detail)
				}
				checkWording(t, r)
				checkBounds(t, r, n)
			})
		})
	}
}

// checkBounds holds a report to the host's deadline and address.
func checkBounds(t *testing.T, r *probe.Report, n *winhost.Network) {
	t.Helper()
	if r.Elapsed > 15*time.Second {
		t.Errorf("it took %v, beyond the deadline", r.Elapsed)
	}
	for _, to := range n.Dialled() {
		if !strings.HasPrefix(to, hostAddr.String()+":") {
			t.Errorf("%s was dialled", to)
		}
	}
}

const allWell = "rsop unproven\nrefresh unproven\n" + np + "\n" + log + "\n" + mapp + "\n" + wmi + "\n" + task + "\n" + map2

// The reports of a healthy client but for what one port says, by the outcome there.

func spoiledSMB(outcome string) string {
	if outcome == "ok" {
		return allWell
	}
	return lines("rsop unreachable", "refresh unproven", "NP unreachable: [445] connect negotiate="+outcome, log, mapp, wmi, task, map2)
}

func spoiledMapper(outcome string) string {
	switch outcome {
	case "ok":
		return allWell
	case "denied":
		return strings.ReplaceAll(all135(np, "unknown", "connect bind=denied"), " unreachable", " unproven")
	}
	return all135(np, "unreachable", "connect bind="+outcome)
}

func spoiledScheduler(outcome string) string {
	const steps = ": [135] connect bind map [49668] connect bind="
	switch outcome {
	case "ok":
		return allWell
	case "denied":
		return lines("rsop unproven", "refresh unproven", np, log, mapp, wmi, "TASK unknown"+steps+outcome, map2)
	}
	return lines("rsop unproven", "refresh unreachable", np, log, mapp, wmi, "TASK unreachable"+steps+outcome, map2)
}

// spoiledMap takes the outcome of the lookup, or the steps from there on.
func spoiledMap(outcome string) string {
	status, verdict, alive := "unreachable", "unreachable", wmi
	switch outcome {
	case "ok":
		return allWell
	case "denied":
		status, verdict = "unproven", "unknown"
	case "garbled", "timeout":
		alive = "WMI unknown: [135] connect bind"
	}
	if !strings.HasPrefix(outcome, "map ") {
		outcome = "map=" + outcome
	}
	steps := " " + verdict + ": [135] connect bind " + outcome
	return lines("rsop "+status, "refresh "+status, np, "LOG"+steps, mapp, alive, "TASK"+steps, map2)
}

// spoiledAlive takes the outcome of ServerAlive2, or of the bind before it.
func spoiledAlive(outcome string) string {
	status, verdict := "unproven", "unknown"
	switch {
	case outcome == "ok":
		return allWell
	case outcome == "bind=unsupported":
		status, verdict = "unreachable", "unreachable"
	case !strings.Contains(outcome, "="):
		outcome = "bind call=" + outcome
	}
	return lines("rsop "+status, "refresh "+status, np, log, mapp, "WMI "+verdict+": [135] connect bind "+outcome, task, map2)
}

func TestHostile(t *testing.T) {
	tcp := declaration{
		"never answers":                            "timeout",
		"closes at once":                           "hangup",
		"closes after the request":                 "hangup",
		"closes just before the timeout":           "hangup",
		"resets at once":                           "reset",
		"resets after the request":                 "reset",
		"echoes":                                   "garbled",
		"a byte at a time":                         "ok",
		"a byte a second":                          "timeout",
		"first half, then silence":                 "timeout",
		"first half, then closes":                  "hangup",
		"first half, then resets":                  "reset",
		"first half, the rest a second later":      "ok",
		"all but the last byte, then closes":       "hangup",
		"one byte of it, then closes":              "hangup",
		"SSH banner before the request":            "garbled",
		"SMTP banner before the request":           "garbled",
		"Telnet options before the request":        "garbled",
		"RPC over HTTP banner before the request":  "garbled",
		"MySQL greeting before the request":        "garbled",
		"garbage":                                  "garbled",
		"HTTP":                                     "garbled",
		"HTTP/2 SETTINGS":                          "garbled",
		"TLS alert":                                "garbled",
		"TPKT, as RDP does":                        "garbled",
		"LDAP":                                     "garbled",
		"SOCKS 5, whose first two bytes are RPC's": "timeout",
		"a zero byte":                              "timeout",
		"sixteen zero bytes":                       "garbled",
		"sixteen bytes of 0xff":                    "garbled",
		"zero bytes without end":                   "garbled",
		"0xff without end":                         "garbled",
		"RPC's version without end":                "garbled",
		"SMB2's first bytes without end":           "garbled",
	}
	tcp.check(t, 445, winhost.HostileTCP(), 0, spoiledSMB)
	tcp.check(t, 135, winhost.HostileTCP(), 2, spoiledMapper)
	tcp.check(t, 49668, winhost.HostileTCP(), 4, spoiledScheduler)
}

// A host that is hostile wherever it is dialled ends by its deadline, too.
func TestHostileEverywhere(t *testing.T) {
	for _, k := range winhost.HostileTCP() {
		t.Run(k.Name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, n := probeAddr(t, func(_ *probe.Prober, h *winhost.Host) {
					h.StandaloneWMI()
					for port, p := range h.Ports {
						h.Ports[port] = winhost.Port{Serve: k.Instead(p.Serve)}
					}
				})
				checkWording(t, r)
				checkBounds(t, r, n)
				for _, o := range r.Operations {
					if want := tcpStatus(k.Name); o.Status != want {
						t.Errorf("%s is %s, want %s", o.Operation, o.Status, want)
					}
				}
			})
		})
	}
}

// tcpStatus is the status of a host whose every port is of this kind. Two of
// them are slow or odd, and right.
func tcpStatus(kind string) probe.Status {
	if kind == "a byte at a time" || kind == "first half, the rest a second later" {
		return probe.StatusReady
	}
	return probe.StatusUnreachable
}

func TestHostileSMB(t *testing.T) {
	declaration{
		"frame: of no bytes":                                 "garbled: message of 0 bytes",
		"frame: of three bytes":                              "garbled: message of 3 bytes",
		"frame: of a header less a byte":                     "garbled: message of 63 bytes",
		"frame: of a header alone":                           "garbled: 2 bytes wanted at offset 64 of 64",
		"frame: of the fixed part alone":                     "garbled: 96 bytes wanted at offset 128 of 128",
		"frame: longer than what follows":                    "timeout",
		"frame: of 16 KiB, of which little follows":          "timeout",
		"frame: of 16 KiB and a byte":                        "garbled: message of 16385 bytes",
		"frame: of 16 MiB":                                   "garbled: message of 16777215 bytes",
		"frame: of another type":                             "garbled: frame type 0x1",
		"frame: that is a NetBIOS keep-alive":                "garbled: frame type 0x85",
		"frame: that is a negative NetBIOS session response": "garbled: frame type 0x83",
		"header: SMB1":                                       "unsupported: the server answered in SMB1",
		"header: encrypted":                                  "garbled: protocol fd534d42",
		"header: compressed":                                 "garbled: protocol fc534d42",
		"header: another protocol":                           "garbled: protocol fe534d43",
		"header: structure size 65":                          "garbled: size 65, command 0, flags 0x1, message 0",
		"header: access denied":                              "denied: status 0xC0000022",
		"header: not supported":                              "unsupported: status 0xC00000BB",
		"header: invalid parameter":                          "unsupported: status 0xC000000D",
		"header: insufficient resources":                     "unsupported: status 0xC000009A",
		"header: more processing required":                   "unsupported: status 0xC0000016",
		"header: pending":                                    "unsupported: status 0x00000103",
		"header: status 0xFFFFFFFF":                          "unsupported: status 0xFFFFFFFF",
		"header: SESSION_SETUP":                              "garbled: size 64, command 1, flags 0x1, message 0",
		"header: command 0xFFFF":                             "garbled: size 64, command 65535, flags 0x1, message 0",
		"header: a request":                                  "garbled: size 64, command 0, flags 0x0, message 0",
		"header: NextCommand":                                "ok",
		"header: NextCommand out of bounds":                  "ok",
		"header: another MessageId":                          "garbled: size 64, command 0, flags 0x1, message 1",
		"header: MessageId of an oplock break":               "garbled: size 64, command 0, flags 0x1, message 18446744073709551615",
		"negotiate: structure size 36, a request's":          "garbled: structure size 36",
		"negotiate: structure size 64":                       "garbled: structure size 64",
		"negotiate: dialect 0x02FF":                          "unsupported: dialect 0x02FF was not offered",
		"negotiate: dialect 0x9999":                          "unsupported: dialect 0x9999 was not offered",
		"negotiate: dialect 0":                               "unsupported: dialect 0x0000 was not offered",
		"negotiate: no contexts":                             "ok",
		"negotiate: sixty-four contexts":                     "garbled: 8 bytes wanted at offset 288 of 284",
		"negotiate: sixty-five contexts":                     "garbled: 65 negotiate contexts",
		"negotiate: 65,535 contexts":                         "garbled: 65535 negotiate contexts",
		"negotiate: no system time":                          "ok",
		"negotiate: system time at the end of all time":      "ok",
		"negotiate: security buffer at 0":                    "ok",
		"negotiate: security buffer behind the end":          "garbled: 96 bytes wanted at offset 65535 of 284",
		"negotiate: security buffer of 65,535 bytes":         "garbled: 65535 bytes wanted at offset 128 of 284",
		"negotiate: contexts at 0":                           "garbled: 16973 bytes wanted at offset 8 of 284",
		"negotiate: contexts at the last byte":               "garbled: 8 bytes wanted at offset 299 of 284",
		"negotiate: contexts behind the end":                 "garbled: 8 bytes wanted at offset 4096 of 284",
		"negotiate: contexts at 0x7FFFFFF8":                  "garbled: 8 bytes wanted at offset 2147483640 of 284",
		"negotiate: contexts at 0xFFFFFFFF":                  "garbled: 8 bytes wanted at offset 4294967295 of 284",
		"negotiate: a context of 65,535 bytes":               "garbled: 65535 bytes wanted at offset 232 of 284",
		"a frame of no bytes, then the answer":               "garbled: protocol 0000011c",
		"the answer twice":                                   "ok",
		"16 KiB, all there":                                  "ok",
		"the answer before the request":                      "ok",
		"an RPC bind_ack":                                    "garbled: frame type 0x5",
		"the answer, then garbage without end":               "ok",
	}.check(t, 445, winhost.HostileSMB(), 0, spoiledSMB)
}
