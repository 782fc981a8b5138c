// Package smb speaks the one exchange of SMB2 that needs no session: NEGOTIATE,
// [MS-SMB2] sections 2.2.3 and 2.2.4. No SMB1 is ever sent.
//
// It works on a connection that its caller opened, bounded by deadlines and
// closes; it never dials, logs, sleeps or starts a goroutine. No reply can make
// it allocate more than 16 KiB.
//
// Errors are one of Status, *BadDialect, ErrSMB1, one that wraps wire.ErrGarbled, or the
// connection's own.
package smb

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	headerLen  = 64       // SMB2 header, section 2.2.1.2
	bodyLen    = 64       // fixed part of a NEGOTIATE response
	maxMessage = 16 << 10 // Windows sends about 600 bytes

	flagFromServer  = 0x00000001 // SMB2_FLAGS_SERVER_TO_REDIR
	signingRequired = 0x0002     // SMB2_NEGOTIATE_SIGNING_REQUIRED
	maxContexts     = 64         // of which 3.1.1 defines seven
)

// A Dialect is an SMB2 dialect revision number.
type Dialect uint16

// The dialects that are offered, oldest first.
const (
	Dialect202 Dialect = 0x0202
	Dialect210 Dialect = 0x0210
	Dialect300 Dialect = 0x0300
	Dialect302 Dialect = 0x0302
	Dialect311 Dialect = 0x0311
)

var dialects = [...]Dialect{Dialect202, Dialect210, Dialect300, Dialect302, Dialect311}

// String returns the dialect as it is usually written, such as "3.1.1".
func (d Dialect) String() string {
	s := fmt.Sprintf("%d.%d", d>>8, d>>4&0xf)
	if d&0xf != 0 {
		s += fmt.Sprintf(".%d", d&0xf)
	}
	return s
}

// ErrSMB1 says that the server answered in SMB1, which is not spoken here.
var ErrSMB1 = errors.New("the server answered in SMB1")

// A Status is an NTSTATUS other than success, [MS-ERREF] section 2.3.
type Status uint32

func (s Status) Error() string { return fmt.Sprintf("status 0x%08X", uint32(s)) }

// IsDenied reports whether err is STATUS_ACCESS_DENIED.
func IsDenied(err error) bool {
	var s Status
	return errors.As(err, &s) && s == 0xC0000022
}

// IsUnsupported reports whether err is an answer in SMB that refuses for a
// reason other than access: another status, dialect or SMB1.
func IsUnsupported(err error) bool {
	var s Status
	var d *BadDialect
	return errors.Is(err, ErrSMB1) || errors.As(err, &d) || errors.As(err, &s) && !IsDenied(err)
}

// IsGarbled reports whether err says that the answer is not the protocol.
func IsGarbled(err error) bool { return errors.Is(err, wire.ErrGarbled) }

// A BadDialect says that the server chose a dialect that was not offered.
type BadDialect struct{ Dialect Dialect }

func (e *BadDialect) Error() string {
	return fmt.Sprintf("dialect 0x%04X was not offered", uint16(e.Dialect))
}

// A Server is what a NEGOTIATE response says of the server.
type Server struct {
	Dialect         Dialect
	SigningRequired bool
	// SystemTime is the server's clock; the zero Time when it gave none.
	SystemTime time.Time
}

// Negotiate offers every dialect from 2.0.2 to 3.1.1 and reads what the server
// chose. Nothing else is sent: no session, no name, no credential.
func Negotiate(rw io.ReadWriter) (*Server, error) {
	if _, err := rw.Write(appendNegotiate(nil)); err != nil {
		return nil, err
	}
	msg, err := readMessage(rw)
	if err != nil {
		return nil, err
	}
	return parseNegotiate(msg)
}

// appendNegotiate appends a NEGOTIATE request in its direct TCP frame.
func appendNegotiate(b []byte) []byte {
	var random [16 + 32]byte // ClientGuid, Salt
	rand.Read(random[:])
	le := binary.LittleEndian
	m := make([]byte, headerLen, 256)
	copy(m, "\xfeSMB\x40") // ProtocolId, StructureSize; Command 0, MessageId 0
	m[14] = 1              // CreditRequest
	m = le.AppendUint16(m, 36)
	m = le.AppendUint16(m, uint16(len(dialects)))
	m = append(m, 1, 0, 0, 0)     // SecurityMode: signing enabled
	m = append(m, 0x7f, 0, 0, 0)  // Capabilities: all that 3.x defines
	m = append(m, random[:16]...) // ClientGuid
	contextsAt := len(m)          // NegotiateContextOffset
	m = append(m, make([]byte, 8)...)
	for _, d := range dialects {
		m = le.AppendUint16(m, uint16(d))
	}
	m = append(m, make([]byte, -len(m)&7)...)
	le.PutUint32(m[contextsAt:], uint32(len(m)))
	m[contextsAt+4] = 2                                  // NegotiateContextCount
	m = append(m, 1, 0, 38, 0, 0, 0, 0, 0)               // PREAUTH_INTEGRITY_CAPABILITIES:
	m = append(m, 1, 0, 32, 0, 1, 0)                     // SHA-512 and a salt
	m = append(m, random[16:]...)                        //
	m = append(m, make([]byte, -len(m)&7)...)            //
	m = append(m, 2, 0, 6, 0, 0, 0, 0, 0)                // ENCRYPTION_CAPABILITIES:
	m = append(m, 2, 0, 2, 0, 1, 0)                      // AES-128-GCM, AES-128-CCM
	b = binary.BigEndian.AppendUint32(b, uint32(len(m))) // direct TCP frame, section 2.1
	return append(b, m...)
}

