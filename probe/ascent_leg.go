package probe

import "context"

// A leg is which port of the host an ascent is at.
type leg uint8

const (
	legService   leg = iota // the service's own, or for DCOM the mapper's
	legActivated            // the one that an activation named
	legSMB                  // SMB's, for the sake of a service elsewhere
)

// Activate tries the stage activate. try returns the port that the host names for
// what it activated, 0 where it names none. The ascent has turned to that port when
// Activate returns true: the next Connect, and the steps after it, are there.
func (a *Ascent) Activate(try func(ctx context.Context, s *Step) (port uint16, err error)) bool {
	var port uint16
	ok := a.Step(Activate, func(ctx context.Context, s *Step) (err error) {
		port, err = try(ctx, s)
		s.named = port
		return err
	})
	if !ok || port == 0 {
		return false
	}
	a.turn(legActivated, port)
	return true
}

// Rehearse is Step for a call that asks whether another, which changes something,
// would be allowed.
func (a *Ascent) Rehearse(try func(ctx context.Context, s *Step) error) bool {
	return a.Step(Call, func(ctx context.Context, s *Step) error {
		s.rehearsed = true
		return try(ctx, s)
	})
}

// AtSMB tries something at SMB's port, to which the ascent turns meanwhile, and
// reports whether there is one: it connected without a logon.
func (a *Ascent) AtSMB(try func()) bool {
	if connectOf(a.visit.seen.smb).Outcome != OK {
		return false
	}
	leg, port := a.leg, a.Port
	a.turn(legSMB, a.visit.p.SMBPort)
	try()
	a.turn(leg, port)
	return true
}

// turn turns to another port. What was connected to before is closed.
func (a *Ascent) turn(to leg, port uint16) {
	a.close()
	a.leg, a.Port = to, port
}
