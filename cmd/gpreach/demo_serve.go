package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gpreach/gpreach/exporter"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

const (
	maxCrowd    = 200_000         // hosts of a demo
	changeEvery = 3 * time.Second // some of them
)

// A demoServer serves a simulated fleet.
type demoServer struct {
	on    bool
	hosts int
	web   webFlags
	log   logFlags
}

func (d *demoServer) register(f *pflag.FlagSet) {
	f.BoolVar(&d.on, "serve", false, "serve exporter and page, of a fleet that changes")
	f.IntVar(&d.hosts, "hosts", 200, "`HOSTS` of the fleet that is served")
	f.StringArrayVar(&d.web.listen, "web.listen-address", nil, "`ADDRESS` and port to listen on with --serve; repeatable (default 127.0.0.1:10135)")
	d.log.register(f)
}

// serve sweeps the fleet in short intervals until the command is interrupted.
func (d *demoServer) serve(c *cobra.Command, asked []probe.Operation) error {
	if d.hosts < 1 || d.hosts > maxCrowd {
		return usage(fmt.Errorf("--hosts: %d is out of bounds; want 1 to %d", d.hosts, maxCrowd))
	}
	log, err := d.log.logger(c)
	if err != nil {
		return usage(err)
	}
	crowd := winhost.NewCrowd(d.hosts)
	settings := demoSettings(crowd, asked)
	if err := d.web.override(settings); err != nil {
		return usage(err)
	}
	hangups, deaf := onHangup()
	defer deaf()
	listeners, err := d.web.listeners(c.Context(), settings, log)
	if err != nil {
		return usage(err)
	}
	e := exporter.New(exporter.Config{
		Settings: settings, Version: version(), Log: log,
		Own: func() ([]netip.Addr, error) { return nil, nil },
		Prober: func(p exporter.Probing) *probe.Prober {
			prober := demoProber(crowd.Network)
			prober.Timeout, prober.Deadline, prober.NoIdentify = p.Timeout, p.Deadline, !p.Identify
			return prober
		},
	})
	ctx, stop := context.WithCancel(c.Context())
	var changing sync.WaitGroup
	changing.Go(func() { change(ctx, crowd) })
	defer changing.Wait()
	defer stop()
	return (&service{e, listeners, settings.WebConfig, hangups, log}).run(ctx)
}

// demoSettings has two sweeps: of the situations, and of everybody else.
func demoSettings(crowd *winhost.Crowd, asked []probe.Operation) *exporter.Settings {
	_, situations := winhost.Fleet()
	all := simulated(crowd.Situations)
	s := exporter.DefaultSettings()
	s.Probing.Debug = true
	sweep := func(name string, hosts []probe.Target) {
		one := exporter.DefaultSweep()
		one.Name, one.Targets, one.Asked, one.Rate = name, targets.Named(hosts), asked, 0
		one.Interval = 10*time.Second + time.Duration(len(hosts))*5*time.Millisecond
		s.Sweeps = append(s.Sweeps, one)
	}
	sweep("situations", all[:len(situations)])
	if len(all) > len(situations) {
		sweep("workstations", all[len(situations):])
	}
	return s
}

// change puts some hosts into another situation every few seconds until ctx ends.
func change(ctx context.Context, crowd *winhost.Crowd) {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	next := time.NewTicker(changeEvery)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			for range 1 + len(crowd.Situations)/1000 {
				crowd.Change(random)
			}
		case <-ctx.Done():
			return
		}
	}
}
