package winhost

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"unicode/utf16"
)

// Where the fields of ept_map's response are, C706 appendix O, when it holds
// one tower; and those of its tower, appendix L.
const (
	atTowers, atMost, atFrom, atSent, atReferent = 44, 48, 52, 56, 60
	atConformance, atTowerLength, atTower        = 64, 68, 72
	atFloor1, atFloor3, atFloor4, atFloor5       = atTower + 2, atTower + 52, atTower + 59, atTower + 66
	atPort, atIP, atStatus                       = atFloor4 + 5, atFloor5 + 5, 148
)

// HostileTower returns the kinds that concern what ept_map's response says.
func HostileTower() []Hostile {
	maps := answerTo(mapCall, response)
	kinds := patched("tower", maps, []patch{
		{"port 0", atPort, "0000"},
		{"the mapper's own port", atPort, "0087"},
		{"another host's address", atIP, "c0000209"},
		{"our own address", atIP, "7f000001"},
		{"a broadcast address", atIP, "ffffffff"},
		{"UDP", atFloor4 + 2, "08"},
		{"a pipe", atFloor4 + 2, "0f"},
		{"HTTP", atFloor4 + 2, "1f"},
		{"connectionless RPC", atFloor3 + 2, "0a"},
		{"a port of one byte", atFloor4 + 3, "0100"},
		{"a port of no bytes", atFloor4 + 3, "0000"},
		{"a port of 65,535 bytes", atFloor4 + 3, "ffff"},
		{"another interface", atFloor1 + 3, "ffffffff"},
		{"another major version", atFloor1 + 19, "0900"},
		{"an interface that is no UUID", atFloor1 + 2, "0e"},
		{"an interface of no bytes", atFloor1, "0000"},
		{"an interface of 65,535 bytes", atFloor1, "ffff"},
		{"no floors", atTower, "0000"},
		{"three floors", atTower, "0300"},
		{"six floors, of which five follow", atTower, "0600"},
		{"nine floors", atTower, "0900"},
		{"65,535 floors", atTower, "ffff"},
		{"no bytes", atConformance, "00000000 00000000"},
		{"a byte less", atConformance, "4a000000 4a000000"},
		{"more bytes than follow", atConformance, "ff000000 ff000000"},
		{"4 GiB", atConformance, "ffffffff ffffffff"},
		{"an array of another length", atConformance, "4c000000"},
	})
	kinds = append(kinds, patched("towers", maps, []patch{
		{"a handle that is not null", atTowers - 20, "ffffffffffffffffffffffffffffffffffffffff"},
		{"a null referent", atReferent, "00000000"},
		{"a referent of 0xFFFFFFFF", atReferent, "ffffffff"},
		{"none, of which one follows", atTowers, "00000000"},
		{"none sent", atSent, "00000000"},
		{"two, of which one is sent", atTowers, "02000000"},
		{"two, of which one follows", atTowers, "02000000 04000000 00000000 02000000"},
		{"five, of which one follows", atTowers, "05000000 05000000 00000000 05000000"},
		{"4 Gi of them", atTowers, "ffffffff ffffffff 00000000 ffffffff"},
		{"4 Gi at most", atMost, "ffffffff"},
		{"none at most", atMost, "00000000"},
		{"sent from the second on", atFrom, "01000000"},
		{"sent from the last on", atFrom, "ffffffff"},
		{"status not registered", atStatus, "d6a0c916"},
		{"status 0x16C9A0D7", atStatus, "d7a0c916"},
		{"status access denied", atStatus, "05000000"},
		{"status out of memory", atStatus, "0e000000"},
		{"status 0xFFFFFFFF", atStatus, "ffffffff"},
	})...)
	return append(kinds,
		towers("none, and success", 0, nil),
		towers("five", 5, func(int) uint16 { return clientSchedule }),
		towers("10,000", 10000, func(i int) uint16 { return uint16(i) }),
		towers("four of one port", 4, func(int) uint16 { return 50001 }),
		towers("four that nothing answers on", 4, func(i int) uint16 { return uint16(50001 + i) }),
		towers("SMB's port", 1, func(int) uint16 { return smbPort }),
		towers("the highest port", 1, func(int) uint16 { return 65535 }),
		Hostile{"towers: null pointers alone", changed(func(answer []byte) []byte {
			if !maps(answer) {
				return answer
			}
			return aPDU(response, whole, mapCall, append(answer[headerLen:atTowers],
				octets("04000000 04000000 00000000 04000000 00000000 00000000 00000000 00000000 00000000")...))
		})},
		Hostile{"towers: more behind the status", changed(func(answer []byte) []byte {
			if maps(answer) {
				answer = append(answer, strings.Repeat("more", 1000)...)
				binary.LittleEndian.PutUint16(answer[atLength:], uint16(len(answer)))
			}
			return answer
		})},
	)
}

// towers answers ept_map with n towers, alike but for their ports, in as many
// fragments as it takes.
func towers(name string, n int, port func(i int) uint16) Hostile {
	return Hostile{"towers: " + name, changed(func(answer []byte) []byte {
		if !answerTo(mapCall, response)(answer) {
			return answer
		}
		stub := joined(answer[headerLen+8:atTowers], uint32(n), uint32(n), uint32(0), uint32(n))
		for i := range n {
			stub = append(stub, joined(uint32(i+3))...)
		}
		for i := range n {
			binary.BigEndian.PutUint16(answer[atPort:], port(i))
			stub = append(stub, answer[atConformance:atStatus]...)
		}
		return inFragments(mapCall, append(stub, 0, 0, 0, 0))
	})}
}

