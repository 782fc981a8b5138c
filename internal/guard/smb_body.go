package guard

import (
	"encoding/binary"

	"github.com/gpreach/gpreach/internal/wire"
)

const (
	minTransfer = 4096 // of MaxTransactSize and its like; Windows says a megabyte
	maxContexts = 16   // of a NEGOTIATE response, of which 3.1.1 defines seven
	maxHashes   = 8    // that a context may name, and ciphers

	sessionIsGuest = 0x0001 // SessionFlags
	sessionIsNull  = 0x0002
	shareTypePipe  = 0x02

	preauthIntegrity = 0x0001 // negotiate contexts
	encryption       = 0x0002
)

// checkError checks an ERROR response, [MS-SMB2] section 2.2.2. Nothing that is
// asked for has error contexts.
func checkError(r *wire.Reader) error {
	size := r.Uint16()
	contexts := r.Uint8()
	r.Uint8() // Reserved
	count := r.Uint32()
	if r.Err() == nil && (size != 9 || contexts != 0 || int64(count) > int64(r.Len())) {
		r.Fail("ERROR response of size %d with %d contexts and %d bytes in %d", size, contexts, count, r.Len())
	}
	return r.Err()
}

// checkBody checks the response to a command, [MS-SMB2] sections 2.2.4 to 2.2.22.
func checkBody(h smbHeader, r *wire.Reader) error {
	size := r.Uint16()
	want := uint16(0)
	switch h.Command {
	case smbNegotiate:
		want = 65
		checkNegotiate(r)
	case smbSessionSetup:
		want = 9
		if err := checkSessionSetup(r); err != nil {
			return err
		}
	case smbLogoff, smbTreeDisconnect:
		want = 4
		r.Uint16() // Reserved
	case smbTreeConnect:
		want = 16
		checkTreeConnect(r)
	case smbCreate:
		want = 89
		r.Bytes(78) // OplockLevel to FileId
		within(r, int64(r.Uint32()), int64(r.Uint32()))
	case smbClose:
		want = 60
		r.Bytes(58)
	case smbRead:
		want = 17
		at := int64(r.Uint8())
		r.Uint8() // Reserved
		within(r, at, int64(r.Uint32()))
		r.Bytes(8) // DataRemaining, Flags
	case smbWrite:
		want = 17
		r.Bytes(14) // Reserved to WriteChannelInfoLength
	default:
		r.Fail("command %d is none that is asked", h.Command)
	}
	if r.Err() == nil && size != want {
		r.Fail("response to command %d of size %d", h.Command, size)
	}
	return r.Err()
}

// within looks whether n bytes at an offset from the header are in the message
// and behind it.
func within(r *wire.Reader, at, n int64) []byte {
	if n == 0 || r.Err() != nil {
		return nil
	}
	if at < smbHeadLen || at > maxFrame || n > maxFrame {
		r.Fail("%d bytes at offset %d", n, at)
		return nil
	}
	return r.At(int(at), int(n))
}

// checkNegotiate checks a NEGOTIATE response, section 2.2.4.
func checkNegotiate(r *wire.Reader) {
	r.Uint16() // SecurityMode
	dialect, contexts := r.Uint16(), int(r.Uint16())
	r.Bytes(16 + 4) // ServerGuid, Capabilities
	smallest := min(r.Uint32(), r.Uint32(), r.Uint32())
	r.Bytes(8 + 8) // SystemTime, ServerStartTime
	at, n := int64(r.Uint16()), int64(r.Uint16())
	contextsAt := int64(r.Uint32())
	within(r, at, n)
	switch dialect {
	case 0x0202, 0x0210, 0x0300, 0x0302:
	case 0x0311:
		checkContexts(r, contextsAt, contexts)
	default:
		r.Fail("dialect %#04x was not offered", dialect)
	}
	if r.Err() == nil && smallest < minTransfer {
		r.Fail("no more than %d bytes in a message", smallest)
	}
}

// checkContexts walks the negotiate contexts, section 2.2.4.1, of which there must
// be one for preauthentication integrity.
func checkContexts(r *wire.Reader, at int64, count int) {
	if count > maxContexts {
		r.Fail("%d negotiate contexts", count)
	}
	integrity := 0
	for i := range count {
		if r.Err() != nil {
			return
		}
		head := wire.NewReader(within(r, at, 8), binary.LittleEndian)
		kind, n := head.Uint16(), int64(head.Uint16())
		if at&7 != 0 {
			r.Fail("negotiate context at %d", at)
		}
		data := wire.NewReader(within(r, at+8, n), binary.LittleEndian)
		if kind == preauthIntegrity || kind == encryption {
			names, salt := int(data.Uint16()), 0
			if kind == preauthIntegrity {
				integrity++
				salt = int(data.Uint16())
			}
			data.Bytes(2*names + salt)
			if data.Err() != nil || names == 0 || names > maxHashes {
				r.Fail("negotiate context %d of %d bytes with %d names", kind, n, names)
			}
		}
		if at += 8 + n; i < count-1 {
			at = (at + 7) &^ 7
		}
	}
	if integrity != 1 {
		r.Fail("%d contexts of preauthentication integrity", integrity)
	}
}

// checkSessionSetup checks a SESSION_SETUP response, section 2.2.6.
func checkSessionSetup(r *wire.Reader) error {
	flags := r.Uint16()
	within(r, int64(r.Uint16()), int64(r.Uint16()))
	if r.Err() == nil && flags&(sessionIsGuest|sessionIsNull) != 0 {
		return ErrGuest
	}
	return r.Err()
}

// checkTreeConnect checks a TREE_CONNECT response, section 2.2.10.
func checkTreeConnect(r *wire.Reader) {
	share := r.Uint8()
	r.Uint8()   // Reserved
	r.Bytes(12) // ShareFlags, Capabilities, MaximalAccess
	if r.Err() == nil && share != shareTypePipe {
		r.Fail("share of type %d", share)
	}
}
