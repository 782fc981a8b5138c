package rpc

import (
	"encoding/binary"
	"fmt"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	authNTLM     = 10 // RPC_C_AUTHN_WINNT, [MS-RPCE] section 2.2.1.1.7
	levelPrivacy = 6  // RPC_C_AUTHN_LEVEL_PKT_PRIVACY, which native clients ask for
)

// ntlmNegotiate is a NEGOTIATE_MESSAGE, [MS-NLMP] section 2.2.1.1, that names
// no domain and no workstation, and asks for the target's names and version.
const ntlmNegotiate = "NTLMSSP\x00\x01\x00\x00\x00" +
	"\x35\x82\x08\xe2" + // 56, key exchange, 128, version, extended security, always sign, NTLM, seal, sign, target, Unicode
	"\x00\x00\x00\x00\x00\x00\x00\x00" + // DomainName: none
	"\x00\x00\x00\x00\x00\x00\x00\x00" + // Workstation: none
	"\x0a\x00\x00\x00\x00\x00\x00\x0f" // Version: 10.0, NTLM revision 15

// A Challenge is what a CHALLENGE_MESSAGE, [MS-NLMP] section 2.2.1.2, tells of
// the host. Every string is the host's own and may hold anything.
type Challenge struct {
	NetBIOSComputer, NetBIOSDomain string
	DNSComputer, DNSDomain         string
	Major, Minor                   uint8 // of Windows; zero when it did not say
	Build                          uint16
}

// Challenge binds to an interface with an NTLM NEGOTIATE and reads the host's
// challenge. Nothing answers the challenge, so it is no logon and names no
// account; the association is of no further use. It must be the first thing
// done on the Conn.
func (c *Conn) Challenge(s Syntax) (*Challenge, error) {
	p, err := c.exchange(typeBind, appendBind(nil, c.contextID, s), []byte(ntlmNegotiate))
	if err != nil {
		return nil, err
	}
	if p.typ != typeBindAck || !p.whole() {
		return nil, unexpected(p)
	}
	ch, err := parseChallenge(p.auth)
	if err != nil {
		return nil, fmt.Errorf("NTLM challenge: %w", err)
	}
	return ch, nil
}

// Flags of a CHALLENGE_MESSAGE that say which of its fields count, [MS-NLMP]
// section 2.2.2.5.
const (
	flagTargetInfo = 0x00800000
	flagVersion    = 0x02000000
)

func parseChallenge(msg []byte) (*Challenge, error) {
	r := wire.NewReader(msg, binary.LittleEndian)
	signature, typ := r.Bytes(8), r.Uint32()
	r.Bytes(8) // TargetNameFields
	flags := r.Uint32()
	r.Bytes(16) // ServerChallenge, Reserved
	infoLen := int(r.Uint16())
	r.Uint16() // TargetInfoMaxLen
	infoAt := int(r.Uint32())
	if r.Err() == nil && (string(signature) != "NTLMSSP\x00" || typ != 2) {
		r.Fail("message type %d", typ)
	}
	ch := &Challenge{}
	if flags&flagVersion != 0 {
		ch.Major, ch.Minor, ch.Build = r.Uint8(), r.Uint8(), r.Uint16()
	}
	if flags&flagTargetInfo == 0 {
		infoAt, infoLen = 0, 0
	}
	info := r.At(infoAt, infoLen)
	if r.Err() != nil {
		return nil, r.Err()
	}
	return ch, parseTargetInfo(info, ch)
}

// parseTargetInfo reads AV_PAIRs, [MS-NLMP] section 2.2.2.1, up to MsvAvEOL.
func parseTargetInfo(info []byte, ch *Challenge) error {
	r := wire.NewReader(info, binary.LittleEndian)
	for r.Len() > 0 {
		id := r.Uint16()
		value := r.Bytes(int(r.Uint16()))
		switch id {
		case 0:
			return r.Err()
		case 1:
			ch.NetBIOSComputer = wire.UTF16(value)
		case 2:
			ch.NetBIOSDomain = wire.UTF16(value)
		case 3:
			ch.DNSComputer = wire.UTF16(value)
		case 4:
			ch.DNSDomain = wire.UTF16(value)
		}
	}
	return r.Err()
}
