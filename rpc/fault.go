package rpc

import (
	"errors"
	"fmt"

	"github.com/gpreach/gpreach/internal/wire"
)

// ErrNotRegistered says that the endpoint mapper knows no TCP endpoint of the
// interface: status 0x16C9A0D6, or no usable tower among the answers.
var ErrNotRegistered = errors.New("not registered with the endpoint mapper")

// A Fault is a fault PDU: the call was refused or failed.
type Fault struct{ Status uint32 }

func (f *Fault) Error() string { return fmt.Sprintf("fault 0x%08X", f.Status) }

// A Status is a status other than success that a call returned, other than the
// endpoint mapper's 0x16C9A0D6.
type Status struct {
	Call string
	Code uint32
}

func (s *Status) Error() string { return fmt.Sprintf("%s status 0x%08X", s.Call, s.Code) }

// A BindNak is a bind_nak PDU: the whole association was refused. The reasons
// are those of C706 section 12.6.4.5 and [MS-RPCE] section 2.2.2.5.
type BindNak struct{ Reason uint16 }

func (n *BindNak) Error() string { return fmt.Sprintf("bind_nak, reason %d", n.Reason) }

// Rejected is a presentation context that was not accepted: the results and
// reasons of C706 section 12.6.3.1.
type Rejected struct{ Result, Reason uint16 }

func (r *Rejected) Error() string {
	switch r.Reason {
	case 1:
		return "interface not supported here"
	case 2:
		return "transfer syntax NDR 2.0 not supported"
	case 3:
		return "local limit exceeded"
	}
	return fmt.Sprintf("context rejected, result %d, reason %d", r.Result, r.Reason)
}

// The statuses that mean access denied: the Win32 code, which Windows puts into
// faults bare, as an HRESULT, and as an NTSTATUS; and DCOM's own.
const (
	statusAccessDenied   = 0x00000005
	hresultAccessDenied  = 0x80070005
	ntstatusAccessDenied = 0xC0000022
	dcomAccessDenied     = 0x8001011B // RPC_E_ACCESS_DENIED
)

// Reasons of a bind_nak that are about the logon, [MS-RPCE] section 2.2.2.5.
const (
	nakAuthTypeNotRecognized = 8
	nakInvalidChecksum       = 9
)

// IsDenied reports whether err says that the host answered and refuses to go on
// without a logon, or with this one.
func IsDenied(err error) bool {
	if nak, ok := errors.AsType[*BindNak](err); ok {
		return nak.Reason == nakAuthTypeNotRecognized || nak.Reason == nakInvalidChecksum
	}
	status, ok := statusOf(err)
	if !ok {
		return false
	}
	switch status {
	case statusAccessDenied, hresultAccessDenied, ntstatusAccessDenied, dcomAccessDenied:
		return true
	}
	return false
}

// IsUnsupported reports whether err is an answer in RPC that refuses for a
// reason other than access: any fault, bind_nak, rejected context or status.
func IsUnsupported(err error) bool {
	var nak *BindNak
	var rejected *Rejected
	_, ok := statusOf(err)
	return (ok || errors.As(err, &nak) || errors.As(err, &rejected)) && !IsDenied(err)
}

// IsGarbled reports whether err says that the answer is not the protocol.
func IsGarbled(err error) bool { return errors.Is(err, wire.ErrGarbled) }

func statusOf(err error) (uint32, bool) {
	var fault *Fault
	var status *Status
	switch {
	case errors.As(err, &fault):
		return fault.Status, true
	case errors.As(err, &status):
		return status.Code, true
	}
	return 0, false
}

// parseFault reads a fault PDU's body, C706 section 12.6.4.7.
func parseFault(p *pdu) error {
	r := p.reader()
	r.Bytes(8) // alloc_hint, p_cont_id, cancel_count, reserved
	status := r.Uint32()
	if r.Err() != nil {
		return fmt.Errorf("fault: %w", r.Err())
	}
	return &Fault{status}
}

// parseBindNak reads a bind_nak PDU's body, C706 section 12.6.4.5.
func parseBindNak(p *pdu) error {
	r := p.reader()
	reason := r.Uint16()
	if r.Err() != nil {
		return fmt.Errorf("bind_nak: %w", r.Err())
	}
	return &BindNak{reason}
}

func unexpected(p *pdu) error { return wire.Garbled("PDU type %d", p.typ) }
