package guard

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"

	"github.com/gpreach/gpreach/internal/wire"
)

// What a conversation by SMB may come to. A read of a pipe asks for 8 KiB.
const (
	maxFrame    = 64 << 10  // one message
	maxSMB      = 256 << 10 // all that a host may say on a connection
	maxInterim  = 8         // "pending" answers to one request
	smbFrameLen = 4         // direct TCP, [MS-SMB2] section 2.1
	smbHeadLen  = 64        // SMB2 header, section 2.2.1
	transform   = 52        // SMB2 TRANSFORM_HEADER, section 2.2.41
)

// Commands, [MS-SMB2] section 2.2.1.2: those that are asked of a host, and no others.
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
)

const (
	flagServerToRedir = 0x00000001
	flagAsyncCommand  = 0x00000002
)

// Statuses of answers that are not errors, [MS-ERREF] section 2.3.
const (
	statusSuccess                = 0
	statusPending                = 0x00000103
	statusMoreProcessingRequired = 0xC0000016
)

// ErrGuest says that the host let somebody in who is not the account.
var ErrGuest = errors.New("the host let us in as a guest, not with the account")

// An smbHeader is an SMB2 header, [MS-SMB2] section 2.2.1.
type smbHeader struct {
	Status      uint32
	Command     uint16
	Flags       uint32
	NextCommand uint32
	MessageID   uint64
}

// An SMB is a connection to an SMB server that a library logs on to.
type SMB struct {
	stream

	sent    sync.Mutex
	asked   smbHeader // the last request
	open    bool      // it wants an answer
	sealed  bool      // it was encrypted, and so must be the answer
	interim int       // answers to it so far that were none yet
	refused uint32    // status of the last SESSION_SETUP
}

// NewSMB returns an SMB over a connection that nothing was sent on yet.
func NewSMB(conn net.Conn) *SMB {
	c := &SMB{stream: stream{Conn: conn, max: maxSMB}}
	c.next = c.read
	return c
}

// LogonStatus returns the status of the host's last answer to a logon, which a
// library may not hand on.
func (c *SMB) LogonStatus() uint32 {
	c.sent.Lock()
	defer c.sent.Unlock()
	return c.refused
}

// Write sends a frame or a part of one: its length, or a whole message.
func (c *SMB) Write(p []byte) (int, error) {
	c.note(p)
	return c.Conn.Write(p)
}

// note keeps what an answer must fit.
func (c *SMB) note(p []byte) {
	c.sent.Lock()
	defer c.sent.Unlock()
	switch {
	case len(p) >= transform && string(p[:4]) == "\xfdSMB":
		c.open, c.sealed, c.interim = true, true, 0
	case len(p) >= smbHeadLen && string(p[:4]) == "\xfeSMB":
		c.open, c.sealed, c.interim = true, false, 0
		c.asked, _ = parseSMBHeader(wire.NewReader(p, binary.LittleEndian))
	}
}

// read reads one frame and checks it.
func (c *SMB) read() ([]byte, error) {
	var head [smbFrameLen]byte
	if err := c.begin(head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n < smbHeadLen || n > maxFrame {
		return nil, wire.Garbled("frame of %d bytes", n)
	}
	frame := make([]byte, smbFrameLen+n)
	copy(frame, head[:])
	if err := c.fill(frame[smbFrameLen:]); err != nil {
		return nil, err
	}
	return frame, c.check(frame[smbFrameLen:])
}

// check looks whether a message answers what was asked, and is well formed.
func (c *SMB) check(msg []byte) error {
	c.sent.Lock()
	defer c.sent.Unlock()
	if !c.open {
		return wire.Garbled("a message that nobody asked for")
	}
	if c.sealed {
		return c.checkTransform(msg)
	}
	r := wire.NewReader(msg, binary.LittleEndian)
	h, err := parseSMBHeader(r)
	switch {
	case err != nil:
		return err
	case h.Flags&flagServerToRedir == 0 || h.NextCommand != 0:
		return wire.Garbled("SMB2 header with flags %#x and a message at %d", h.Flags, h.NextCommand)
	case h.Command != c.asked.Command || h.MessageID != c.asked.MessageID:
		return wire.Garbled("answer to command %d in message %d, not %d in %d", h.Command, h.MessageID, c.asked.Command, c.asked.MessageID)
	case h.Status == statusPending:
		return c.pending(h, r)
	}
	c.open = false
	if h.Command == smbSessionSetup {
		c.refused = h.Status
	}
	if h.Status != statusSuccess && (h.Command != smbSessionSetup || h.Status != statusMoreProcessingRequired) {
		return checkError(r)
	}
	return checkBody(h, r)
}

// pending lets through that an answer will take time, a few times.
func (c *SMB) pending(h smbHeader, r *wire.Reader) error {
	if c.interim++; c.interim > maxInterim || h.Flags&flagAsyncCommand == 0 || h.Command < smbCreate {
		return wire.Garbled("interim answer %d to command %d, flags %#x", c.interim, h.Command, h.Flags)
	}
	return checkError(r)
}

// checkTransform checks a message that is encrypted. What is inside, the library
// decodes after it has proved to be the host's.
func (c *SMB) checkTransform(msg []byte) error {
	r := wire.NewReader(msg, binary.LittleEndian)
	protocol := string(r.Bytes(4))
	r.Bytes(16 + 16) // Signature, Nonce
	size := r.Uint32()
	r.Uint16() // Reserved
	encrypted := r.Uint16()
	r.Uint64() // SessionId
	if c.interim++; c.interim > maxInterim {
		return wire.Garbled("more than %d answers to one request", maxInterim)
	}
	if r.Err() == nil && (protocol != "\xfdSMB" || encrypted != 1 || int64(size) != int64(r.Len()) || r.Len() < smbHeadLen) {
		r.Fail("protocol %x, flags %d, %d bytes of %d", protocol, encrypted, size, r.Len())
	}
	return r.Err()
}

// parseSMBHeader reads an SMB2 header.
func parseSMBHeader(r *wire.Reader) (smbHeader, error) {
	protocol := string(r.Bytes(4))
	size := r.Uint16()
	r.Uint16() // CreditCharge
	h := smbHeader{Status: r.Uint32(), Command: r.Uint16()}
	r.Uint16() // CreditResponse
	h.Flags, h.NextCommand, h.MessageID = r.Uint32(), r.Uint32(), r.Uint64()
	r.Bytes(smbHeadLen - 32)
	if r.Err() == nil && (protocol != "\xfeSMB" || size != smbHeadLen) {
		r.Fail("SMB2 header of protocol %x and %d bytes", protocol, size)
	}
	return h, r.Err()
}
