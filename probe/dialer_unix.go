//go:build !windows

package probe

import (
	"syscall"
	"time"
)

// sendOneSYN leaves a socket as it is: a SYN that is sent again beside our own
// does no harm here, and a refusal is reported at once.
func sendOneSYN(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
