package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/secure"
)

func newDemo() *cobra.Command {
	var output outputFlags
	var operations string
	var live demoServer
	var credential bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "The same, against a simulated fleet: no Windows, no root, no network",
		Long: `Check a simulated fleet in memory, each host in a situation that administrators meet: no Windows, no root,
no network. It takes about 2 seconds, as hosts that do not answer do. Exit: 0 whatever the fleet looks like.

With --credential it is another fleet, whose hosts are logged on to by Kerberos as well: each lacks a right of
the account, or what else only a credential meets. Where all is granted the host is ready.

With --serve it is what gpreach serve shows: exporter and page, over loopback, of a larger fleet in which some
hosts change every few seconds.`,
		Example: `  gpreach demo
  gpreach demo --for refresh -o json
  gpreach demo --credential
  gpreach demo --serve --hosts 2000`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			asked, err := probe.ParseOperations(operations)
			if err != nil {
				return usage(err)
			}
			if live.on {
				for _, name := range []string{"credential", "output", "limit", "no-color"} {
					if c.Flags().Changed(name) {
						return usage(fmt.Errorf("--%s is not of use with --serve", name))
					}
				}
				return live.serve(c, asked)
			}
			if c.Flags().Changed("hosts") || c.Flags().Changed("web.listen-address") {
				return usage(errors.New("--hosts and --web.listen-address are of use with --serve"))
			}
			out, err := output.open(c.OutOrStdout())
			if err != nil {
				return usage(err)
			}
			p, situations, err := simulation(c.Context(), credential)
			if err != nil {
				return internal(err)
			}
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
	f.BoolVar(&credential, "credential", false, "log on to the hosts as well, with tickets of a simulated account")
	output.registerShow(f, 0)
	live.register(f)
	return c
}

// simulation returns a prober that is joined to a simulated fleet, and what the fleet
// is. With a credential it logs on to it.
func simulation(ctx context.Context, credential bool) (*probe.Prober, []winhost.Situation, error) {
	if !credential {
		network, situations := winhost.Fleet()
		return demoProber(network), situations, nil
	}
	domain := winhost.LogonFleet()
	tickets, err := domain.Tickets(time.Hour)
	if err != nil {
		return nil, nil, err
	}
	account, err := auth.OfTickets(tickets)
	if err != nil {
		return nil, nil, err
	}
	if err := account.Verify(ctx); err != nil {
		return nil, nil, err
	}
	p := demoProber(domain.Network)
	p.Authenticate = secure.New(account, secure.Options{}).Begin
	return p, domain.Situations, nil
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
