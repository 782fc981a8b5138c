package guard

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/gpreach/gpreach/internal/wire"
)

// A Conversation is a library's use of connections. Its context ends when it
// ends, which is at the latest when that of its beginning does, or the stop.
type Conversation struct {
	ctx    context.Context //nolint:containedctx // libraries keep it for the life of their connections
	cancel context.CancelFunc
	unhook func() bool
	ended  sync.WaitGroup // the hook, should it run

	mu    sync.Mutex
	conns []net.Conn
	cut   bool
}

// Begin begins a conversation that ends when ctx does or stop is closed: its
// connections are then closed at once, and what waits for them ends.
func Begin(ctx context.Context, stop <-chan struct{}) *Conversation {
	c := &Conversation{}
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.ended.Add(1)
	c.unhook = context.AfterFunc(c.ctx, func() {
		defer c.ended.Done()
		c.close()
	})
	if stop != nil {
		c.ended.Go(func() {
			select {
			case <-stop:
				c.close()
			case <-c.ctx.Done():
			}
		})
	}
	return c
}

// Context returns what ends with the conversation.
func (c *Conversation) Context() context.Context { return c.ctx }

// Hold adds a connection, which is closed when the conversation ends.
func (c *Conversation) Hold(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns = append(c.conns, conn); c.cut {
		conn.Close()
	}
}

// Do calls a library, which is cut off when ctx ends. A panic is an error that
// wraps wire.ErrGarbled: only a host's bytes can be its cause.
func (c *Conversation) Do(ctx context.Context, call func() error) (err error) {
	var late sync.WaitGroup
	late.Add(1)
	unhook := context.AfterFunc(ctx, func() {
		defer late.Done()
		c.close()
	})
	defer func() {
		if p := recover(); p != nil {
			c.close()
			err = wire.Garbled("the decoder gave up: %s", fmt.Sprint(p))
		}
		if unhook() {
			late.Done()
		} else if err == nil { // it was done, but too late: the connections are closed
			err = ctx.Err()
		}
		late.Wait()
	}()
	return call()
}

// End ends the conversation. The library's goroutines end with it, since whatever
// they wait for does.
func (c *Conversation) End() {
	c.close()
	c.ended.Wait()
}

// close closes the connections for good.
func (c *Conversation) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for _, conn := range c.conns {
		conn.Close()
	}
	c.cancel()
}
