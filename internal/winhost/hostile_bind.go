package winhost

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
)

// Where the fields of a PDU are, C706 section 12.6.3.1, and those of a bind_ack
// whose secondary address is "135" or a port of five digits.
const (
	atVersion, atKind, atFlags, atOrder, atLength, atToken, atCall = 0, 2, 3, 4, 8, 10, 12
	atAddress, atResults, atResult, atSyntax                       = 24, 32, 36, 40
)

// ndr20 is NDR 2.0, the transfer syntax, as it stands in a bind_ack.
const ndr20 = "045d888aeb1cc9119fe808002b104860 02000000"

// answerTo returns a test for answers to a call, by the type of a PDU.
func answerTo(call byte, kind byte) func([]byte) bool {
	return func(answer []byte) bool {
		return len(answer) > headerLen && answer[atCall] == call && answer[atKind] == kind
	}
}

// aPDU returns a PDU of one fragment with this type, flags, call and body.
func aPDU(kind, flags byte, call uint32, body []byte) []byte {
	return joined("0500", kind, flags, "10000000", uint16(headerLen+len(body)), uint16(0), call, body)
}

const whole = firstFrag | lastFrag

// aBindAck returns the answer of a port's healthy service to an anonymous bind.
func aBindAck(call uint32) []byte {
	return aPDU(bindAck, whole, call, joined("d016 d016 67730000 0400 31333500 0000 01000000 0000 0000", ndr20))
}

// aFault returns a fault, C706 section 12.6.4.7.
func aFault(call, status uint32) []byte {
	return aPDU(fault, whole|didNotExecute, call, joined("20000000 0000 0000", status, "00000000"))
}

// aNak returns a bind_nak, C706 section 12.6.4.5.
func aNak(call uint32, reason uint16) []byte {
	return aPDU(bindNak, whole, call, joined(reason, "01 05 00 00 00 00"))
}

// replaced returns the kind that makes something else of the answers concerned.
func replaced(name string, concerns func([]byte) bool, by func(call uint32) []byte) Hostile {
	return Hostile{name, changed(func(answer []byte) []byte {
		if !concerns(answer) {
			return answer
		}
		return by(binary.LittleEndian.Uint32(answer[atCall:]))
	})}
}

// faults are statuses of fault PDUs, C706 appendix E, [MS-RPCE] section 3.3 and [MS-ERREF].
func faults() []uint32 {
	return []uint32{
		accessDenied, 0x80070005, 0xc0000022, badStubData, opRangeError, unknownContext, protocolError,
		0, 0x6ba, 0x6be, 0x721, 0x1c000006, 0x1c00001a, 0x1c010014, 0x800706ba, 0xffffffff,
	}
}

