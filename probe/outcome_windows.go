package probe

import (
	"net"
	"os"
	"syscall"
)

// hasNoAddress reports whether the resolver knows the name and no address of
// it: WSANO_DATA, which package net passes on as text alone.
func hasNoAddress(err *net.DNSError) bool {
	return err.Err == os.NewSyscallError("getaddrinfow", syscall.Errno(11004)).Error()
}

// outcomeOf tells what an error number of Windows' sockets means. Package
// syscall's POSIX numbers are invented on Windows and never come from its
// sockets; those that the simulated host uses stand beside the real ones.
func outcomeOf(e syscall.Errno) (Outcome, bool) {
	switch e {
	case 10061, 1225, syscall.ECONNREFUSED: // WSAECONNREFUSED, ERROR_CONNECTION_REFUSED
		return Refused, true
	case 10053, 10054, 10058, 64, 1236, syscall.ECONNRESET, syscall.EPIPE: // WSAECONNABORTED, WSAECONNRESET, WSAESHUTDOWN, ERROR_NETNAME_DELETED, ERROR_CONNECTION_ABORTED
		return Reset, true
	case 10060, 121, 1460: // WSAETIMEDOUT, ERROR_SEM_TIMEOUT, ERROR_TIMEOUT
		return Timeout, true
	case 10049, 10050, 10051, 10064, 10065, 1231, 1232, syscall.EHOSTUNREACH: // WSAEADDRNOTAVAIL, WSAENETDOWN, WSAENETUNREACH, WSAEHOSTDOWN, WSAEHOSTUNREACH, ERROR_NETWORK_UNREACHABLE, ERROR_HOST_UNREACHABLE
		return Unroutable, true
	case 10013, syscall.EPERM: // WSAEACCES
		return NotPermitted, true
	case 10024, 10048, 10055, syscall.EMFILE: // WSAEMFILE, WSAEADDRINUSE, WSAENOBUFS
		return NoResources, true
	}
	return "", false
}
