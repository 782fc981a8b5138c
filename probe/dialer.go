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
		to, err := netip.ParseAddrPort(address) // never a name: nothing is resolved here
		if err != nil {
			return nil, err
		}
		conn, err := dialer.DialTCP(ctx, network, netip.AddrPort{}, to)
		if err != nil {
			return nil, err // and not a nil *net.TCPConn in a net.Conn
		}
		_ = conn.SetLinger(0) // it fails where the peer has reset the connection already
		return conn, nil
	}
}
