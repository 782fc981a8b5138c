package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/report"
)

// runFlags are the flags that check and preflight share.
type runFlags struct {
	ask    askFlags
	fleet  fleetFlags
	logon  credentialFlags
	gate   gateFlags
	output outputFlags
	log    logFlags
}

func (r *runFlags) register(c *cobra.Command, operations string) {
	f := c.Flags()
	f.SortFlags = false
	r.ask.register(f, operations)
	r.fleet.register(f)
	r.fleet.registerShard(f)
	r.logon.register(f)
	r.gate.register(f)
	r.output.register(f)
	r.log.register(f)
}

// open opens the output, which must be none of the files that are read.
func (r *runFlags) open(args []string, stdout io.Writer) (*output, error) {
	read := slices.Concat(r.fleet.files, []string{r.logon.passwordFile, r.logon.keytab, strings.TrimPrefix(r.logon.ccache, "FILE:")})
	for _, t := range slices.Concat(args, r.fleet.exclude) {
		if file, ok := strings.CutPrefix(t, "@"); ok {
			read = append(read, file)
		}
	}
	for _, file := range read {
		if sameFile(file, r.output.file) {
			return nil, errors.New("--output-file would overwrite a file that is read in this run")
		}
	}
	return r.output.open(stdout)
}

// A survey asks a fleet once and decides over it.
type survey struct {
	prober     *probe.Prober
	logon      credentialFlags
	credential *auth.Credential // nil without one, and before ask
	plan       probe.Plan
	fleet      *fleet
	gate       gate
	log        *slog.Logger
	stderr     io.Writer
	quiet      bool
	limit      int // hosts of which everything is told
	// progress is set where a line that changes disturbs nothing else.
	progress bool

	loggedOn bool // at some host
	summary  report.Summary
	accepted []probe.Target
}

// survey checks all flags and reads the targets. Nothing is asked yet.
func (r *runFlags) survey(c *cobra.Command, args []string) (*survey, error) {
	p, asked, err := r.ask.prober()
	if err != nil {
		return nil, err
	}
	if r.logon.rehearse && !slices.Contains(asked, probe.Refresh) {
		return nil, errors.New("--rehearse is of a remote refresh, which --for rsop leaves out")
	}
	g, err := r.gate.gate()
	if err != nil {
		return nil, err
	}
	log, err := r.log.logger(c)
	if err != nil {
		return nil, err
	}
	f, err := r.fleet.fleet(c, args)
	if err != nil {
		return nil, err
	}
	s := &survey{
		prober: f.connected(p), fleet: f, gate: g, log: log, stderr: c.ErrOrStderr(), quiet: r.output.quiet, limit: r.output.limit,
		progress: !r.output.quiet && !r.output.streamsTo(c.OutOrStdout()),
		plan:     probe.Plan{Asked: asked, Concurrency: min(r.ask.concurrency, f.len()), Rate: r.ask.rate},
		logon:    r.logon,
		summary:  report.Summary{AllNames: r.output.limit == 0},
	}
	return s, nil
}

// ask asks every target and passes each report on. The credential is read only now:
// whoever types a password has made no other mistake.
func (s *survey) ask(ctx context.Context, add func(*probe.Report) error) error {
	if err := s.logOn(ctx); err != nil {
		return err
	}
	var shown *progress
	if s.progress {
		shown = newProgress(s.stderr, s.fleet.len())
		defer shown.finish()
	}
	for r := range s.prober.Sweep(ctx, s.fleet.all(), s.plan) {
		if err := add(r); err != nil {
			return internal(err)
		}
		if shown.add(r); r.Excluded {
			shown.erase()
			fmt.Fprintf(s.stderr, "gpreach: %s is left out: all its addresses are excluded\n", r.Target.Name)
			continue
		}
		s.log.Debug("asked", "target", r.Target.Name, "address", r.Address, "elapsed", r.Elapsed)
		s.summary.Add(r)
		s.loggedOn = s.loggedOn || r.Credential == "kerberos" || r.Credential == "ntlm"
		if r.Accepted(s.gate.accept...) {
			s.accepted = append(s.accepted, r.Target)
		}
	}
	shown.erase()
	s.warn()
	s.summary.Shorten(s.limit)
	return nil
}

// warn tells on standard error what is wrong with this machine or run, not the fleet.
func (s *survey) warn() {
	if s.credential != nil && s.credential.Why() == "" && s.summary.Hosts > 0 && !s.loggedOn {
		fmt.Fprintln(s.stderr, "gpreach: the credential was used at no host; the reports' warnings and reasons tell why")
	}
	if sick := s.summary.ResolverSick(); sick != "" {
		fmt.Fprintf(s.stderr, "gpreach: %s\n", sick)
	}
}

// decide returns the error that carries the exit code.
func (s *survey) decide(ctx context.Context) error {
	stopped := s.stopped()
	switch n := s.summary.Hosts; {
	case stopped != nil:
		return stopped
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, fmt.Errorf("interrupted: %d of %d hosts were begun", n, s.fleet.len())}
	case n == 0:
		return usage(errors.New("no target is left to ask"))
	case s.gate.met(len(s.accepted), n):
		return nil
	case s.summary.Blocked() == 0:
		return &exitError{code: exitUnproven}
	}
	return &exitError{code: exitBlocked}
}

func newCheck() *cobra.Command {
	var flags runFlags
	c := &cobra.Command{
		Use:   "check TARGET...",
		Short: "Probe now and report",
		Long: `Probe the targets now and report which operations can reach them, and where and why not.

TARGET is a host name, an address, a range (10.0.0.0/24, 10.0.0.1-50), @file or - for standard input.
Exit: 0 enough hosts are ready (--min-ready, --accept), 1 they are not, 3 they are not but nothing is blocked,
2 usage or no target, 4 the credential failed and was used no more, 5 internal error, 130 interrupted.

Without a credential WMI stays unknown unless it has its fixed port, and the host is at best "unproven":
--accept unproven takes that for good enough. With one (--user, --current-user) the pipe, the event log, WMI and Task
Scheduler are logged on to as well, by Kerberos, and a host can be ready; the credential is verified once before any host
is asked, and the first failed logon ends its use. What is asked for changes nothing on a host.`,
		Example: `  gpreach check ws-001 10.0.0.0/24 --exclude 10.0.0.1
  gpreach check --for refresh --file hosts.csv -o ndjson --output-file fleet.ndjson
  gpreach check --file hosts.txt --accept unproven --min-ready 98%
  gpreach check --file hosts.txt --user admin@CORP.EXAMPLE
  gpreach check --file hosts.txt --current-user`,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := flags.survey(c, args)
			if err != nil {
				return usage(err)
			}
			out, err := flags.open(args, c.OutOrStdout())
			if err != nil {
				return usage(err)
			}
			if err := s.ask(c.Context(), out.Add); err != nil {
				out.discard()
				return err
			}
			if err := out.keep(); err != nil {
				return internal(err)
			}
			if !s.quiet && isTerminal(s.stderr) && (flags.output.format != "table" || flags.output.file != "") {
				fmt.Fprint(s.stderr, s.summary.String())
			}
			return s.decide(c.Context())
		},
	}
	flags.register(c, "all")
	return c
}
