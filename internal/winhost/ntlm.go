package winhost

import (
	"bytes"
	"encoding/binary"
	"time"
	"unicode/utf16"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// trailerLen is the length of a verifier's sec_trailer, [MS-RPCE] section 2.2.2.11.
const trailerLen = 8

const ntlmSignature = "NTLMSSP\x00"

// wantsNTLM reports whether a verifier is an NTLM NEGOTIATE, [MS-NLMP] section 2.2.1.1.
func wantsNTLM(auth []byte) bool {
	return auth[0] == logon.TypeNTLM && bytes.HasPrefix(auth[trailerLen:], []byte(ntlmSignature+"\x01\x00\x00\x00"))
}

// challengeFlags are those of a domain member: Unicode, target info, version,
// extended session security and all that goes with it.
const challengeFlags = 0xe2898215

// sealFlag is NTLMSSP_NEGOTIATE_SEAL, which who asks for it is granted.
const sealFlag = 0x20

// challenge returns the host's answer to a NEGOTIATE: its CHALLENGE, [MS-NLMP]
// section 2.2.1.2. The random number in it is the same for every client, since what
// is here protects nothing.
func (h *Host) challenge(negotiate []byte) []byte {
	asked := uint32(0)
	if len(negotiate) >= 16 {
		asked = binary.LittleEndian.Uint32(negotiate[12:])
	}
	const payload = 56
	domain, info := utf16le(h.netBIOSDomain()), h.targetInfo()
	w := &writer{order: binary.LittleEndian}
	w.bytes([]byte(ntlmSignature)...)
	w.u32(2)
	w.u16(uint16(len(domain)), uint16(len(domain)))
	w.u32(payload, challengeFlags|asked&sealFlag)
	w.bytes(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef) // ServerChallenge
	w.bytes(make([]byte, 8)...)
	w.u16(uint16(len(info)), uint16(len(info)))
	w.u32(payload + uint32(len(domain)))
	w.bytes(10, 0)
	w.u16(h.Build)
	w.bytes(0, 0, 0, 15)
	w.bytes(domain...)
	w.bytes(info...)
	return w.b
}

// targetInfo returns the AV_PAIRs, [MS-NLMP] section 2.2.2.1, in the order
// in which Windows has them. A host without a domain has no pair for it.
func (h *Host) targetInfo() []byte {
	now := binary.LittleEndian.AppendUint64(nil, filetime(time.Now()))
	w := &writer{order: binary.LittleEndian}
	for _, pair := range []struct {
		id    uint16
		value []byte
	}{
		{2, utf16le(h.netBIOSDomain())},
		{1, utf16le(h.Name)},
		{4, utf16le(h.Domain)},
		{3, utf16le(h.DNSName)},
		{5, utf16le(h.Domain)},
		{7, now},
	} {
		if len(pair.value) == 0 {
			continue
		}
		w.u16(pair.id, uint16(len(pair.value)))
		w.bytes(pair.value...)
	}
	w.u32(0)
	return w.b
}

func utf16le(s string) []byte {
	w := &writer{order: binary.LittleEndian}
	w.u16(utf16.Encode([]rune(s))...)
	return w.b
}

// filetime returns a time in FILETIME's units: 100 ns since 1601.
func filetime(t time.Time) uint64 { return uint64(t.UnixNano()/100 + 116444736000000000) }
