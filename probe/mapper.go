package probe

import (
	"strconv"
	"strings"

	"github.com/gpreach/gpreach/rpc"
)

// throughMapper goes to 135 on the i-th connection, asks for the port of the
// i-th service and goes on there, while the first connection that comes so far
// asks whether DCOM is alive.
func (v *visit) throughMapper(a *approach, i int, t Trail) {
	d := a.mapper[i]
	<-d.open
	t = t.plus(d.step)
	v.seen.mappers[i], v.seen.services[i] = t, t
	if d.link == nil {
		return
	}
	defer d.link.Close()
	v.once.mapperUp.Do(func() { v.mapperUp(a, d.step) })
	c := rpc.NewConn(d.link)
	t, ok := v.bind(t, d.link, c, rpc.EndpointMapper, "")
	v.seen.mappers[i], v.seen.services[i] = t, t
	if !ok {
		return
	}
	ports, mapped, usable := v.lookup(t, d.link, c, v.services[i])
	v.seen.services[i] = mapped
	if len(ports) > 0 {
		v.routes.Go(func() { v.seen.services[i] = v.service(a, mapped, v.services[i], ports) })
	}
	if usable && v.dcom.CompareAndSwap(false, true) {
		v.seen.dcom = v.serverAlive(t, d.link, c)
	}
}

// mapperUp begins what waits for 135 to connect.
func (v *visit) mapperUp(a *approach, connect Step) {
	if !v.p.NoIdentify {
		v.routes.Go(func() { v.identify(a.addr) })
	}
	if !v.p.NoWMIPort {
		v.fixed = v.tryFixedPort(a.addr, connect.Elapsed)
	}
}

// lookup asks the mapper for a service's ports. The connection stays usable
// after any answer in RPC.
func (v *visit) lookup(t Trail, l *link, c *rpc.Conn, service Rule) (ports []uint16, _ Trail, usable bool) {
	t, _ = v.step(t, Step{Stage: Map, Peer: l.peer}, func() (_ string, err error) {
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
