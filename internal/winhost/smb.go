package winhost

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"time"
)

// An SMB is an SMB2 server on 445 that negotiates, [MS-SMB2] section 3.3.5.4. SMB1, and
// whatever else is no SMB2 NEGOTIATE, closes it. With a host that admits accounts it
// also lets them log on, with signing, and open the pipe of the event log.
type SMB struct {
	Host            *Host  // may be nil
	Refusal         uint32 // status of a logon that fails, such as a locked account's; 0xC000006D if not set
	Open            uint32 // answered to every CREATE
	SigningRequired bool
	Dialect         uint16 // the highest it speaks; 0x0311 if not set
	Status          uint32 // answered instead of a dialect
	SMB1Only        bool   // SMB2 closes it as well
}

const (
	smb2HeaderLen  = 64
	maxSMB         = 64 << 10
	notSupported   = 0xc00000bb // STATUS_NOT_SUPPORTED
	newestSMB      = 0x0311
	oldestSMB      = 0x0202
	securityOffset = 0x80
)

// The replies' templates: the header of a response; the body of NEGOTIATE's
// from StructureSize to SecurityBufferOffset; the body of an error's.
const (
	smb2Header = "fe534d42" + "4000" + "0000" + "00000000" + "0000" + "0100" + "01000000" + "00000000" +
		"0000000000000000" + "00000000" + "00000000" + "0000000000000000" + "00000000000000000000000000000000"
	negotiateBody = "4100" + "0100" + "0000" + "0000" + "7b0a1c52d3e94f608a17c4b5e6f70812" + "00000000" +
		"00008000" + "00008000" + "00008000" + "0000000000000000" + "0000000000000000" + "8000" + "6000" + "00000000"
	errorBody = "0900" + "0000" + "00000000" + "00"
	// spnego is a NegTokenInit2, [MS-SPNG] section 2.2.1: Kerberos in both its
	// identifiers, NTLM, and Windows' hint.
	spnego = "605e06062b0601050502a0543052a024302206092a864882f71201020206092a864886f712010202060a2b06010401823702020a" +
		"a32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265"
	// negotiateContexts: preauthentication integrity by SHA-512 with a salt of
	// 32 bytes, padding, encryption by AES-128-GCM.
	negotiateContexts = "0100" + "2600" + "00000000" + "0100" + "2000" + "0100" +
		"00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef" + "0000" +
		"0200" + "0400" + "00000000" + "0100" + "0200"
)

// Serve answers a client's NEGOTIATE, and what follows.
func (s SMB) Serve(c net.Conn) {
	v := &smbConn{SMB: s, files: map[uint64]*pipeEnd{}}
	defer v.close()
	for {
		m := smbMessage(c)
		if m == nil || s.SMB1Only || string(m[:4]) != "\xfeSMB" {
			return
		}
		reply := v.next(m)
		if reply == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// next returns the reply to a message, nil where the connection is to be closed.
func (v *smbConn) next(m []byte) []byte {
	switch command := binary.LittleEndian.Uint16(m[12:]); {
	case command == smbNegotiate && len(m) >= smb2HeaderLen+36:
		var reply []byte
		reply, v.dialect = v.negotiate(m[smb2HeaderLen:])
		copy(reply[6:], m[6:8])    // CreditCharge
		copy(reply[24:], m[24:36]) // MessageId, and what Windows echoes after it
		v.hash = preauth{}
		v.hash.add(m)
		v.hash.add(reply)
		v.ids.begin(m)
		return reply
	case command == smbNegotiate || v.Host == nil || !v.Host.admits() || v.dialect == 0:
		return nil
	}
	if !v.ids.takes(m, v.dialect) { // section 3.3.5.2.3
		return nil
	}
	return v.answer(m)
}

// smbMessage reads a message in its frame, nil where there is none.
func smbMessage(c net.Conn) []byte {
	var length [4]byte // direct TCP: a zero byte and 24 bits
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < smb2HeaderLen+4 || n > maxSMB {
		return nil
	}
	m := make([]byte, n)
	if _, err := io.ReadFull(c, m); err != nil {
		return nil
	}
	return m
}

// negotiate returns the reply to the body of a NEGOTIATE, and the dialect, 0 for none.
func (s SMB) negotiate(body []byte) (reply []byte, chosen uint16) {
	le := binary.LittleEndian
	offered := body[36:min(len(body), 36+2*int(le.Uint16(body[2:])))]
	chosen, capabilities := s.choose(offered)
	if s.Status != 0 || chosen == 0 {
		reply := unhex(smb2Header + errorBody)
		le.PutUint32(reply[8:], cmp.Or(s.Status, notSupported))
		return reply, 0
	}
	text := smb2Header + negotiateBody + spnego
	if chosen == newestSMB {
		text += negotiateContexts
	}
	reply = unhex(text)
	b := reply[smb2HeaderLen:]
	if s.SigningRequired {
		b[2] = 3
	}
	le.PutUint16(b[4:], chosen)
	le.PutUint32(b[24:], capabilities)
	le.PutUint64(b[40:], filetime(s.now()))
	if chosen == newestSMB {
		le.PutUint16(b[6:], 2) // NegotiateContextCount, and where they are
		le.PutUint32(b[60:], securityOffset+uint32(len(spnego)/2))
	}
	return reply, chosen
}

// now returns the time on the host's clock.
func (s SMB) now() time.Time {
	if s.Host == nil {
		return time.Now()
	}
	return time.Now().Add(s.Host.Clock)
}

// choose returns the highest dialect that both sides speak, 0 without one.
func (s SMB) choose(offered []byte) (dialect uint16, capabilities uint32) {
	for _, d := range []struct { // Windows' dialects, and the capabilities it states with each
		number       uint16
		capabilities uint32
	}{{newestSMB, 0x2f}, {0x0302, 0x6f}, {0x0300, 0x6f}, {0x0210, 0x07}, {0x0202, 0x01}} {
		if s.Dialect != 0 && d.number > s.Dialect {
			continue
		}
		for pair := range slices.Chunk(offered, 2) {
			if len(pair) == 2 && binary.LittleEndian.Uint16(pair) == d.number {
				return d.number, d.capabilities
			}
		}
	}
	return 0, 0
}

// unhex decodes a template of this package's own, which its tests have read.
func unhex(template string) []byte {
	b, _ := hex.DecodeString(template)
	return b
}
