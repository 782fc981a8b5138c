package probe

import (
	"syscall"
	"time"
	"unsafe"
)

const sioTCPInitialRTO = 0x98000011 // SIO_TCP_INITIAL_RTO

// prepare makes a socket end by a reset, and keeps Windows from sending its SYN
// again, which it also does after a reset: a refusal would show only after some
// two seconds, and look like a timeout. A Windows that does not know the option
// does as it always did.
func prepare(timeout time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptLinger(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}) //nolint:errcheck // a port that is busy for longer, at worst
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
