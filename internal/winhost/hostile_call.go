package winhost

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// The mapper's connection: a bind, ept_map, an alter_context, ServerAlive2.
const (
	mapCall   = 2
	alterCall = 3
	aliveCall = 4
)

// HostileResponse returns the kinds that concern the fragments of ept_map's
// response, and those of its fault.
func HostileResponse() []Hostile {
	maps := answerTo(mapCall, response)
	kinds := patched("call", maps, []patch{
		{"a first fragment, and no more", atFlags, "01"},
		{"no first fragment", atFlags, "02"},
		{"neither a first nor a last fragment", atFlags, "00"},
		{"data representation 0x20", atOrder, "20"},
		{"big-endian, it says", atOrder, "00"},
		{"another call", atCall, "09"},
		{"answered by a request", atKind, "00"},
		{"answered by a ping", atKind, "01"},
		{"answered by a bind_ack", atKind, "0c"},
		{"answered by a shutdown", atKind, "11"},
		{"a fragment of 65,535 bytes", atLength, "ffff"},
		{"a token of 65,535 bytes", atToken, "ffff"},
		{"a token in place of the status", atToken, "0400"},
		{"alloc_hint of 4 GiB", headerLen, "ffffffff"},
		{"another context", headerLen + 4, "0900"},
		{"cancelled 255 times", headerLen + 6, "ff"},
	})
	for _, status := range faults() {
		kinds = append(kinds, replaced(fmt.Sprintf("call: fault 0x%08X", status), maps, func(call uint32) []byte { return aFault(call, status) }))
	}
	for _, n := range []int{0, 4, 7, 8, 20, 21, 40, 64, 100, 126, 127} {
		kinds = append(kinds, Hostile{fmt.Sprintf("call: cut after %d bytes", n), changed(func(answer []byte) []byte {
			if maps(answer) {
				answer = answer[:headerLen+n]
				binary.LittleEndian.PutUint16(answer[atLength:], uint16(len(answer)))
			}
			return answer
		})})
	}
	return append(kinds,
		replaced("call: bind_nak", maps, func(call uint32) []byte { return aNak(call, 0) }),
		replaced("call: bind_nak 8", maps, func(call uint32) []byte { return aNak(call, unknownAuthType) }),
		fragmented("in eights", 8, nil),
		fragmented("in ones", 1, nil),
		fragmented("the second of another call", 64, func(second []byte) { second[atCall] = 9 }),
		fragmented("the second a first one too", 64, func(second []byte) { second[atFlags] |= firstFrag }),
		fragmented("the second big-endian", 64, func(second []byte) {
			second[atOrder] = 0
			copy(second[atLength:], []byte{second[atLength+1], second[atLength]})
			copy(second[atCall:], []byte{0, 0, 0, second[atCall]})
		}),
		fragmented("the second a bind_ack", 64, func(second []byte) { second[atKind] = bindAck }),
		fragmented("the second a fault", 64, func(second []byte) { second[atKind] = fault }),
		fragmented("the second of RPC 4", 64, func(second []byte) { second[0] = 4 }),
		withoutEnd("empty fragments", 0, 0),
		withoutEnd("fragments of eight bytes", 8, 0),
		withoutEnd("fragments of 5,816 bytes", maxFrag-24, 0),
		withoutEnd("fragments of nothing but a token", 0, maxFrag-24-trailerLen),
		Hostile{"call: 46 KiB, then a fault", distorted(func(c net.Conn, answer []byte) {
			if maps(answer) {
				var all []byte
				for i := range 8 {
					flags := byte(0)
					if i == 0 {
						flags = firstFrag
					}
					all = append(all, aPDU(response, flags, mapCall, make([]byte, maxFrag-headerLen))...)
				}
				answer = append(all, aFault(mapCall, opRangeError)...)
			}
			_, _ = c.Write(answer)
		})},
		Hostile{"every answer twice", changed(func(answer []byte) []byte { return append(answer, answer...) })},
	)
}

// fragmented cuts ept_map's response into fragments of n bytes of NDR data, and
// spoils the second.
func fragmented(name string, n int, spoil func(second []byte)) Hostile {
	return Hostile{"call: fragmented, " + name, changed(func(answer []byte) []byte {
		if !answerTo(mapCall, response)(answer) {
			return answer
		}
		const body = headerLen + 8
		var all []byte
		for at := body; at < len(answer); at += n {
			end, flags := min(at+n, len(answer)), byte(0)
			if at == body {
				flags |= firstFrag
			}
			if end == len(answer) {
				flags |= lastFrag
			}
			one := aPDU(response, flags, mapCall, append(make([]byte, 8), answer[at:end]...))
			if at == body+n && spoil != nil {
				spoil(one)
			}
			all = append(all, one...)
		}
		return all
	})}
}

