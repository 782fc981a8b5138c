package exporter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// pipes listens in memory, so that a server can run on a test's own clock.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { close(p.closed); return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// connect serves the exporter and returns a connection to it.
func connect(t *testing.T, e *Exporter) net.Conn {
	l := pipes{make(chan net.Conn), make(chan struct{})}
	s := Server(e.Handler(l.Addr()))
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	client, server := net.Pipe()
	l.conns <- server
	return client
}

// A probe may take longer than the server gives a client to say what it wants.
func TestServerWaitsForAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newExporter(t, nil, "ws-001")
		e.probe = func(_ *probe.Prober, ctx context.Context, t probe.Target, _ []probe.Operation) *probe.Report {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			return readyReport(t.Name)
		}
		conn := connect(t, e)
		defer conn.Close()
		fmt.Fprint(conn, "GET /probe?target=ws-001 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), "probe_success 1") {
			t.Errorf("got %s: %s (%v)", res.Status, body, err)
		}
	})
}

func TestServerDropsAClientThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newExporter(t, nil)
		conn := connect(t, e)
		defer conn.Close()
		fmt.Fprint(conn, "GET /")
		start := time.Now()
		answer, _ := io.ReadAll(conn)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("dropped after %v, with %q", took, answer)
		}
	})
}
