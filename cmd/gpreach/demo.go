package main

import (
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

func newDemo() *cobra.Command {
	var output outputFlags
	var operations string
	var live demoServer
	c := &cobra.Command{
		Use:   "demo",
		Short: "The same, against a simulated fleet: no Windows, no root, no network",
		Long: `Check a simulated fleet in memory, each host in a situation that administrators meet: no Windows, no root,
no network. It takes about 2 seconds, as hosts that do not answer do. Exit: 0 whatever the fleet looks like.

With --serve it is what gpreach serve shows: exporter and page, over loopback, of a larger fleet in which some
hosts change every few seconds.`,
		Example: `  gpreach demo
  gpreach demo --for refresh -o json
  gpreach demo --serve --hosts 2000`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			asked, err := probe.ParseOperations(operations)
			if err != nil {
				return usage(err)
			}
			if live.on {
				return live.serve(c, asked)
			}
			if c.Flags().Changed("hosts") || c.Flags().Changed("web.listen-address") {
				return usage(errors.New("--hosts and --web.listen-address are of use with --serve"))
			}
			out, err := output.open(c.OutOrStdout())
			if err != nil {
				return usage(err)
			}
			network, situations := winhost.Fleet()
			p := demoProber(network)
			plan := probe.Plan{Asked: asked, Concurrency: len(situations)}
			for r := range p.Sweep(c.Context(), slices.Values(simulated(situations)), plan) {
				if err := out.Add(r); err != nil {
					return internal(err)
				}
			}
			if err := out.keep(); err != nil {
				return internal(err)
			}
			if c.Context().Err() != nil {
				return &exitError{exitInterrupted, errors.New("interrupted")}
			}
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&operations, "for", "all", usageFor)
	output.registerShow(f, 0)
	live.register(f)
	return c
}

// demoProber returns a prober that is joined to a simulated network.
func demoProber(network *winhost.Network) *probe.Prober {
	return &probe.Prober{
		Dial: network.Dial, Lookup: network.Lookup, Vantage: "gpmc01",
		Timeout: 2 * time.Second, Deadline: 15 * time.Second,
		SMBPort: 445, MapperPort: 135, LivenessPorts: []uint16{7680, 5040, 3389, 5985},
	}
}

// simulated returns the situations' targets. The directory names those for
// which it knows what the host calls itself.
func simulated(situations []winhost.Situation) []probe.Target {
	var all []probe.Target
	for i, s := range situations {
		t := probe.Target{Name: s.Host, Source: probe.FromArgument, Index: i}
		if s.DNSHostName != "" {
			t.Source, t.DNSHostName = probe.FromDirectory, s.DNSHostName
		}
		all = append(all, t)
	}
	return all
}