// HostileBind returns the kinds that concern the bind of any RPC port.
func HostileBind() []Hostile {
	acks := answerTo(1, bindAck)
	kinds := patched("bind", acks, []patch{
		{"version 4", atVersion, "04"},
		{"version 6", atVersion, "06"},
		{"minor version 1", atVersion, "0501"},
		{"minor version 9", atVersion, "0509"},
		{"answered by a request", atKind, "00"},
		{"answered by a response", atKind, "02"},
		{"answered by a bind", atKind, "0b"},
		{"answered by an alter_context_resp", atKind, "0f"},
		{"answered by a shutdown", atKind, "11"},
		{"answered by type 255", atKind, "ff"},
		{"a first fragment", atFlags, "01"},
		{"a last fragment", atFlags, "02"},
		{"a fragment of neither", atFlags, "00"},
		{"data representation 0x20", atOrder, "20"},
		{"data representation 0xF0", atOrder, "f0"},
		{"big-endian, it says", atOrder, "00"},
		{"EBCDIC and VAX floats", atOrder, "1101"},
		{"a fragment of no bytes", atLength, "0000"},
		{"a fragment of fifteen bytes", atLength, "0f00"},
		{"a fragment of a header alone", atLength, "1000"},
		{"a fragment four bytes short", atLength, "3800"},
		{"a fragment of more than follows", atLength, "c000"},
		{"a fragment of 5,841 bytes", atLength, "d116"},
		{"a fragment of 65,535 bytes", atLength, "ffff"},
		{"a token of 65,535 bytes", atToken, "ffff"},
		{"a token that leaves no trailer", atToken, "2500"},
		{"a token in place of the results", atToken, "0800"},
		{"call 0", atCall, "00000000"},
		{"call 2", atCall, "02000000"},
		{"call 0xFFFFFFFF", atCall, "ffffffff"},
		{"a secondary address of 65,535 bytes", atAddress, "ffff"},
		{"a secondary address up to the end", atAddress, "2200"},
		{"a secondary address of no bytes", atAddress, "0000"},
		{"escape sequences as the secondary address", atAddress + 2, "1b5b326a"},
		{"no results", atResults, "00"},
		{"two results", atResults, "02"},
		{"255 results", atResults, "ff"},
		{"rejected by the user", atResult, "0100 0000"},
		{"interface not supported", atResult, "0200 0100"},
		{"transfer syntax not supported", atResult, "0200 0200"},
		{"local limit", atResult, "0200 0300"},
		{"negotiate_ack", atResult, "0300 0000"},
		{"result 0xFFFF", atResult, "ffff ffff"},
		{"NDR64", atSyntax, "33057171babe37498319b5dbef9ccc36 01000000"},
		{"NDR 1.0", atSyntax, "045d888aeb1cc9119fe808002b104860 01000000"},
		{"no transfer syntax", atSyntax, "00000000000000000000000000000000 00000000"},
	})
	return append(append(kinds, refusals(acks)...), answers(acks)...)
}

// refusals returns the kinds that refuse a bind.
func refusals(acks func([]byte) bool) []Hostile {
	var kinds []Hostile
	for reason := range uint16(11) {
		kinds = append(kinds, replaced(fmt.Sprintf("bind_nak %d", reason), acks, func(call uint32) []byte { return aNak(call, reason) }))
	}
	for _, status := range faults() {
		kinds = append(kinds, replaced(fmt.Sprintf("bind: fault 0x%08X", status), acks, func(call uint32) []byte { return aFault(call, status) }))
	}
	return append(kinds,
		replaced("bind_nak 65535", acks, func(call uint32) []byte { return aNak(call, 0xffff) }),
		replaced("bind_nak without a reason", acks, func(call uint32) []byte { return aPDU(bindNak, whole, call, nil) }),
		replaced("bind_nak 0 of another call", acks, func(call uint32) []byte { return aNak(call+7, 0) }),
		replaced("bind: fault without a status", acks, func(call uint32) []byte { return aPDU(fault, whole, call, make([]byte, 8)) }),
		replaced("bind: fault of another call", acks, func(call uint32) []byte { return aFault(call+7, accessDenied) }),
	)
}

// answers returns the kinds whose whole answer to a bind is another.
func answers(acks func([]byte) bool) []Hostile {
	return []Hostile{
		replaced("bind: fragmented answer", acks, func(call uint32) []byte {
			ack := aBindAck(call)[headerLen:]
			return append(aPDU(bindAck, firstFrag, call, ack[:20]), aPDU(bindAck, lastFrag, call, ack[20:])...)
		}),
		replaced("bind: an SMB2 header", acks, func(uint32) []byte { return joined("00 0000e0", smb2Header, negotiateBody, spnego) }),
		replaced("bind: 5,840 bytes", acks, func(call uint32) []byte {
			return aPDU(bindAck, whole, call, append(aBindAck(call)[headerLen:], make([]byte, maxFrag-60)...))
		}),
		{"bind: answered before it", func(healthy func(net.Conn)) func(net.Conn) {
			return func(c net.Conn) {
				_, _ = c.Write(aBindAck(1))
				healthy(distortion{c, func(c net.Conn, answer []byte) {
					if !acks(answer) {
						_, _ = c.Write(answer)
					}
				}})
			}
		}},
		{"bind: fragments without end", distorted(func(c net.Conn, answer []byte) {
			if !acks(answer) {
				_, _ = c.Write(answer)
				return
			}
			endless(c, strings.Repeat(string(aPDU(bindAck, 0, 1, nil)), 1000))
		})},
	}
}
