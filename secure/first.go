package secure

import (
	"cmp"
	"context"
	"slices"

	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/probe"
)

// logOnFirst logs on to SMB before anything else gets NTLM, and off again, and reports
// whether the host has let the account in there. Where the pipe's rule is asked for,
// that has done so, or not.
func (v *visit) logOnFirst(ctx context.Context, a *probe.Ascent) bool {
	if v.loggedOn || v.triedSMB || slices.Contains(a.Asked, probe.RSoP) {
		return v.loggedOn
	}
	v.triedSMB = true
	a.AtSMB(func() {
		talk := guard.Begin(ctx, v.credential.Stopped())
		defer talk.End()
		conn := a.Connect(talk.Context())
		if conn == nil {
			return
		}
		v.askedSMB = true
		a.Use(string(byNTLM))
		p := &pipeClimb{visit: v, ascent: a, talk: talk, conn: guard.NewSMB(conn)}
		p.talk.Hold(p.conn)
		by := v.ntlmTo("cifs", "cifs/"+cmp.Or(v.name(), a.Address.String()))
		if v.loggedOn = p.step(probe.Authenticate, func() error { return p.logOn(by) }); v.loggedOn {
			p.letGo()
		}
	})
	return v.loggedOn
}
