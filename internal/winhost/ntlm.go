package winhost

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// The sec_trailer of a verifier, [MS-RPCE] section 2.2.2.11.
const (
	trailerLen   = 8
	trailerAlign = 4 // from the beginning of the PDU
)

// wantsNTLM reports whether a verifier is an NTLM NEGOTIATE, [MS-NLMP] section 2.2.1.1.
func wantsNTLM(auth []byte) bool {
	return auth[0] == logon.TypeNTLM && bytes.HasPrefix(auth[trailerLen:], []byte(logon.NTLMSignature+"\x01\x00\x00\x00"))
}

// Flags of a negotiation, [MS-NLMP] section 2.2.2.5.
const (
	// supportedFlags are granted to who asks for them: Unicode, signing and sealing,
	// extended session security, keys of 128 bits and their exchange, and what goes with it.
	supportedFlags = 0xe2088235
	// targetFlags go with what a member of a domain says of itself, asked or not.
	targetFlags = 0x00810000
)

// challenge returns the host's answer to a NEGOTIATE: its CHALLENGE, [MS-NLMP]
// section 2.2.1.2. The random number in it is the same for every client, since what
// is here protects nothing.
func (h *Host) challenge(negotiate []byte) []byte {
	asked := uint32(0)
	if len(negotiate) >= 16 {
		asked = binary.LittleEndian.Uint32(negotiate[12:])
	}
	const payload = 56
	domain, info := logon.ToUTF16(h.netBIOSDomain()), h.targetInfo()
	w := &writer{order: binary.LittleEndian}
	w.bytes([]byte(logon.NTLMSignature)...)
	w.u32(2)
	w.u16(uint16(len(domain)), uint16(len(domain)))
	w.u32(payload, asked&supportedFlags|targetFlags)
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
	now := binary.LittleEndian.AppendUint64(nil, filetime(time.Now().Add(h.Clock)))
	w := &writer{order: binary.LittleEndian}
	for _, pair := range []struct {
		id    uint16
		value []byte
	}{
		{2, logon.ToUTF16(h.netBIOSDomain())},
		{1, logon.ToUTF16(h.Name)},
		{4, logon.ToUTF16(h.Domain)},
		{3, logon.ToUTF16(h.DNSName)},
		{5, logon.ToUTF16(h.Domain)},
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

// filetime returns a time in FILETIME's units: 100 ns since 1601.
func filetime(t time.Time) uint64 { return uint64(t.UnixNano()/100 + 116444736000000000) }
