package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/rpc"
)

// A loopback is simulated hosts that really listen, each at its own loopback
// address, all with the same two ports for SMB and the endpoint mapper, which
// the kernel chose.
type loopback struct {
	smb, epmap uint16
	hosts      map[string]*station
}

// loopbackKey finds a script's loopback.
type loopbackKey struct{}

// A station is a host of a loopback.
type station struct {
	addr netip.Addr
	host *winhost.Host

	taken atomic.Int64  // connections
	met   chan struct{} // closed when it took the first
	once  sync.Once
}

// stations returns the hosts by the name that scripts know them by. Files of
// scripts name them by their address.
func stations() map[string]*station {
	mute := func() *winhost.Host {
		return &winhost.Host{Ports: map[uint16]winhost.Port{445: {Serve: winhost.Mute}, 135: {Serve: winhost.Mute}}}
	}
	all := map[string]*station{
		"HEALTHY": at("127.0.0.11", winhost.Client("ws-001.corp.example")),
		"SERVER":  at("127.0.0.12", winhost.Server("srv-001.corp.example")),
		// NOTASKS has its Task Scheduler stopped, CLOSED refuses everything, and
		// MUTE1 to MUTE5 take connections and never answer.
		"NOTASKS": at("127.0.0.13", winhost.Client("ws-006.corp.example")),
		"CLOSED":  at("127.0.0.14", &winhost.Host{}),
	}
	for i := 1; i <= 5; i++ {
		all[fmt.Sprintf("MUTE%d", i)] = at(fmt.Sprintf("127.0.0.2%d", i), mute())
	}
	all["NOTASKS"].host.Stop(rpc.TaskScheduler)
	if hasIPv6() {
		all["IPV6"] = at("::1", winhost.Client("ws-600.corp.example"))
	}
	return all
}

func at(addr string, h *winhost.Host) *station {
	s := &station{addr: netip.MustParseAddr(addr), host: h, met: make(chan struct{})}
	h.Addrs = []netip.Addr{s.addr}
	return s
}

// startLoopback starts the hosts. They end when what it passes to atEnd is called.
func startLoopback(atEnd func(func())) (*loopback, error) {
	l := &loopback{hosts: stations()}
	smb, err := l.listenAlike(445)
	if err != nil {
		return nil, err
	}
	epmap, err := l.listenAlike(135)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	atEnd(func() { cancel(); running.Wait() })
	for name, s := range l.hosts {
		listeners := map[uint16]net.Listener{445: smb[name], 135: epmap[name]}
		for number := range s.host.Ports {
			if listeners[number] == nil {
				if listeners[number], err = listen(s.addr, 0); err != nil {
					return nil, err
				}
			}
			for i := range s.host.Endpoints {
				if s.host.Endpoints[i].Port == number { // the mapper tells the port that the kernel chose
					s.host.Endpoints[i].Port = portOf(listeners[number])
				}
			}
		}
		running.Go(func() {
			_ = s.host.Listen(ctx, func(number uint16) (net.Listener, error) { return watched{listeners[number], s}, nil })
		})
	}
	l.smb, l.epmap = portOf(smb["HEALTHY"]), portOf(epmap["HEALTHY"])
	return l, nil
}

// listenAlike listens at every host that serves a port, on one port that is
// free at all of them.
func (l *loopback) listenAlike(number uint16) (map[string]net.Listener, error) {
	var failed error
	for range 50 {
		all, port := map[string]net.Listener{}, uint16(0)
		failed = nil
		for name, s := range l.hosts {
			if s.host.Ports[number].Serve == nil {
				continue
			}
			on, err := listen(s.addr, port)
			if err != nil {
				failed = err
				break
			}
			all[name], port = on, portOf(on)
		}
		if failed == nil {
			return all, nil
		}
		for _, on := range all {
			on.Close()
		}
	}
	return nil, failed
}

func listen(at netip.Addr, port uint16) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", netip.AddrPortFrom(at, port).String())
}

func portOf(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }

// watched counts the connections that a station takes.
type watched struct {
	net.Listener
	station *station
}

func (w watched) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err == nil {
		w.station.taken.Add(1)
		w.station.once.Do(func() { close(w.station.met) })
	}
	return c, err
}
