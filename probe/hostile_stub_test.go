package probe_test

import (
	"strings"
	"testing"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

func TestHostileTower(t *testing.T) {
	declaration{
		"tower: port 0":                           "not-registered",
		"tower: the mapper's own port":            "map connect bind=unsupported: interface not supported here",
		"tower: another host's address":           "ok",
		"tower: our own address":                  "ok",
		"tower: a broadcast address":              "ok",
		"tower: UDP":                              "not-registered",
		"tower: a pipe":                           "not-registered",
		"tower: HTTP":                             "not-registered",
		"tower: connectionless RPC":               "not-registered",
		"tower: a port of one byte":               "garbled: 260 bytes wanted at offset 67 of 75",
		"tower: a port of no bytes":               "garbled: 1218 bytes wanted at offset 66 of 75",
		"tower: a port of 65,535 bytes":           "garbled: 65535 bytes wanted at offset 64 of 75",
		"tower: another interface":                "not-registered",
		"tower: another major version":            "not-registered",
		"tower: an interface that is no UUID":     "not-registered",
		"tower: an interface of no bytes":         "garbled: 18701 bytes wanted at offset 6 of 75",
		"tower: an interface of 65,535 bytes":     "garbled: 65535 bytes wanted at offset 4 of 75",
		"tower: no floors":                        "not-registered",
		"tower: three floors":                     "not-registered",
		"tower: six floors, of which five follow": "garbled: 2 bytes wanted at offset 75 of 75",
		"tower: nine floors":                      "garbled: tower of 9 floors",
		"tower: 65,535 floors":                    "garbled: tower of 65535 floors",
		"tower: no bytes":                         "garbled: 2 bytes wanted at offset 0 of 0",
		"tower: a byte less":                      "garbled: 4 bytes wanted at offset 71 of 74",
		"tower: more bytes than follow":           "garbled: 255 bytes wanted at offset 48 of 128",
		"tower: 4 GiB":                            "garbled: tower of 4294967295 bytes in an array of 4294967295",
		"tower: an array of another length":       "garbled: tower of 75 bytes in an array of 76",
		"towers: a handle that is not null":       "ok",
		"towers: a null referent":                 "unsupported: ept_map status 0x0000004B",
		"towers: a referent of 0xFFFFFFFF":        "ok",
		"towers: none, of which one follows":      "garbled: 0 towers, 1 sent from 0",
		"towers: none sent":                       "garbled: 1 towers, 0 sent from 0",
		"towers: two, of which one is sent":       "garbled: 2 towers, 1 sent from 0",
		"towers: two, of which one follows":       "garbled: tower of 1245189 bytes in an array of 75",
		"towers: five, of which one follows":      "garbled: 5 towers, 5 sent from 0",
		"towers: 4 Gi of them":                    "garbled: 4294967295 towers, 4294967295 sent from 0",
		"towers: 4 Gi at most":                    "ok",
		"towers: none at most":                    "ok",
		"towers: sent from the second on":         "garbled: 1 towers, 1 sent from 1",
		"towers: sent from the last on":           "garbled: 1 towers, 1 sent from 4294967295",
		"towers: status not registered":           "not-registered",
		"towers: status 0x16C9A0D7":               "unsupported: ept_map status 0x16C9A0D7",
		"towers: status access denied":            "denied: ept_map status 0x00000005",
		"towers: status out of memory":            "unsupported: ept_map status 0x0000000E",
		"towers: status 0xFFFFFFFF":               "unsupported: ept_map status 0xFFFFFFFF",
		"towers: none, and success":               "not-registered",
		"towers: five":                            "garbled: 5 towers, 5 sent from 0",
		"towers: 10,000":                          "garbled: response of more than 49152 bytes or 6144 fragments",
		"towers: four of one port":                "map [50001] connect=timeout",
		"towers: four that nothing answers on":    "map [50001] connect=timeout [50002] connect=timeout [50003] connect=timeout [50004] connect=timeout",
		"towers: SMB's port":                      "map [445] connect bind=hangup",
		"towers: the highest port":                "map [65535] connect=timeout",
		"towers: null pointers alone":             "not-registered",
		"towers: more behind the status":          "ok",
	}.check(t, 135, winhost.HostileTower(), 4, spoiledMap)
}

func TestHostileAlive(t *testing.T) {
	declaration{
		"alter_context: answered by a bind_ack":            "bind=garbled: PDU type 12",
		"alter_context: another call":                      "bind=garbled: answer to call 1, not 3",
		"alter_context: no results":                        "bind=garbled: 0 results to one context",
		"alter_context: interface not supported":           "bind=unsupported: interface not supported here",
		"ServerAlive2: version 65535.65535":                "ok: DCOM 65535.65535 at WS-001, 10.77.0.101",
		"ServerAlive2: no array, and more behind it":       "unsupported: ServerAlive2 status 0x0016002C",
		"ServerAlive2: 4 Gi words":                         "garbled: string array of 44 entries in 4294967295, security at 22",
		"ServerAlive2: 65,535 words":                       "garbled: string array of 65535 entries in 65535, security at 22",
		"ServerAlive2: a word more than the array":         "garbled: string array of 65535 entries in 44, security at 22",
		"ServerAlive2: no words":                           "garbled: string bindings without an end",
		"ServerAlive2: security at 0":                      "garbled: string bindings without an end",
		"ServerAlive2: security within a name":             "garbled: string bindings without an end",
		"ServerAlive2: security behind the end":            "garbled: string array of 44 entries in 44, security at 65535",
		"ServerAlive2: another call":                       "garbled: answer to call 9, not 4",
		"ServerAlive2: answered by a request":              "garbled: PDU type 0",
		"ServerAlive2: a fragment of 65,535 bytes":         "garbled: fragment of 65535 bytes",
		"alter_context: bind_nak":                          "bind=unsupported: bind_nak, reason 0",
		"alter_context: access denied":                     "bind=denied: fault 0x00000005",
		"ServerAlive2: access denied":                      "denied: fault 0x00000005",
		"ServerAlive2: no such operation":                  "unsupported: fault 0x1C010002",
		"ServerAlive2: nothing":                            "garbled: 4 bytes wanted at offset 4 of 4",
		"ServerAlive2: strings without terminators":        "garbled: string bindings without an end",
		"ServerAlive2: a list without its end":             "garbled: string bindings without an end",
		"ServerAlive2: security without its end":           "garbled: security bindings without an end",
		"ServerAlive2: security without terminators":       "garbled: security bindings without an end",
		"ServerAlive2: empty names by the thousand":        "ok: DCOM 5.7 at , , , , ",
		"ServerAlive2: security providers by the thousand": "ok: DCOM 5.7 at ",
		"ServerAlive2: a name of 8,000 characters":         "ok: \\u2603\\u2603\\u2603",
		"ServerAlive2: a name of 64 KiB":                   "garbled: response of more than 49152 bytes",
		"ServerAlive2: escape sequences":                   "ok: DCOM 5.7 at \\x1b]0;owned\\x07\\x1b[2J\\x0d\\x0a$(reboot)",
		"ServerAlive2: bidirectional characters":           "ok: DCOM 5.7 at \\u202egpj.exe\\u2066\\u200f\\u200b",
		"ServerAlive2: control characters":                 "ok: DCOM 5.7 at \\x01\\x7f\\u0085\\u009b31m\\x08",
		"ServerAlive2: status access denied":               "denied: ServerAlive2 status 0x00000005",
		"ServerAlive2: status 0xFFFFFFFF":                  "unsupported: ServerAlive2 status 0xFFFFFFFF",
		"ept_map answered twice":                           "bind=garbled: answer to call 2, not 3",
		"ServerAlive2: silence":                            "timeout",
	}.check(t, 135, winhost.HostileAlive(), 3, spoiledAlive)
}

// A challenge changes no verdict; what it says of the host is shown, or nothing.
func TestHostileChallenge(t *testing.T) {
	const build = " 10.0.22631"
	const nobody, healthy = "nobody", "WS-001 ws-001.corp.example corp.example" + build
	thrice := func(name string) string { return name + " " + name + " " + name + build }
	who := map[string]string{
		"challenge: another signature":                               nobody,
		"challenge: another type":                                    nobody,
		"challenge: all flags":                                       healthy,
		"challenge: no flags":                                        "nobody",
		"challenge: target info of 65,535 bytes":                     nobody,
		"challenge: target info of three bytes":                      nobody,
		"challenge: target info behind the end":                      nobody,
		"challenge: target info at 0xFFFFFFFF":                       nobody,
		"challenge: target info at 0":                                nobody,
		"challenge: target name of 65,535 bytes":                     healthy,
		"challenge: a token of one byte":                             nobody,
		"challenge: a token of 65,535 bytes":                         nobody,
		"challenge: no names":                                        "  " + build,
		"challenge: a name of 65,535 bytes, of which little follows": nobody,
		"challenge: half a character":                                " A " + build,
		"challenge: a lone surrogate":                                ` \ufffdA ` + build,
		"challenge: five thousand bytes of a name":                   strings.Repeat("a", 200) + "  " + build,
		"challenge: sixty-four KiB of a name":                        nobody,
		"challenge: escape sequences":                                thrice("\\x1b]0;owned\\x07\\x1b[2J\\x1b[31m$(reboot)`id`;\\x0d\\x0a|x"),
		"challenge: bidirectional characters":                        thrice(`\u202egpj.exe\u2066\u200b\u200f`),
		"challenge: control characters":                              thrice(`\x01\x7f\u0085\u009b31m\x09\x08`),
		"challenge: a name of nulls":                                 "  " + build,
		"challenge: a thousand names":                                "A  " + build,
	}
	kinds := winhost.HostileChallenge()
	if len(kinds) != len(who) {
		t.Errorf("%d kinds, %d of them declared", len(kinds), len(who))
	}
	for _, k := range kinds {
		t.Run(k.Name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, n := probeAddr(t, spoil(135, k))
				if got := sketch(r); got != allWell {
					t.Errorf("got:\n%s\nwant:\n%s", got, allWell)
				}
				if got := nameOf(r, nobody); got != who[k.Name] {
					t.Errorf("the host is %q, want %q", got, who[k.Name])
				}
				checkWording(t, r)
				checkBounds(t, r, n)
			})
		})
	}
}

// nameOf returns what a host says of itself, or otherwise.
func nameOf(r *probe.Report, otherwise string) string {
	if r.Identity == nil {
		return otherwise
	}
	return r.Identity.Computer + " " + r.Identity.DNS + " " + r.Identity.Domain + " " + r.Identity.Build
}
