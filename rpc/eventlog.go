package rpc

import (
	"encoding/binary"
	"unicode/utf16"

	"github.com/gpreach/gpreach/internal/wire"
)

// Operations of [MS-EVEN] section 3.1.4.
const (
	opElfrCloseEL   = 2
	opElfrOpenELW   = 7
	handleLen       = 20      // a context handle, C706 section 14.3.7
	eventLogVersion = 1       // MajorVersion and MinorVersion must be 1
	maxModule       = 256     // characters of a log's name
	serverReferent  = 0x20000 // any but zero
	moduleReferent  = 0x20004 //
)

// A LogHandle is an IELF_HANDLE, [MS-EVEN] section 2.2.6: an event log that the
// host opened.
type LogHandle [handleLen]byte

// OpenEventLog opens the event log of that name for reading, by ElfrOpenELW,
// [MS-EVEN] section 3.1.4.3. The interface must be EventLogPipe. The caller closes
// the handle by CloseEventLog.
func (c *Conn) OpenEventLog(log string) (LogHandle, error) {
	out, err := c.call(opElfrOpenELW, appendOpenEventLog(nil, log))
	if err != nil {
		return LogHandle{}, err
	}
	return parseLogHandle(out, "ElfrOpenELW")
}

// CloseEventLog closes an event log, by ElfrCloseEL, [MS-EVEN] section 3.1.4.1.
func (c *Conn) CloseEventLog(h LogHandle) error {
	out, err := c.call(opElfrCloseEL, h[:])
	if err != nil {
		return err
	}
	_, err = parseLogHandle(out, "ElfrCloseEL")
	return err
}

// appendOpenEventLog appends UNCServerName, which servers do not look at,
// ModuleName, an empty RegModuleName and the version.
func appendOpenEventLog(b []byte, log string) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, serverReferent)
	b = append(b, '\\', 0, 1, 0) // EVENTLOG_HANDLE_W
	b = appendUnicodeString(b, log, moduleReferent)
	b = append(b, make([]byte, 8)...) // RegModuleName: no characters, no buffer
	b = le.AppendUint32(b, eventLogVersion)
	return le.AppendUint32(b, eventLogVersion)
}

// appendUnicodeString appends an RPC_UNICODE_STRING, [MS-DTYP] section 2.3.10, and
// its buffer, ended by a zero that its Length does not count.
func appendUnicodeString(b []byte, s string, referent uint32) []byte {
	u := utf16.Encode([]rune(s))
	u = u[:min(len(u), maxModule)]
	le := binary.LittleEndian
	b = le.AppendUint16(b, uint16(2*len(u)))
	b = le.AppendUint16(b, uint16(2*len(u)+2))
	b = le.AppendUint32(b, referent)
	b = le.AppendUint32(b, uint32(len(u)+1)) // maximum count
	b = le.AppendUint32(b, 0)                // offset
	b = le.AppendUint32(b, uint32(len(u)))   // actual count
	for _, c := range u {
		b = le.AppendUint16(b, c)
	}
	return append(b, make([]byte, -len(b)&3)...)
}

// parseLogHandle reads a context handle and an NTSTATUS.
func parseLogHandle(in stub, call string) (h LogHandle, err error) {
	r := wire.NewReader(in.data, in.order)
	copy(h[:], r.Bytes(handleLen))
	status := r.Uint32()
	switch {
	case r.Err() != nil:
		return LogHandle{}, r.Err()
	case status != 0:
		return LogHandle{}, &Status{call, status}
	}
	return h, nil
}