// withoutEnd answers ept_map with fragments of n bytes of NDR data, and a token
// behind them, until the client has gone.
func withoutEnd(name string, n, token int) Hostile {
	return Hostile{"call: " + name + " without end", distorted(func(c net.Conn, answer []byte) {
		if !answerTo(mapCall, response)(answer) {
			_, _ = c.Write(answer)
			return
		}
		behind := 0
		if token > 0 {
			behind = trailerLen + token
		}
		one := aPDU(response, 0, mapCall, make([]byte, 8+n+behind))
		binary.LittleEndian.PutUint16(one[atToken:], uint16(token))
		first := append([]byte(nil), one...)
		first[atFlags] = firstFrag
		if _, err := c.Write(first); err == nil {
			endless(c, strings.Repeat(string(one), max(1, 8192/len(one))))
		}
	})}
}

// HostileChallenge returns the kinds that concern the NTLM challenge, [MS-NLMP]
// section 2.2.1.2, with which a host says who it is.
func HostileChallenge() []Hostile {
	const token = 68 // of a bind_ack with one, whose secondary address is "135"
	kinds := patched("challenge", challenges, []patch{
		{"another signature", token, "4e544c4d53535001"},
		{"another type", token + 8, "03"},
		{"all flags", token + 20, "ffffffff"},
		{"no flags", token + 20, "00000000"},
		{"target info of 65,535 bytes", token + 40, "ffff"},
		{"target info of three bytes", token + 40, "0300"},
		{"target info behind the end", token + 44, "ffff0000"},
		{"target info at 0xFFFFFFFF", token + 44, "ffffffff"},
		{"target info at 0", token + 44, "00000000"},
		{"target name of 65,535 bytes", token + 12, "ffffffff ffffffff"},
		{"a token of one byte", atToken, "0100"},
		{"a token of 65,535 bytes", atToken, "ffff"},
	})
	for _, names := range []struct {
		name string
		info []byte
	}{
		{"no names", octets("00000000")},
		{"a name of 65,535 bytes, of which little follows", octets("0100 ffff 4100")},
		{"half a character", octets("0300 0300 410042 00000000")},
		{"a lone surrogate", octets("0300 0400 3dd84100 00000000")},
		{"five thousand bytes of a name", named(strings.Repeat("a", 2500))},
		{"sixty-four KiB of a name", named(strings.Repeat("a", 32767))},
		{"escape sequences", named("\x1b]0;owned\a\x1b[2J\x1b[31m$(reboot)`id`;\r\n|x")},
		{"bidirectional characters", named("\u202egpj.exe\u2066\u200b\u200f")},
		{"control characters", named("\x01\x7f\u0085\u009b31m\t\b")},
		{"a name of nulls", octets("0100 0800 0000000000000000 00000000")},
		{"a thousand names", append([]byte(strings.Repeat(string(octets("0100 0200 4100")), 900)), 0, 0, 0, 0)},
	} {
		kinds = append(kinds, Hostile{"challenge: " + names.name, changed(func(answer []byte) []byte {
			if !challenges(answer) {
				return answer
			}
			msg := joined([]byte(logon.NTLMSignature), uint32(2), "0000 0000 38000000", uint32(supportedFlags|targetFlags), "0123456789abcdef 0000000000000000",
				uint16(len(names.info)), uint16(len(names.info)), uint32(56), "0a00 6758 0000000f", names.info)
			answer = append(answer[:token], msg...)
			binary.LittleEndian.PutUint16(answer[atLength:], uint16(len(answer)))
			binary.LittleEndian.PutUint16(answer[atToken:], uint16(len(msg)))
			return answer
		})})
	}
	return kinds
}

// challenges is whether an answer is a bind_ack with a token.
func challenges(answer []byte) bool {
	return answerTo(1, bindAck)(answer) && binary.LittleEndian.Uint16(answer[atToken:]) > 0
}

// named returns AV_PAIRs in which every name is this one.
func named(name string) []byte {
	var info []byte
	for id := range uint16(4) {
		info = append(info, joined(id+1, uint16(len(logon.ToUTF16(name))), logon.ToUTF16(name))...)
		if len(info) > 2048 {
			break
		}
	}
	return append(info, 0, 0, 0, 0)
}
