package probe

import (
	"syscall"
	"time"
	"unsafe"
)

const (
	sioTCPInitialRTO     = 0x98000011 // SIO_TCP_INITIAL_RTO
	noSYNRetransmissions = 0xFE       // TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS
	unspecifiedRTT       = 0xFFFF     // TCP_INITIAL_RTO_UNSPECIFIED_RTT
)

// initialRTO is TCP_INITIAL_RTO_PARAMETERS.
type initialRTO struct {
	rtt                   uint16 // milliseconds; 0xFFFF leaves it unspecified
	maxSYNRetransmissions uint8
}

// oneSYN describes a connect that waits timeout for the answer to its one SYN,
// and what comes nearest: the system's own first wait, and before Windows
// 10.0.16299 the fewest retransmissions that it could be told.
func oneSYN(timeout time.Duration) []initialRTO {
	wait := max(1, min(timeout.Milliseconds(), unspecifiedRTT-1))
	return []initialRTO{{uint16(wait), noSYNRetransmissions}, {unspecifiedRTT, noSYNRetransmissions}, {unspecifiedRTT, 1}}
}

// sendOneSYN keeps Windows from sending a SYN again, which it also does after
// a reset: a refusal would show only after some two seconds, and look like a
// timeout. A Windows that does not know the option does as it always did.
func sendOneSYN(timeout time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			for _, p := range oneSYN(timeout) {
				var returned uint32
				err := syscall.WSAIoctl(syscall.Handle(fd), sioTCPInitialRTO,
					(*byte)(unsafe.Pointer(&p)), uint32(unsafe.Sizeof(p)), nil, 0, &returned, nil, 0)
				if err == nil {
					return
				}
			}
		})
	}
}
