package secure

import (
	"context"
	"fmt"

	"github.com/gpreach/gpreach/probe"
)

// schedule binds to the Task Scheduler at packet privacy, asks for its version and for
// a task of its root folder, and rehearses the registering of one where that is asked
// for. Nothing of it changes anything on the host.
func (v *visit) schedule(ctx context.Context, a *probe.Ascent, by *logon) {
	r := v.reach(ctx, a, by)
	if r == nil {
		return
	}
	defer r.talk.End()
	if !a.Bind(a.Rule.Object, r.try(r.bind)) ||
		!r.step(probe.Call, r.taskVersion) || !r.step(probe.Call, r.rootTasks) {
		return
	}
	if v.options.Rehearse {
		a.Rehearse(r.try(r.rehearse))
	}
}

func (r *rpcClimb) taskVersion(ctx context.Context, s *probe.Step) error {
	h := &highestVersion{}
	s.Detail = h.OpName()
	if err := h.failed(r.client.Invoke(ctx, h)); err != nil {
		return err
	}
	if err := returned(s.Detail, h.status); err != nil {
		return err
	}
	s.Detail += fmt.Sprintf(": %d.%d", h.version>>16, h.version&0xffff)
	return nil
}

// rootTasks asks for a task of the root folder. That there is more than one, or none,
// is no failure.
func (r *rpcClimb) rootTasks(ctx context.Context, s *probe.Step) error {
	e := &enumTasks{}
	s.Detail = e.OpName() + " of the root folder"
	if err := e.failed(r.client.Invoke(ctx, e)); err != nil {
		return err
	}
	return returned(s.Detail, e.status)
}

// rehearsedPath is where the task would be, and rehearsedTask what: what a remote
// refresh registers for the computer, but disabled and without a trigger.
const (
	rehearsedPath = `\gpreach rehearsal`
	rehearsedTask = `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
<RegistrationInfo><Description>A rehearsal by gpreach, which is not stored.</Description></RegistrationInfo>
<Triggers/>
<Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>
<Settings><Enabled>false</Enabled><AllowStartOnDemand>false</AllowStartOnDemand></Settings>
<Actions Context="Author"><Exec><Command>%windir%\system32\gpupdate.exe</Command><Arguments>/force</Arguments></Exec></Actions>
</Task>`
)

// rehearse lets the host validate the task.
func (r *rpcClimb) rehearse(ctx context.Context, s *probe.Step) error {
	t := &registerTask{}
	s.Detail = t.OpName() + ", to validate only"
	if err := t.failed(r.client.Invoke(ctx, t)); err != nil {
		return err
	}
	return returned(s.Detail, t.status)
}
