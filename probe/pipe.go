package probe

import "github.com/gpreach/gpreach/smb"

// pipe goes in by SMB: through the door to 445, and as far as NEGOTIATE. The
// port is dialled whatever is asked; nothing is said there unless a rule takes
// this route.
func (v *visit) pipe(d *door) Trail {
	t := begun(d.approach.before.smb).plus(d.step)
	if d.link == nil {
		return t
	}
	defer d.link.Close()
	for _, r := range v.rules {
		if r.Route == ByPipe {
			return v.negotiate(d.lane(), t, d.link)
		}
	}
	return t
}

func (v *visit) negotiate(at *lane, t Trail, l *link) Trail {
	t, _ = v.step(at, t, Step{Stage: Negotiate, Peer: l.peer}, func() (string, error) {
		if err := l.begin(); err != nil {
			return "", err
		}
		s, err := smb.Negotiate(l)
		if err != nil {
			return "", err
		}
		return describe(s), nil
	})
	return t
}

// describe tells what is worth knowing of an SMB server, such as
// "SMB 3.1.1, signing required, server time 2026-11-22T20:15:00Z".
func describe(s *smb.Server) string {
	text := "SMB " + s.Dialect.String() + ", signing optional"
	if s.SigningRequired {
		text = "SMB " + s.Dialect.String() + ", signing required"
	}
	if !s.SystemTime.IsZero() {
		text += ", server time " + s.SystemTime.Format("2006-01-02T15:04:05Z")
	}
	return text
}
