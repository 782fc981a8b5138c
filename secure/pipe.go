package secure

import (
	"context"
	"net/netip"
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
	log     rpc.LogHandle
}

// pipe logs on to SMB, opens the rule's pipe, binds to its interface and opens
// the log.
func (v *visit) pipe(ctx context.Context, a *probe.Ascent, by *logon) {
	talk := guard.Begin(ctx, v.credential.Stopped())
	defer talk.End()
	conn := a.Connect(talk.Context())
	if conn == nil {
		return
	}
	v.askedSMB = true
	p := &pipeClimb{visit: v, ascent: a, talk: talk, conn: guard.NewSMB(conn)}
	p.talk.Hold(p.conn)
	if !p.step(probe.Authenticate, func() error { return p.logOn(by) }) {
		return
	}
	v.loggedOn = true
	defer p.letGo()
	if !p.step(probe.Open, p.open) {
		return
	}
	if !a.Bind(a.Rule.Object, p.try(p.bind)) {
		return
	}
	p.step(probe.Call, p.call)
}

func (p *pipeClimb) step(stage probe.Stage, do func() error) bool {
	return p.ascent.Step(stage, p.try(do))
}

// try calls a library within the time of a stage, and says what came of it.
func (p *pipeClimb) try(do func() error) func(context.Context, *probe.Step) error {
	return func(ctx context.Context, _ *probe.Step) error {
		return p.fromHost(ctx, p.conn, p.talk.Do(ctx, p.unlessStopped(do)))
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
	p.session, err = dialer.DialConn(p.talk.Context(), p.conn, serverName(p.ascent.Address))
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

// serverName returns a host's name in the path of its share, which it does not look
// at; there is no other way to write an address of IPv6.
func serverName(a netip.Addr) string {
	if a.Is4() {
		return a.String()
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

// call opens the log.
func (p *pipeClimb) call() (err error) {
	p.log, err = p.rpc.OpenEventLog(eventLog)
	return err
}

// letGo lets go of all that was opened, which decides nothing.
func (p *pipeClimb) letGo() {
	ctx, cancel := context.WithTimeout(p.talk.Context(), closing)
	defer cancel()
	_ = p.talk.Do(ctx, p.unlessStopped(func() error {
		if p.log != (rpc.LogHandle{}) {
			_ = p.rpc.CloseEventLog(p.log)
		}
		if p.file != nil {
			_ = p.file.Close()
		}
		if p.share != nil {
			_ = p.share.Umount()
		}
		return p.session.Logoff()
	}))
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