// inFragments returns the response of a call, in as few fragments as it takes.
func inFragments(call uint32, stub []byte) []byte {
	var all []byte
	parts := slices.Collect(slices.Chunk(stub, maxFrag-headerLen-8))
	for i, part := range parts {
		flags := byte(0)
		if i == 0 {
			flags |= firstFrag
		}
		if i == len(parts)-1 {
			flags |= lastFrag
		}
		all = append(all, aPDU(response, flags, call, append(make([]byte, 8), part...))...)
	}
	return all
}

// Where the fields of ServerAlive2's response are, [MS-DCOM] section 3.1.2.5.1.6.
const atVersionCOM, atArray, atEntries, atSecurity = 24, 28, 36, 38

// HostileAlive returns the kinds that concern DCOM on 135: the alter_context to
// IObjectExporter, and ServerAlive2.
func HostileAlive() []Hostile {
	alters, alives := answerTo(alterCall, alterContextResp), answerTo(aliveCall, response)
	kinds := patched("alter_context", alters, []patch{
		{"answered by a bind_ack", atKind, "0c"},
		{"another call", atCall, "01"},
		{"no results", 28, "00"},
		{"interface not supported", 32, "0200 0100"},
	})
	kinds = append(kinds, patched("ServerAlive2", alives, []patch{
		{"version 65535.65535", atVersionCOM, "ffff ffff"},
		{"no array, and more behind it", atArray, "00000000"},
		{"4 Gi words", atArray + 4, "ffffffff"},
		{"65,535 words", atArray + 4, "ffff0000 ffff"},
		{"a word more than the array", atEntries, "ffff"},
		{"no words", atArray + 4, "00000000 0000 0000"},
		{"security at 0", atSecurity, "0000"},
		{"security within a name", atSecurity, "0300"},
		{"security behind the end", atSecurity, "ffff"},
		{"another call", atCall, "09"},
		{"answered by a request", atKind, "00"},
		{"a fragment of 65,535 bytes", atLength, "ffff"},
	})...)
	const none = "\x00"
	return append(kinds,
		replaced("alter_context: bind_nak", alters, func(call uint32) []byte { return aNak(call, 0) }),
		replaced("alter_context: access denied", alters, func(call uint32) []byte { return aFault(call, accessDenied) }),
		replaced("ServerAlive2: access denied", alives, func(call uint32) []byte { return aFault(call, accessDenied) }),
		replaced("ServerAlive2: no such operation", alives, func(call uint32) []byte { return aFault(call, opRangeError) }),
		replaced("ServerAlive2: nothing", alives, func(call uint32) []byte { return inFragments(call, make([]byte, 4)) }),
		bindings("strings without terminators", 0, strings.Repeat("\x07A", 100), none),
		bindings("a list without its end", 0, "\x07WS-001\x00", none),
		bindings("security without its end", 0, none, "\x09\uffff\x00"),
		bindings("security without terminators", 0, none, strings.Repeat("\x09\uffff", 100)),
		bindings("empty names by the thousand", 0, strings.Repeat("\x07\x00", 4000)+none, none),
		bindings("security providers by the thousand", 0, none, strings.Repeat("\x09\uffff\x00", 2700)+none),
		bindings("a name of 8,000 characters", 0, "\x07"+strings.Repeat("\u2603", 8000)+"\x00\x00", none),
		bindings("a name of 64 KiB", 0, "\x07"+strings.Repeat("\u202e", 32700)+"\x00\x00", none),
		bindings("escape sequences", 0, "\x07\x1b]0;owned\a\x1b[2J\r\n$(reboot)\x00\x00", none),
		bindings("bidirectional characters", 0, "\x07\u202egpj.exe\u2066\u200f\u200b\x00\x00", none),
		bindings("control characters", 0, "\x07\x01\x7f\u0085\u009b31m\b\x00\x00", none),
		bindings("status access denied", accessDenied, none, none),
		bindings("status 0xFFFFFFFF", 0xffffffff, none, none),
		Hostile{"ept_map answered twice", changed(func(answer []byte) []byte {
			if answerTo(mapCall, response)(answer) {
				return append(answer, answer...)
			}
			return answer
		})},
		Hostile{"ServerAlive2: silence", distorted(func(c net.Conn, answer []byte) {
			if !alives(answer) {
				_, _ = c.Write(answer)
			}
		})},
	)
}

// bindings answers ServerAlive2 with these words of string and security
// bindings, a character a word.
func bindings(name string, status uint32, names, security string) Hostile {
	words := utf16.Encode([]rune(names + security))
	pad := make([]byte, len(words)%2*2)
	stub := joined("0500 0700 00000200", uint32(len(words)), uint16(len(words)), uint16(len([]rune(names))), words, pad, uint32(0), status)
	return replaced("ServerAlive2: "+name, answerTo(aliveCall, response), func(call uint32) []byte { return inFragments(call, stub) })
}
