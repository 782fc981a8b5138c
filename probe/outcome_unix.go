//go:build !windows

package probe

import (
	"net"
	"syscall"
)

// hasNoAddress reports whether the resolver knows the name and no address of
// it, where package net does not say so itself: here it does.
func hasNoAddress(*net.DNSError) bool { return false }

// outcomeOf tells what an error number of this system's sockets means.
func outcomeOf(e syscall.Errno) (Outcome, bool) {
	switch e {
	case syscall.ECONNREFUSED:
		return Refused, true
	case syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE:
		return Reset, true
	case syscall.ETIMEDOUT:
		return Timeout, true
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return Unroutable, true
	case syscall.EPERM, syscall.EACCES:
		return NotPermitted, true
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EAGAIN:
		return NoResources, true
	}
	return "", false
}
