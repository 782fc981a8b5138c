package rpc

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gpreach/gpreach/internal/wire"
)

// bindLen is the length of a bind's body that offers one interface.
const bindLen = 16 + 2*20

// appendBind appends the body of a bind or alter_context PDU, C706 sections
// 12.6.4.3 and 12.6.4.1, that offers one interface in NDR 2.0.
func appendBind(b []byte, contextID uint16, s Syntax) []byte {
	le := binary.LittleEndian
	b = slices.Grow(b, bindLen)
	b = le.AppendUint16(b, maxFrag) // max_xmit_frag
	b = le.AppendUint16(b, maxFrag) // max_recv_frag
	b = le.AppendUint32(b, 0)       // assoc_group_id: a new one
	b = append(b, 1, 0, 0, 0)       // n_context_elem
	b = le.AppendUint16(b, contextID)
	b = append(b, 1, 0) // n_transfer_syn
	b = appendSyntax(b, s)
	return appendSyntax(b, NDR20)
}

func appendSyntax(b []byte, s Syntax) []byte {
	b = append(b, s.UUID[:]...)
	b = binary.LittleEndian.AppendUint16(b, s.Major)
	return binary.LittleEndian.AppendUint16(b, s.Minor)
}

// readUUID reads a UUID, whose first three fields are integers in the
// message's byte order.
func readUUID(r *wire.Reader) UUID {
	var u UUID
	le := binary.LittleEndian
	le.PutUint32(u[0:], r.Uint32())
	le.PutUint16(u[4:], r.Uint16())
	le.PutUint16(u[6:], r.Uint16())
	copy(u[8:], r.Bytes(8))
	return u
}

// parseBindAck reads the body of a bind_ack or alter_context_resp PDU, C706
// sections 12.6.4.4 and 12.6.4.2, that answers appendBind. It returns nil when
// the context was accepted, *Rejected when it was not.
func parseBindAck(p *pdu) error {
	r := p.reader()
	r.Bytes(8)               // max_xmit_frag, max_recv_frag, assoc_group_id
	r.Bytes(int(r.Uint16())) // sec_addr
	r.Align(4)
	results := r.Uint8()
	r.Bytes(3)
	result, reason := r.Uint16(), r.Uint16()
	transfer := Syntax{UUID: readUUID(r)}
	version := r.Uint32()
	transfer.Major, transfer.Minor = uint16(version), uint16(version>>16)
	switch {
	case r.Err() != nil:
		return fmt.Errorf("bind_ack: %w", r.Err())
	case results != 1:
		return wire.Garbled("bind_ack: %d results to one context", results)
	case result != 0:
		return &Rejected{result, reason}
	case transfer != NDR20:
		return wire.Garbled("bind_ack: transfer syntax %v was not offered", transfer)
	}
	return nil
}
