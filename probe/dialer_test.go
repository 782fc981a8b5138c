package probe_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// A connection of ours ends by a reset, and so leaves no port in TIME_WAIT.
func TestNewDial(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := probe.NewDial(2*time.Second)(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer sees %v, want a reset", err)
	}
	if _, err := probe.NewDial(2*time.Second)(t.Context(), "tcp", "localhost:135"); err == nil {
		t.Error("a name was resolved")
	}
	l.Close()
	if _, err := probe.NewDial(2*time.Second)(t.Context(), "tcp", l.Addr().String()); err == nil {
		t.Error("connected to a port that is closed")
	}
}
