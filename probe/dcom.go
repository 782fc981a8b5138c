package probe

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// wmiPort is the fixed port that Microsoft documents for WMI: what
// "winmgmt /standalonehost" makes it listen on.
const wmiPort = 24158

// serverAlive asks on a connection to the mapper whether DCOM is alive. It
// proves RPCSS, not WMI, whose port only a logon can learn.
func (v *visit) serverAlive(at *lane, t Trail, l *link, c *rpc.Conn) Trail {
	t, ok := v.bind(at, t, l, c, rpc.ObjectExporter, "IObjectExporter")
	if !ok {
		return t
	}
	t, _ = v.step(at, t, Step{Stage: Call, Peer: l.peer}, func() (string, error) {
		if err := l.begin(); err != nil {
			return "", err
		}
		alive, err := c.ServerAlive2()
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("ServerAlive2: DCOM %d.%d at %s", alive.Major, alive.Minor, strings.Join(alive.Addresses, ", ")), nil
	})
	return t
}

// A fixedPort is the try of WMI's fixed port. Windows drops what is not open,
// so the try must not cost a timeout: it is given up when all else of the host
// is finished, but not before a reply could have come.
type fixedPort struct {
	*reins
	cancel context.CancelFunc
	grace  time.Time     // not given up before
	done   chan struct{} // closed when trail is set
	trail  Trail
}

// tryFixedPort begins the try. mapperTook is what the connect to 135 took.
func (v *visit) tryFixedPort(a *approach, mapperTook time.Duration) *fixedPort {
	ctx, cancel := context.WithCancel(v.ctx)
	f := &fixedPort{
		reins: &reins{ctx: ctx}, cancel: cancel, done: make(chan struct{}),
		grace: time.Now().Add(max(100*time.Millisecond, 4*mapperTook)),
	}
	go func() {
		defer close(f.done)
		f.trail = v.bindAt(f.reins, &a.lanes.fixed, nil, netip.AddrPortFrom(a.addr, wmiPort), rpc.RemUnknown2, "IRemUnknown2")
	}()
	return f
}

// finish waits until the try has ended or is given up.
func (f *fixedPort) finish() {
	if f == nil {
		return
	}
	timer := time.NewTimer(time.Until(f.grace))
	defer timer.Stop()
	select {
	case <-f.done:
		f.drop()
	case <-timer.C:
	}
	f.cancel()
	<-f.done
	f.drop()
}

// steps returns the steps of a try that succeeded.
func (f *fixedPort) steps() Trail {
	if f == nil {
		return nil
	}
	return proved(f.trail)
}

// proved returns the trail of a try that succeeded. One that failed leaves none.
func proved(t Trail) Trail {
	if t.last().Stage != Bind || t.last().Outcome != OK {
		return nil
	}
	return t
}
