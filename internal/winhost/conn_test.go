package winhost

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const rtt = 10 * time.Millisecond

func ends() (*conn, *conn) { return pair(&net.TCPAddr{Port: 1}, &net.TCPAddr{Port: 2}, rtt) }

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatalf("Write(%q): %v", s, err)
	}
}

// bubble runs a test in virtual time and says how much of it passed.
func bubble(t *testing.T, f func(t *testing.T)) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f(t)
		took = time.Since(start)
	})
	return took
}

func TestAChunkArrivesHalfARoundTripLater(t *testing.T) {
	took := bubble(t, func(t *testing.T) {
		a, b := ends()
		write(t, a, "first")
		write(t, a, "second") // nobody reads yet: neither write waits
		p := make([]byte, 3)
		for _, want := range []string{"fir", "st", "sec"} {
			if n, err := b.Read(p); string(p[:n]) != want || err != nil {
				t.Errorf("Read = %q, %v, want %q", p[:n], err, want)
			}
		}
	})
	if took != rtt/2 {
		t.Errorf("took %v, want %v", took, rtt/2)
	}
}

func TestCloseLetsThePeerReadTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := ends()
		write(t, a, "last words")
		a.Close()
		if s, err := exhaust(b); s != "last words" || err != nil {
			t.Errorf("read %q, %v", s, err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("second end: %v, want EOF again", err)
		}
		if _, err := a.Read(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Close: %v", err)
		}
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestTheFirstWriteToAClosedPeerIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := ends()
		b.Close()
		write(t, a, "too late")
		if _, err := a.Write([]byte("again")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("second Write: %v, want EPIPE", err)
		}
	})
}

func TestReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := ends()
		Reset(b)
		var op *net.OpError
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != "read" {
			t.Errorf("Read: %v, want a reset in a net.OpError", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write: %v, want a reset", err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	flood := []byte(strings.Repeat("x", window+1))
	for name, op := range map[string]func(c net.Conn) error{
		"read": func(c net.Conn) error {
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, err := c.Read(make([]byte, 1))
			return err
		},
		"write": func(c net.Conn) error {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := c.Write(flood)
			if n != window {
				t.Errorf("wrote %d, want the window, %d", n, window)
			}
			return err
		},
		"set while waiting": func(c net.Conn) error {
			defer time.AfterFunc(time.Second, func() { c.SetDeadline(time.Now()) }).Stop()
			_, err := c.Read(make([]byte, 1))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var end error
			took := bubble(t, func(t *testing.T) {
				a, _ := ends()
				end = op(a)
				err := a.SetDeadline(time.Time{})
				write(t, a.peer, "on")
				if _, readErr := a.Read(make([]byte, 2)); err != nil || readErr != nil {
					t.Errorf("after the deadline was lifted: %v, %v", err, readErr)
				}
			})
			var timeout net.Error
			if !errors.Is(end, os.ErrDeadlineExceeded) || !errors.As(end, &timeout) || !timeout.Timeout() {
				t.Errorf("error %v, want a timeout", end)
			}
			if took != time.Second+rtt/2 {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestAFullWindowWaitsForTheReader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := ends()
		done := make(chan error, 1)
		go func() {
			_, err := a.Write(make([]byte, 3*window))
			a.Close()
			done <- err
		}()
		if s, err := exhaust(b); len(s) != 3*window || err != nil {
			t.Errorf("read %d bytes, %v", len(s), err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWakesEveryone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := ends()
		flooded, read := make(chan error, 1), make(chan error, 1)
		go func() {
			for {
				if _, err := b.Write(make([]byte, window)); err != nil {
					flooded <- err
					return
				}
			}
		}()
		c, d := ends()
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		a.Close()
		c.Close()
		if err := <-flooded; !errors.Is(err, syscall.EPIPE) {
			t.Errorf("the writer got %v, want EPIPE", err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the reader got %v, want net.ErrClosed", err)
		}
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("its peer got %v, want EOF", err)
		}
	})
}

func TestAServiceEndsAtOnceWithItsClient(t *testing.T) {
	took := bubble(t, func(t *testing.T) {
		client, server := ends()
		heard := make(chan string)
		go func() {
			s, _ := exhaust(server)
			heard <- s
		}()
		write(t, client, "on its way")
		client.Close()
		if s := <-heard; s != "on its way" {
			t.Errorf("the service read %q", s)
		}
	})
	if took != 0 {
		t.Errorf("took %v: a service would outlive its test", took)
	}
}
