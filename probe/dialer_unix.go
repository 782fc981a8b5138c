//go:build !windows

package probe

import (
	"syscall"
	"time"
)

// prepare makes a socket end by a reset. A SYN that the system sends again
// beside our own dials does no harm here.
func prepare(time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}) //nolint:errcheck // a port that is busy for longer, at worst
		})
	}
}
