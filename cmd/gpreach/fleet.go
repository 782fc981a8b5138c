package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

// fleetFlags say whom to ask.
type fleetFlags struct {
	files, exclude []string
	shard          string
	yes            bool
}

func (t *fleetFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&t.files, "file", nil, "a `FILE` of targets, one a line or CSV; the same as @FILE, which PowerShell takes for itself")
	f.StringArrayVar(&t.exclude, "exclude", nil, "a `TARGET` that is never asked: a name, an address, a range or @FILE; repeatable")
	f.BoolVar(&t.yes, "yes", false, "more than 65,536 addresses are meant")
}

func (t *fleetFlags) registerShard(f *pflag.FlagSet) {
	f.StringVar(&t.shard, "shard", "", "ask only one part of the targets: `I/N` is the I-th of N, the first being 1/N")
}

// A fleet is the targets of a run.
type fleet struct {
	list  *targets.List
	shard shard
}

// fleet reads the targets. Standard input is read when "-" is among them.
func (t *fleetFlags) fleet(c *cobra.Command, args []string) (*fleet, error) {
	s, err := parseShard(t.shard)
	if err != nil {
		return nil, err
	}
	stdin := interruptible{c.Context(), c.InOrStdin()}
	list, err := targets.Parse(args, targets.Options{Files: t.files, Exclude: t.exclude, Stdin: stdin, Yes: t.yes})
	if err != nil {
		return nil, err
	}
	f := &fleet{list, s}
	for _, w := range list.Warnings() {
		fmt.Fprintf(c.ErrOrStderr(), "gpreach: %s\n", w)
	}
	switch {
	case len(args)+len(t.files) == 0:
		return nil, errors.New("no target: name hosts, addresses or ranges, or a list with --file")
	case list.Len() == 0:
		return nil, errors.New("no target: the lists are empty, or --exclude leaves nothing of them")
	case f.len() == 0:
		return nil, fmt.Errorf("no target: of the %d given none falls to shard %s", list.Len(), t.shard)
	}
	return f, nil
}

func (f *fleet) len() int { return (f.list.Len() - f.shard.i + f.shard.n - 1) / f.shard.n }

// all returns the shard's targets, their places counted anew.
func (f *fleet) all() iter.Seq[probe.Target] {
	return func(yield func(probe.Target) bool) {
		for t := range f.list.All() {
			if t.Index%f.shard.n != f.shard.i {
				continue
			}
			t.Index /= f.shard.n
			if !yield(t) {
				return
			}
		}
	}
}

// connected returns p joined to this machine's network and name.
func (f *fleet) connected(p *probe.Prober) *probe.Prober {
	connect(p)
	p.Excluded = f.list.Excluded
	return p
}

// connect joins p to this machine's network and name.
func connect(p *probe.Prober) {
	p.Dial = probe.NewDial(p.Timeout)
	p.Lookup = probe.NewLookup()
	p.Vantage, _ = os.Hostname()
}

// An interruptible reader gives up when its context ends, so that Ctrl-C is
// heard while somebody types the targets. The read under way is left behind.
type interruptible struct {
	ctx context.Context //nolint:containedctx // what the reader is about
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buf := make([]byte, len(p)) // p is the caller's again once Read returns
	go func() {
		n, err := i.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buf[:r.n]), r.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
