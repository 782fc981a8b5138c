package probe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gpreach/gpreach/rpc"
)

// throughMapper goes to 135 through a door, asks for the port of its service
// and goes on there, while the first connection that comes so far asks whether
// DCOM is alive.
func (v *visit) throughMapper(d *door) {
	a, service, seen := d.approach, v.services[d.service], &v.seen.services[d.service]
	at := &a.lanes.services[d.service]
	t := begun(a.before.mapper).plus(d.step)
	v.seen.mappers[d.service], *seen = slices.Clip(t), t
	if d.link == nil {
		return
	}
	v.mapperUp.Do(func() { v.beyondMapper(a, d.step) })
	c := rpc.NewConn(d.link)
	t, ok := v.bind(d.lane(), t, d.link, c, rpc.EndpointMapper, "")
	v.seen.mappers[d.service], *seen = slices.Clip(t), t
	if !ok {
		d.link.Close()
		return
	}
	ports, mapped, usable := v.lookup(at, t, d.link, c, service)
	if usable && v.dcom.CompareAndSwap(false, true) {
		t = slices.Clip(t)
		v.running.Go(func() {
			defer d.link.Close()
			v.seen.dcom = v.serverAlive(&a.lanes.dcom, t, d.link, c)
		})
	} else {
		d.link.Close()
	}
	*seen = v.service(a, at, mapped, service, ports)
}

// beyondMapper begins what waits for 135 to connect.
func (v *visit) beyondMapper(a *approach, connect Step) {
	if !v.p.NoIdentify {
		v.running.Go(func() { v.identify(a) })
	}
	if !v.p.NoWMIPort {
		v.fixed = v.tryFixedPort(a, connect.Elapsed)
	}
}

// lookup asks the mapper for a service's ports. The connection stays usable
// after any answer in RPC.
func (v *visit) lookup(at *lane, t Trail, l *link, c *rpc.Conn, service Rule) (ports []uint16, _ Trail, usable bool) {
	t, _ = v.step(at, t, Step{Stage: Map, Peer: l.peer}, func() (_ string, err error) {
		if err = l.begin(); err != nil {
			return "", err
		}
		ports, err = c.Map(service.Object)
		var texts []string
		for _, p := range ports {
			texts = append(texts, strconv.Itoa(int(p)))
		}
		return strings.Join(texts, ", "), err
	})
	switch t.last().Outcome {
	case OK, NotRegistered, AccessDenied, Unsupported:
		usable = true
	}
	return ports, t, usable
}
