package winhost

import (
	"cmp"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// The commands of SMB2, [MS-SMB2] section 2.2.1.2, that are answered.
const (
	smbNegotiate      = 0x00
	smbSessionSetup   = 0x01
	smbLogoff         = 0x02
	smbTreeConnect    = 0x03
	smbTreeDisconnect = 0x04
	smbCreate         = 0x05
	smbClose          = 0x06
	smbRead           = 0x08
	smbWrite          = 0x09
	smbCancel         = 0x0c
)

// Statuses, [MS-ERREF] section 2.3.
const (
	moreProcessing   = 0xc0000016
	invalidParameter = 0xc000000d
	deniedStatus     = 0xc0000022
	nameNotFound     = 0xc0000034
	logonFailure     = 0xc000006d
	badNetworkName   = 0xc00000cc
	ioTimeout        = 0xc00000b5
	pipeBroken       = 0xc000014b
	bufferOverflow   = 0x80000005 // there is more of the message
	sessionDeleted   = 0xc0000203 // STATUS_USER_SESSION_DELETED
	nameDeleted      = 0xc00000c9 // STATUS_NETWORK_NAME_DELETED
	fileClosed       = 0xc0000128
	ntlmBlocked      = 0xc0000418
)

const (
	smbSigned       = 0x08 // a flag of the header
	signingRequired = 0x02 // in a SecurityMode
	fromServer      = 0x01
	mostCredits     = 64 // that an answer grants
	mostFiles       = 16
)

// An smbConn is a connection to an SMB server whose host admits accounts. It has one
// session, and that one tree.
type smbConn struct {
	SMB
	dialect uint16
	ids     sequence
	hash    preauth // of the connection's NEGOTIATE
	said    preauth // of the session's logon too

	logon   logon.Mechanism // nil before a SESSION_SETUP
	session uint64
	signer  signer // nil before somebody has logged on
	signing bool   // the client or the server requires it
	tree    uint32
	files   map[uint64]*pipeEnd
}

// A sequence is which MessageIds a client may use, section 3.3.1.1: each once, upwards,
// and as many as it has been granted. It begins with that of the NEGOTIATE.
type sequence struct{ next, end uint64 }

// begin begins with a NEGOTIATE, whose answer grants one.
func (s *sequence) begin(m []byte) {
	s.next = binary.LittleEndian.Uint64(m[24:]) + 1
	s.end = s.next + 1
}

// takes reports whether a request may come now, and takes what it is charged, which in
// SMB 2.0.2 is always one.
func (s *sequence) takes(m []byte, dialect uint16) bool {
	le := binary.LittleEndian
	if le.Uint16(m[12:]) == smbCancel { // which has the MessageId of what it cancels
		return true
	}
	id, charge := le.Uint64(m[24:]), uint64(1)
	if dialect > oldestSMB {
		charge = uint64(max(1, le.Uint16(m[6:])))
	}
	if id < s.next || id >= s.end || charge > s.end-id {
		return false
	}
	s.next = id + charge
	return true
}

// close closes what is open still. It stays counted as left behind.
func (v *smbConn) close() {
	for _, f := range v.files {
		f.Close()
	}
}

// answer returns the answer to a request, nil where the connection is to be closed.
func (v *smbConn) answer(m []byte) []byte {
	le := binary.LittleEndian
	command := le.Uint16(m[12:])
	if le.Uint32(m[20:]) != 0 { // NextCommand: compounds are none of ours
		return nil
	}
	if command == smbSessionSetup {
		return v.setUp(m)
	}
	if v.signer == nil || le.Uint64(m[40:]) != v.session {
		return v.reply(m, sessionDeleted, nil)
	}
	signed := le.Uint32(m[16:])&smbSigned != 0
	if !signed {
		v.Host.meet(func(m *Met) { m.Unsigned++ })
	}
	switch {
	case !signed && command == smbTreeConnect && v.dialect == newestSMB: // section 3.3.5.7
		return nil
	case v.signing && !signed, signed && !v.signer.verifies(m):
		return v.reply(m, deniedStatus, nil)
	}
	status, body := v.execute(command, m)
	reply := v.reply(m, status, body)
	if command == smbLogoff && status == 0 {
		v.signer, v.logon = nil, nil
	}
	return reply
}

// setUp takes a token, section 3.3.5.5.
func (v *smbConn) setUp(m []byte) []byte {
	token, id := field(m, 12, 2), binary.LittleEndian.Uint64(m[40:])
	switch {
	case v.logon == nil && id != 0 || v.logon != nil && id != v.session:
		return v.reply(m, sessionDeleted, nil)
	case v.signer != nil || token == nil:
		return v.reply(m, invalidParameter, nil)
	}
	if v.logon == nil {
		v.logon, v.said = v.Host.door().Begin(logon.TypeSPNEGO), v.hash
		v.session = 0x4000000000000000 | uint64(v.Host.number())
	}
	v.said.add(m)
	answer, done, err := v.logon.Accept(token)
	if err != nil {
		v.logon = nil
		return v.reply(m, v.refusal(err), nil)
	}
	w := &writer{order: binary.LittleEndian}
	w.u16(9, 0, smb2HeaderLen+8, uint16(len(answer)))
	w.bytes(answer...)
	if !done {
		reply := v.reply(m, moreProcessing, w.b)
		v.said.add(reply)
		return reply
	}
	v.signing = v.SigningRequired || m[smb2HeaderLen+3]&signingRequired != 0
	v.signer = newSigner(v.dialect, v.logon.SessionKey(), v.said[:])
	v.Host.count(func(l *Left) { l.Sessions++ })
	return v.reply(m, 0, w.b)
}

// refusal returns the status of a logon that failed.
func (v *smbConn) refusal(err error) uint32 {
	switch {
	case errors.Is(err, logon.ErrRefused):
		return cmp.Or(v.Refusal, logonFailure)
	case errors.Is(err, logon.ErrBlocked):
		return ntlmBlocked
	case errors.Is(err, logon.ErrToken):
		return invalidParameter
	case errors.Is(err, logon.ErrSignature):
		return deniedStatus
	}
	return logonFailure
}

// execute executes a command of who has logged on.
func (v *smbConn) execute(command uint16, m []byte) (status uint32, body []byte) {
	if command > smbTreeConnect && (v.tree == 0 || binary.LittleEndian.Uint32(m[36:]) != v.tree) {
		return nameDeleted, nil
	}
	switch command {
	case smbLogoff:
		v.Host.count(func(l *Left) { l.Sessions-- })
		return 0, octets("0400 0000")
	case smbTreeConnect:
		return v.connectTree(field(m, 4, 2))
	case smbTreeDisconnect:
		v.tree = 0
		v.Host.count(func(l *Left) { l.Trees-- })
		return 0, octets("0400 0000")
	case smbCreate:
		return v.create(field(m, 44, 2))
	case smbClose:
		return v.closeFile(m, 8)
	case smbWrite:
		return v.write(m)
	case smbRead:
		return v.read(m)
	}
	return notSupported, nil
}

// connectTree connects to IPC$, section 3.3.5.7; there is no other share.
func (v *smbConn) connectTree(path []byte) (status uint32, body []byte) {
	name := logon.FromUTF16(path)
	if name = name[strings.LastIndexByte(name, '\\')+1:]; !strings.EqualFold(name, "IPC$") || v.tree != 0 {
		return badNetworkName, nil
	}
	v.tree = v.Host.number()
	v.Host.count(func(l *Left) { l.Trees++ })
	return 0, octets("1000 02 00 30000000 00000000 ff011f00")
}

// reply returns an answer, signed where that is required, and where the request was.
func (v *smbConn) reply(m []byte, status uint32, body []byte) []byte {
	if body == nil {
		body = unhex(errorBody)
	}
	le := binary.LittleEndian
	reply := append(unhex(smb2Header), body...)
	copy(reply[6:], m[6:8])    // CreditCharge
	copy(reply[24:], m[24:36]) // MessageId, Reserved
	le.PutUint32(reply[8:], status)
	copy(reply[12:], m[12:14])                             // Command
	credits := max(1, min(le.Uint16(m[14:]), mostCredits)) // it gets what it asks for
	le.PutUint16(reply[14:], credits)
	v.ids.end += uint64(credits)
	le.PutUint32(reply[36:], cmp.Or(v.tree, le.Uint32(m[36:])))
	if le.PutUint64(reply[40:], v.session); status == sessionDeleted {
		copy(reply[40:], m[40:48])
		return reply
	}
	if v.signer != nil && (v.signing || le.Uint32(m[16:])&smbSigned != 0 || le.Uint16(m[12:]) == smbSessionSetup) {
		le.PutUint32(reply[16:], fromServer|smbSigned)
		v.signer.sign(reply)
	}
	return reply
}

// field returns what a request's body points to by an offset from the header and a
// length, of two bytes each or four for the length; nil where it leads out of the
// message.
func field(m []byte, at, width int) []byte {
	if at += smb2HeaderLen; at+6 > len(m) {
		return nil
	}
	le := binary.LittleEndian
	start, n := int(le.Uint16(m[at:])), int(le.Uint16(m[at+2:]))
	if width == 4 {
		n = int(le.Uint32(m[at+2:]))
	}
	if start < smb2HeaderLen || start > len(m) || n > len(m)-start {
		return nil
	}
	return m[start : start+n]
}
