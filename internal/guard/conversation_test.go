package guard

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/wire"
)

// waits reads from a host that says nothing.
func waits(conn net.Conn) func() error {
	return func() error {
		_, err := conn.Read(make([]byte, 1))
		return err
	}
}

// A library that waits is cut off by whatever ends first.
func TestConversationEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(cancel context.CancelFunc, stop chan struct{}, c *Conversation)
	}{
		{"the stage is over time", func(context.CancelFunc, chan struct{}, *Conversation) {}},
		{"the run is interrupted", func(cancel context.CancelFunc, _ chan struct{}, _ *Conversation) { cancel() }},
		{"the credential is stopped", func(_ context.CancelFunc, stop chan struct{}, _ *Conversation) { close(stop) }},
		{"it is ended", func(_ context.CancelFunc, _ chan struct{}, c *Conversation) { c.End() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stop := make(chan struct{})
				c := Begin(ctx, stop)
				defer c.End()
				ours, theirs := net.Pipe()
				defer theirs.Close()
				c.Hold(ours)
				stage, over := context.WithTimeout(ctx, time.Hour)
				defer over()
				time.AfterFunc(time.Minute, func() { tt.end(cancel, stop, c) })
				err := c.Do(stage, waits(ours))
				if !errors.Is(err, io.ErrClosedPipe) || c.Context().Err() == nil {
					t.Errorf("%v, context %v", err, c.Context().Err())
				}
				late, other := net.Pipe()
				defer other.Close()
				if c.Hold(late); !errors.Is(waits(late)(), io.ErrClosedPipe) {
					t.Error("a connection of an ended conversation is open")
				}
			})
		})
	}
}

// A panic is what a host said, and ends the conversation.
func TestConversationPanics(t *testing.T) {
	c := Begin(t.Context(), nil)
	defer c.End()
	var none []byte
	err := c.Do(t.Context(), func() error {
		none[3] = 1
		return nil
	})
	if !errors.Is(err, wire.ErrGarbled) || c.Context().Err() == nil {
		t.Errorf("%v, context %v", err, c.Context().Err())
	}
}

// What is done too late is not done: its connections are closed.
func TestConversationTooLate(t *testing.T) {
	c := Begin(t.Context(), nil)
	defer c.End()
	stage, over := context.WithCancel(t.Context())
	if err := c.Do(stage, func() error { over(); return nil }); !errors.Is(err, context.Canceled) || c.Context().Err() == nil {
		t.Errorf("%v, context %v", err, c.Context().Err())
	}
}

// What ends well goes on.
func TestConversationGoesOn(t *testing.T) {
	c := Begin(t.Context(), nil)
	ours, theirs := net.Pipe()
	c.Hold(ours)
	for range 3 {
		if err := c.Do(t.Context(), func() error { return nil }); err != nil || c.Context().Err() != nil {
			t.Errorf("%v, context %v", err, c.Context().Err())
		}
	}
	c.End()
	if err := waits(theirs)(); !errors.Is(err, io.EOF) {
		t.Errorf("open still: %v", err)
	}
}
