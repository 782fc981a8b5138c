package secure

import (
	"context"
	"os"
	"time"

	smb2 "github.com/cloudsoda/go-smb2"

	"github.com/gpreach/gpreach/internal/guard"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/rpc"
)

const (
	ipc      = "IPC$"
	eventLog = "System"        // the log that is opened, for reading
	closing  = 2 * time.Second // what a host may take to let go of what was opened
	pipeRoom = 8 << 10         // a read of the pipe: more than a fragment
)

// A pipeClimb is a session to the pipe of a rule.
type pipeClimb struct {
	*visit
	ascent *probe.Ascent
	talk   *guard.Conversation
	conn   *guard.SMB

	session *smb2.Session
	share   *smb2.Share
	file    *smb2.File
	rpc     *rpc.Conn
}

// pipe logs on to SMB, opens the rule's pipe, binds to its interface and opens
// the log.
func (v *visit) pipe(ctx context.Context, a *probe.Ascent, by *logon) {
	conn := a.Connect()
	if conn == nil {
		return
	}
	p := &pipeClimb{visit: v, ascent: a, talk: guard.Begin(ctx, v.credential.Stopped()), conn: guard.NewSMB(conn)}
	defer p.talk.End()
	p.talk.Hold(p.conn)
	if !p.step(probe.Authenticate, func() error { return p.logOn(by) }) {
		return
	}
	v.loggedOn = true
	if !p.step(probe.Open, p.open) {
		return
	}
	if v.stopped() || !a.Bind(a.Rule.Object, p.try(p.bind)) {
		return
	}
	p.step(probe.Call, p.call)
}

// step tries a stage, unless the credential is stopped.
func (p *pipeClimb) step(stage probe.Stage, do func() error) bool {
	return !p.stopped() && p.ascent.Step(stage, p.try(do))
}

// try calls a library within the time of a stage, and says what came of it.
func (p *pipeClimb) try(do func() error) func(context.Context, *probe.Step) error {
	return func(ctx context.Context, _ *probe.Step) error {
		return p.fromHost(ctx, p.conn, p.talk.Do(ctx, do))
	}
}

// logOn negotiates, with signing required, and sets up a session.
func (p *pipeClimb) logOn(by *logon) error {
	dialer := &smb2.Dialer{Negotiator: smb2.Negotiator{RequireMessageSigning: true}}
	if by.session != nil {
		dialer.Initiator = &sessionInitiator{ctx: p.talk.Context(), session: by.session}
		return p.setUp(dialer, by.refused, !by.byKerberos())
	}
	if by.proof != nil {
		dialer.Initiator = &kerberosInitiator{by.proof}
		return p.setUp(dialer, by.refused, false)
	}
	n := p.byNTLM(by.service)
	dialer.Initiator = n
	return p.setUp(dialer, func() error { return n.err }, true)
}

// setUp sets up a session. refused returns why our own initiator did not accept the
// host's token, which the library does not hand on.
func (p *pipeClimb) setUp(dialer *smb2.Dialer, refused func() error, ntlm bool) (err error) {
	p.session, err = dialer.DialConn(p.talk.Context(), p.conn, p.server())
	status := p.conn.LogonStatus()
	switch {
	case err == nil:
		p.session = p.session.WithContext(p.talk.Context())
		return nil
	case refused() != nil:
		return refused()
	case status == 0 || status == statusMoreProcessing:
		return err
	}
	f := refusedLogon(status, err)
	if ntlm && aboutAccount(status) {
		p.stopFor(p.ascent.Peer(), status)
	}
	return f
}

// server returns the host's name in the path of its share, which it does not look
// at; there is no other way to write an address of IPv6.
func (p *pipeClimb) server() string {
	if name := p.name(); name != "" {
		return name
	}
	if p.ascent.Address.Is4() {
		return p.ascent.Address.String()
	}
	return "*SMBSERVER"
}

func (p *pipeClimb) open() (err error) {
	if p.share, err = p.session.Mount(ipc); err != nil {
		return err
	}
	p.share = p.share.WithContext(p.talk.Context())
	p.file, err = p.share.OpenFile(p.ascent.Rule.Pipe, os.O_RDWR, 0o600)
	return err
}

func (p *pipeClimb) bind() error {
	p.rpc = rpc.NewConn(&pipe{file: p.file})
	return p.rpc.Bind(p.ascent.Rule.Object)
}

// call opens the log and lets go of all that was opened, which decides nothing.
func (p *pipeClimb) call() error {
	handle, err := p.rpc.OpenEventLog(eventLog)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.talk.Context(), closing)
	defer cancel()
	_ = p.talk.Do(ctx, func() error {
		_ = p.rpc.CloseEventLog(handle)
		_ = p.file.Close()
		_ = p.share.Umount()
		return p.session.Logoff()
	})
	return nil
}

// A pipe reads a message-mode pipe, whose messages must be read whole.
type pipe struct {
	file *smb2.File
	room []byte
	rest []byte // of the message read last
}

func (p *pipe) Write(b []byte) (int, error) { return p.file.Write(b) }

func (p *pipe) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		if p.room == nil {
			p.room = make([]byte, pipeRoom)
		}
		n, err := p.file.Read(p.room)
		if err != nil {
			return 0, err
		}
		p.rest = p.room[:n]
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
