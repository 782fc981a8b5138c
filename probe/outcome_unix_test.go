//go:build !windows

package probe

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// EAGAIN calls itself a timeout. It is no wait that ended, but a lack of ports.
func TestClassifyEAGAIN(t *testing.T) {
	err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EAGAIN)}
	if got := classify(t.Context(), err); got != NoResources {
		t.Errorf("%s, want %s", got, NoResources)
	}
}
