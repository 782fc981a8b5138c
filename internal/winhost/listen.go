package winhost

import (
	"context"
	"net"
	"sync"
)

// Listen serves the host's ports on real connections until parent ends, and
// returns when all of them are closed and nothing is left running. For each
// port that has a service it calls listen, with which the caller chooses the
// address. What the other ports do is up to the machine.
func (h *Host) Listen(parent context.Context, listen func(port uint16) (net.Listener, error)) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var running sync.WaitGroup
	for number, port := range h.Ports {
		if port.Serve == nil {
			continue
		}
		l, err := listen(number)
		if err != nil {
			cancel(err)
			break
		}
		running.Go(func() {
			cancel(accept(ctx, &running, l, port.Serve))
		})
	}
	<-ctx.Done()
	running.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// accept serves connections until the context ends or the listener fails.
func accept(ctx context.Context, running *sync.WaitGroup, l net.Listener, serve func(net.Conn)) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		running.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			serve(c)
		})
	}
}
