//go:build !linux

package main

import (
	"net"

	"github.com/spf13/pflag"
)

func (*webFlags) registerSystemd(*pflag.FlagSet) {}

func (*webFlags) activated() ([]net.Listener, error) { return nil, nil }
