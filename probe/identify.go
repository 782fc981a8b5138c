package probe

import (
	"net/netip"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// identify asks the host on a connection of its own who it is, without a logon.
// What fails here is no step and changes nothing.
func (v *visit) identify(a *approach) {
	start := time.Now()
	l, s := v.dial(a.ctx, a.reins, nil, nil, netip.AddrPortFrom(a.addr, v.p.MapperPort))
	if l == nil {
		return
	}
	defer l.Close()
	if l.begin() != nil {
		return
	}
	challenge, err := rpc.NewConn(l).Challenge(rpc.EndpointMapper)
	if err != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.identity = challenge
	v.wrongHost = Step{Stage: Identify, Peer: s.Peer, Outcome: WrongHost, Elapsed: time.Since(start)}
}
