package guard

import "github.com/gpreach/gpreach/internal/wire"

// Results of a presentation context, C706 section 12.6.3.1 and [MS-RPCE] section 2.2.2.4.
const (
	acceptance   = 0
	negotiateAck = 3

	syntaxLen = 20 // p_syntax_id_t
	// ndr20 is 8a885d04-1ceb-11c9-9fe8-08002b104860 v2.0, C706 chapter 14.
	ndr20 = "\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00"
)

// checkBindAck checks the body of a bind_ack or alter_context_resp, C706 sections
// 12.6.4.4 and 12.6.4.2, that answers a bind of so many contexts.
func checkBindAck(h rpcHeader, r *wire.Reader, contexts int) error {
	if !whole(h) || h.Flags&^(pfcFirstFrag|pfcLastFrag|pfcSupportHeaderSign|pfcConcMpx) != 0 {
		return wire.Garbled("bind_ack with flags %#x", h.Flags)
	}
	xmit, recv := int(r.Uint16()), int(r.Uint16())
	r.Uint32()               // assoc_group_id
	r.Bytes(int(r.Uint16())) // sec_addr
	r.Align(4)
	results := int(r.Uint8()) // n_results
	r.Bytes(3)                // reserved
	for range min(results, maxPresentation) {
		checkResult(r)
	}
	switch {
	case r.Err() != nil:
		return r.Err()
	case h.Ptype == ptypeBindAck && (xmit < minFragment || xmit > maxFragment || recv < minFragment || recv > maxFragment):
		return wire.Garbled("fragments of %d and %d bytes", xmit, recv)
	case results != contexts || results > maxPresentation:
		return wire.Garbled("%d results to %d contexts", results, contexts)
	case r.Len() > maxAuthPad:
		return wire.Garbled("%d bytes behind the results", r.Len())
	}
	return nil
}

// checkResult checks a p_result_t, C706 section 12.6.3.1: what is accepted is NDR 2.0,
// the only transfer syntax that is offered.
func checkResult(r *wire.Reader) {
	result := r.Uint16()
	r.Uint16() // reason; of a negotiate_ack the features
	switch transfer := string(r.Bytes(syntaxLen)); {
	case result > negotiateAck:
		r.Fail("result %d of a context", result)
	case result == acceptance && transfer != ndr20:
		r.Fail("transfer syntax %x was not offered", transfer)
	}
}

// checkBindNak checks the body of a bind_nak, C706 section 12.6.4.5: the reason,
// and versions that may be left out.
func (c *RPC) checkBindNak(h rpcHeader, r *wire.Reader) error {
	if !whole(h) || h.AuthLength > 0 {
		return wire.Garbled("bind_nak with flags %#x and a token of %d bytes", h.Flags, h.AuthLength)
	}
	reason := r.Uint16() // provider_reject_reason
	if r.Err() == nil && r.Len() > 0 {
		r.Bytes(2 * int(r.Uint8())) // versions
	}
	if r.Err() == nil {
		c.nak = int(reason)
	}
	return r.Err()
}

// checkResponse checks the body of a response, C706 section 12.6.4.10, that is
// sealed when the bind was with a logon.
func checkResponse(h rpcHeader, r *wire.Reader, first bool, pad int, sealed bool) error {
	hint := r.Uint32()
	r.Bytes(callHeaderLen - 4) // p_cont_id, cancel_count, reserved
	switch {
	case r.Err() != nil:
		return r.Err()
	case h.Flags&^(pfcFirstFrag|pfcLastFrag) != 0 || h.Flags&pfcFirstFrag != 0 != first:
		return wire.Garbled("response with flags %#x", h.Flags)
	case hint == 0 || hint > maxReply:
		return wire.Garbled("alloc_hint %d", hint)
	case sealed && h.AuthLength == 0:
		return wire.Garbled("response without a signature")
	case pad > r.Len():
		return wire.Garbled("%d bytes of padding in %d", pad, r.Len())
	}
	return nil
}

// checkFault checks the body of a fault, C706 section 12.6.4.7.
func (c *RPC) checkFault(h rpcHeader, r *wire.Reader) error {
	r.Bytes(callHeaderLen) // alloc_hint, p_cont_id, cancel_count, reserved
	status := r.Uint32()
	r.Bytes(4) // reserved2
	switch {
	case r.Err() != nil:
		return r.Err()
	case !whole(h) || h.Flags&^(pfcFirstFrag|pfcLastFrag|pfcDidNotExecute|pfcSupportHeaderSign) != 0:
		return wire.Garbled("fault with flags %#x", h.Flags)
	case status == 0:
		return wire.Garbled("fault without a status")
	}
	c.fault = status
	return nil
}
