package secure

import (
	"context"
	"fmt"
	"slices"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	"github.com/oiweiwei/go-msrpc/midl/uuid"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

// namespaces returns what the operations need of WMI.
func namespaces(asked []probe.Operation) []string {
	var out []string
	if slices.Contains(asked, probe.RSoP) {
		out = append(out, "root/rsop")
	}
	if slices.Contains(asked, probe.Refresh) {
		out = append(out, "root/cimv2")
	}
	return out
}

// wmi activates WMI through the mapper's port and opens its namespaces at the port
// that the host names, of the same address. All that the host gave is released there.
// Where that port cannot be used, or who binds by NTLM may have been refused there, the
// host takes it back by itself, [MS-DCOM] section 3.1.1.6.1.
func (v *visit) wmi(ctx context.Context, a *probe.Ascent, by *logon) {
	found, ok := v.activate(ctx, a, by)
	if !ok {
		return
	}
	r := v.reach(ctx, a, by.again())
	if r == nil {
		return
	}
	defer r.talk.End()
	if !a.Bind(rpc.WMILogin, r.try(func(context.Context, *probe.Step) error {
		return r.bindTo(rpc.WMILogin, rpc.RemUnknown2)
	})) {
		return
	}
	given := []reference{found.login}
	letIn, answered := by.byKerberos(), false // a bind by NTLM is no proof
	for _, namespace := range namespaces(a.Asked) {
		answered = false
		r.step(probe.Call, func(ctx context.Context, s *probe.Step) error {
			s.Detail = namespace
			services, err := r.logIn(ctx, found.login, namespace)
			if answered = services != nil; answered {
				given = append(given, *services)
			}
			return err
		})
		if !answered {
			break
		}
		letIn = true
	}
	if answered && r.talk.Context().Err() == nil {
		r.release(r.other, found.unknown, given)
	} else if letIn || isCOM(r.conn.Fault()) {
		a.Afterwards(func(ctx context.Context) { v.releaseAnew(ctx, a, by, found.unknown, given) })
	}
}

// activate creates WMI's object, and turns the ascent to the port that it has.
func (v *visit) activate(ctx context.Context, a *probe.Ascent, by *logon) (found activated, ok bool) {
	r := v.reach(ctx, a, by)
	if r == nil {
		return found, false
	}
	defer r.talk.End()
	if !a.Bind(rpc.RemoteActivator, r.try(func(context.Context, *probe.Step) error {
		return r.bindTo(rpc.RemoteActivator)
	})) {
		return found, false
	}
	ok = a.Activate(func(ctx context.Context, s *probe.Step) (uint16, error) {
		err := r.try(func(ctx context.Context, _ *probe.Step) (err error) {
			found, err = r.create(ctx)
			return err
		})(ctx, s)
		switch {
		case err != nil:
		case found.port == 0:
			s.Detail = "no TCP port"
		default:
			s.Detail = fmt.Sprintf("TCP %d", found.port)
		}
		return found.port, err
	})
	return found, ok
}

// create asks for WMI's object.
func (r *rpcClimb) create(ctx context.Context) (activated, error) {
	c := &createInstance{}
	if err := c.failed(r.client.Invoke(ctx, c)); err != nil {
		return activated{}, err
	}
	if err := returned(c.OpName(), c.status); err != nil {
		return activated{}, err
	}
	found, err := readActivated(c.properties)
	if err == nil {
		err = returned("IWbemLevel1Login", found.status)
	}
	return found, err
}

// logIn opens a namespace. services is nil where the host returned nothing, and the zero
// reference where it returned none.
func (r *rpcClimb) logIn(ctx context.Context, login reference, namespace string) (services *reference, err error) {
	l := &ntlmLogin{namespace: namespace}
	if err := l.failed(r.client.InvokeObject(ctx, uuidOf(login.ipid), l)); err != nil {
		return nil, err
	}
	services = &reference{}
	if err := returned(namespace, l.status); err != nil {
		return services, err
	}
	*services, err = readObjref(l.services, iidServices)
	return services, err
}

// release gives references back, which decides nothing.
func (r *rpcClimb) release(by dcerpc.Conn, unknown rpc.UUID, given []reference) {
	given = slices.DeleteFunc(given, func(ref reference) bool { return ref.refs == 0 })
	if len(given) == 0 || by == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.talk.Context(), closing)
	defer cancel()
	_ = r.talk.Do(ctx, r.unlessStopped(func() error {
		c := &remRelease{references: given}
		return c.failed(by.InvokeObject(ctx, uuidOf(unknown), c))
	}))
}

// isCOM reports whether a fault is COM's own, of FACILITY_RPC: it looks at no call that
// RPC has not let in.
func isCOM(fault uint32) bool { return fault>>16 == 0x8001 }

// releaseAnew gives references back over an association of its own, where a call was
// answered by a fault, at which the library closes the connection, or not at all. by is a
// logon that the host has accepted there.
func (v *visit) releaseAnew(ctx context.Context, a *probe.Ascent, by *logon, unknown rpc.UUID, given []reference) {
	if v.stopped() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	defer v.endSessions()
	r := v.associate(ctx, a, v.anew(by), a.Reconnect)
	if r == nil {
		return
	}
	defer r.talk.End()
	if err := r.talk.Do(ctx, r.unlessStopped(func() error { return r.bindTo(rpc.RemUnknown2) })); err == nil {
		r.release(r.client, unknown, given)
	}
}

// uuidOf returns a UUID as the library has it.
func uuidOf(id rpc.UUID) *uuid.UUID {
	u := new(uuid.UUID)
	_ = u.DecodeBinary(id[:]) // which wants 16 bytes, and no more of them
	return u
}
