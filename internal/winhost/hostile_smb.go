package winhost

import "net"

// smb2Reply is whether an answer is a reply to SMB2 NEGOTIATE: a frame header
// of four bytes, then the SMB2 header, [MS-SMB2] sections 2.1 and 2.2.1.2.
func smb2Reply(answer []byte) bool { return len(answer) > 4 && string(answer[4:8]) == "\xfeSMB" }

// HostileSMB returns the kinds that concern SMB2's NEGOTIATE, [MS-SMB2] section 2.2.4.
func HostileSMB() []Hostile {
	const frame, header, body = 0, 4, 4 + 64
	kinds := patched("frame", smb2Reply, []patch{
		{"of no bytes", frame, "00 000000"},
		{"of three bytes", frame, "00 000003"},
		{"of a header less a byte", frame, "00 00003f"},
		{"of a header alone", frame, "00 000040"},
		{"of the fixed part alone", frame, "00 000080"},
		{"longer than what follows", frame, "00 000800"},
		{"of 16 KiB, of which little follows", frame, "00 004000"},
		{"of 16 KiB and a byte", frame, "00 004001"},
		{"of 16 MiB", frame, "00 ffffff"},
		{"of another type", frame, "01"},
		{"that is a NetBIOS keep-alive", frame, "85 000000"},
		{"that is a negative NetBIOS session response", frame, "83 000001 8f"},
	})
	kinds = append(kinds, patched("header", smb2Reply, []patch{
		{"SMB1", header, "ff"},
		{"encrypted", header, "fd"},
		{"compressed", header, "fc"},
		{"another protocol", header, "fe534d43"},
		{"structure size 65", header + 4, "4100"},
		{"access denied", header + 8, "220000c0"},
		{"not supported", header + 8, "bb0000c0"},
		{"invalid parameter", header + 8, "0d0000c0"},
		{"insufficient resources", header + 8, "9a0000c0"},
		{"more processing required", header + 8, "160000c0"},
		{"pending", header + 8, "03010000"},
		{"status 0xFFFFFFFF", header + 8, "ffffffff"},
		{"SESSION_SETUP", header + 12, "0100"},
		{"command 0xFFFF", header + 12, "ffff"},
		{"a request", header + 16, "00000000"},
		{"NextCommand", header + 20, "40000000"},
		{"NextCommand out of bounds", header + 20, "ffffffff"},
		{"another MessageId", header + 24, "01"},
		{"MessageId of an oplock break", header + 24, "ffffffffffffffff"},
	})...)
	kinds = append(kinds, patched("negotiate", smb2Reply, []patch{
		{"structure size 36, a request's", body, "2400"},
		{"structure size 64", body, "4000"},
		{"dialect 0x02FF", body + 4, "ff02"},
		{"dialect 0x9999", body + 4, "9999"},
		{"dialect 0", body + 4, "0000"},
		{"no contexts", body + 6, "0000"},
		{"sixty-four contexts", body + 6, "4000"},
		{"sixty-five contexts", body + 6, "4100"},
		{"65,535 contexts", body + 6, "ffff"},
		{"no system time", body + 40, "0000000000000000"},
		{"system time at the end of all time", body + 40, "ffffffffffffffff"},
		{"security buffer at 0", body + 56, "0000"},
		{"security buffer behind the end", body + 56, "ffff"},
		{"security buffer of 65,535 bytes", body + 58, "ffff"},
		{"contexts at 0", body + 60, "00000000"},
		{"contexts at the last byte", body + 60, "2b010000"},
		{"contexts behind the end", body + 60, "00100000"},
		{"contexts at 0x7FFFFFF8", body + 60, "f8ffff7f"},
		{"contexts at 0xFFFFFFFF", body + 60, "ffffffff"},
		{"a context of 65,535 bytes", body + 64 + 96 + 2, "ffff"},
	})...)
	return append(kinds,
		Hostile{"a frame of no bytes, then the answer", changed(func(answer []byte) []byte {
			return append(octets("00000000"), answer...)
		})},
		Hostile{"the answer twice", changed(func(answer []byte) []byte { return append(answer, answer...) })},
		Hostile{"16 KiB, all there", changed(func(answer []byte) []byte {
			return append(octets("00 004000"), append(answer[4:], make([]byte, 16<<10-len(answer)+4)...)...)
		})},
		Hostile{"the answer before the request", instead(func(c net.Conn) {
			answer := joined("00 0000e0", smb2Header, negotiateBody, spnego)
			copy(answer[body+4:], octets("0203"))
			saying(string(answer))(c)
		})},
		Hostile{"an RPC bind_ack", instead(func(c net.Conn) { heard(c); saying(string(aBindAck(1)))(c) })},
		Hostile{"the answer, then garbage without end", distorted(func(c net.Conn, answer []byte) {
			_, _ = c.Write(answer)
			endless(c, "garbage ")
		})},
	)
}
