package probe

import "net/netip"

// service goes to the ports that the mapper named, at the address that was
// dialled and never at one that the mapper named, and binds to the service's
// own interface: until one accepts it or wants a logon first. Those that did
// not stay in the trail.
func (v *visit) service(a *approach, at *lane, t Trail, service Rule, ports []uint16) Trail {
	for _, port := range ports {
		t = v.bindAt(a.reins, at, t, netip.AddrPortFrom(a.addr, port), service.Object, "")
		if last := t.last(); last.Stage == Bind && (last.Outcome == OK || last.Outcome == AccessDenied) {
			break
		}
	}
	return t
}
