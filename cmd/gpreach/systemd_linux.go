package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/spf13/pflag"
)

func (w *webFlags) registerSystemd(f *pflag.FlagSet) {
	f.BoolVar(&w.systemd, "web.systemd-socket", false, "listen on the sockets that systemd has opened, and on no other address")
}

// activated returns the sockets that systemd has opened, where they are asked for.
func (w *webFlags) activated() ([]net.Listener, error) {
	if !w.systemd {
		return nil, nil
	}
	all, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("--web.systemd-socket: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("--web.systemd-socket: systemd has opened no socket for this process")
	}
	return all, nil
}
