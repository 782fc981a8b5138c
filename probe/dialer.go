package probe

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// NewDial returns a Prober's Dial over this machine's network, for a Prober
// with that stage timeout. The Prober itself decides when a SYN is sent again,
// so the system does not; and a connection is closed by a reset, since one that
// ends in good order keeps its port busy for minutes, and a sweep needs more of
// them than there are.
func NewDial(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Control: sendOneSYN(timeout), KeepAlive: -1}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, err := netip.ParseAddrPort(address); err != nil { // never a name: nothing is resolved here
			return nil, err
		}
		// Not DialTCP, which binds the socket first: then no two connections of
		// this machine share a port, and a sweep needs more than there are.
		conn, err := dialer.DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it fails where the peer has reset the connection already
		}
		return conn, err
	}
}
