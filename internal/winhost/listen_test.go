package winhost

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
)

func TestListen(t *testing.T) {
	h := Client("ws-001.corp.example", here)
	h.Ports[1] = Port{Fate: Refuse} // has no service, so nothing listens
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type listening struct {
		port uint16
		net.Listener
	}
	listeners, ended := make(chan listening, 16), make(chan error, 1)
	go func() {
		ended <- h.Listen(ctx, func(port uint16) (net.Listener, error) {
			l, err := listenAnywhere(t)
			if err == nil {
				listeners <- listening{port, l}
			}
			return l, err
		})
	}()
	var ports []uint16
	var mapper net.Listener
	for range 6 {
		l := <-listeners
		if ports = append(ports, l.port); l.port == mapperPort {
			mapper = l.Listener
		}
	}
	slices.Sort(ports)
	if want := []uint16{135, 445, 5040, 7680, 49667, 49668}; !slices.Equal(ports, want) {
		t.Fatalf("listening for %v, want %v", ports, want)
	}
	c, err := dial(t, mapper.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	talk(t, c, bindHex(epmHex, ndrHex))
	if got, want := talk(t, c, mapHex(scheduleHex)), tidy(mapReplyHex(towerHex(scheduleHex, "c204", "0a4d0065"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Listen: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived Listen")
	}
	if _, err := mapper.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a listener outlived Listen: %v", err)
	}
}

func TestListenFails(t *testing.T) {
	broken := errors.New("address in use")
	for name, listen := range map[string]func(port uint16) (net.Listener, error){
		"at once": func(port uint16) (net.Listener, error) {
			if port == mapperPort {
				return nil, broken
			}
			return listenAnywhere(t)
		},
		"later": func(port uint16) (net.Listener, error) {
			l, err := listenAnywhere(t)
			if port == mapperPort && err == nil {
				return failing{l, broken}, nil
			}
			return l, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Client("ws-001", here).Listen(t.Context(), listen); !errors.Is(err, broken) {
				t.Errorf("Listen: %v, want %v", err, broken)
			}
		})
	}
}

type failing struct {
	net.Listener
	err error
}

func (f failing) Accept() (net.Conn, error) { return nil, f.err }

func TestResetOnARealConnection(t *testing.T) {
	l, err := listenAnywhere(t)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 1)) // not before the client knows that it is connected
			Reset(c)
		}
	}()
	c, err := dial(t, l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, c, "x")
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Read: %v, want a reset", err)
	}
}

func listenAnywhere(t *testing.T) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
}

func dial(t *testing.T, to net.Addr) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(t.Context(), "tcp", to.String())
}