// readMessage reads one direct TCP frame. Its length is bounded before it is
// allocated, and a server that does not speak SMB2 is found out by its first
// bytes: it may send no more than a few.
func readMessage(r io.Reader) ([]byte, error) {
	var h [4 + 4]byte // frame header and ProtocolId
	if _, err := io.ReadFull(r, h[:4]); err != nil {
		return nil, err
	}
	if h[0] != 0 {
		return nil, wire.Garbled("frame type %#x", h[0])
	}
	if err := wire.ReadRest(r, h[4:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(h[:4])
	switch protocol := string(h[4:]); {
	case protocol == "\xffSMB":
		return nil, ErrSMB1
	case protocol != "\xfeSMB":
		return nil, wire.Garbled("protocol %x", protocol)
	case n < headerLen || n > maxMessage:
		return nil, wire.Garbled("message of %d bytes", n)
	}
	msg := make([]byte, n)
	copy(msg, h[4:])
	if err := wire.ReadRest(r, msg[4:]); err != nil {
		return nil, err
	}
	return msg, nil
}

// parseNegotiate reads a NEGOTIATE response, section 2.2.4, header included.
func parseNegotiate(msg []byte) (*Server, error) {
	r := wire.NewReader(msg, binary.LittleEndian)
	r.Bytes(4) // ProtocolId
	size := r.Uint16()
	r.Uint16() // CreditCharge
	status := r.Uint32()
	command := r.Uint16()
	r.Uint16() // CreditResponse
	flags := r.Uint32()
	r.Bytes(4) // NextCommand
	messageID := r.Uint64()
	r.Bytes(headerLen - 32)
	switch {
	case r.Err() != nil:
		return nil, fmt.Errorf("SMB2 header: %w", r.Err())
	case size != headerLen || command != 0 || flags&flagFromServer == 0 || messageID != 0:
		return nil, wire.Garbled("SMB2 header: size %d, command %d, flags %#x, message %d", size, command, flags, messageID)
	case status != 0:
		return nil, Status(status)
	}
	return parseNegotiateBody(r)
}

func parseNegotiateBody(r *wire.Reader) (*Server, error) {
	size := r.Uint16()
	mode := r.Uint16()
	s := &Server{Dialect: Dialect(r.Uint16()), SigningRequired: mode&signingRequired != 0}
	contexts := int(r.Uint16())
	r.Bytes(16 + 4 + 4 + 4 + 4) // ServerGuid, Capabilities, MaxTransactSize, MaxReadSize, MaxWriteSize
	s.SystemTime = fileTime(r.Uint64())
	r.Uint64() // ServerStartTime
	securityAt, securityLen := int(r.Uint16()), int(r.Uint16())
	contextsAt := int(r.Uint32())
	r.At(securityAt, securityLen)
	if r.Err() == nil && size != bodyLen+1 {
		r.Fail("structure size %d", size)
	}
	if s.Dialect == Dialect311 {
		checkContexts(r, contextsAt, contexts)
	}
	if r.Err() != nil {
		return nil, fmt.Errorf("SMB2 NEGOTIATE response: %w", r.Err())
	}
	for _, d := range dialects {
		if s.Dialect == d {
			return s, nil
		}
	}
	return nil, &BadDialect{s.Dialect}
}

// checkContexts walks the negotiate contexts, section 2.2.4.1. None of them
// matters here; a list that leaves the message is not the protocol.
func checkContexts(r *wire.Reader, at, count int) {
	if count > maxContexts {
		r.Fail("%d negotiate contexts", count)
	}
	for i := range count {
		h := r.At(at, 8)
		if h == nil {
			return
		}
		n := int(binary.LittleEndian.Uint16(h[2:]))
		if r.At(at+8, n); i < count-1 {
			at += (8 + n + 7) &^ 7
		}
	}
}

// fileTime converts a FILETIME, [MS-DTYP] section 2.3.3; 0 is the zero Time.
func fileTime(t uint64) time.Time {
	const epoch = 11644473600 // seconds from 1601 to 1970
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(int64(t/1e7)-epoch, int64(t%1e7)*100).UTC()
}
