package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gpreach/gpreach/exporter"
	"github.com/gpreach/gpreach/probe"
)

// serveFlags say what is served, and where.
type serveFlags struct {
	ask   askFlags
	fleet fleetFlags
	log   logFlags
	web   webFlags

	config string
	check  bool
}

func newServe() *cobra.Command {
	var flags serveFlags
	c := &cobra.Command{
		Use:   "serve {--config FILE | TARGET...}",
		Short: "Prometheus exporter and web page: /metrics with sweeps, /probe for one target",
		Long: `Serve Prometheus and people: /metrics has the cached results of sweeps that start at once and are repeated,
/probe?target=HOST probes one host now, /targets tells the swept targets to Prometheus' HTTP service discovery,
and / is a page.

A configuration file says which sweeps, what /probe may ask, and how to listen. Without one the TARGETs are one
sweep every 15 minutes, and /probe asks them alone. SIGHUP and POST /-/reload read the configuration and the
files of targets again; what is wrong with them then changes nothing.`,
		Example: `  gpreach serve --file hosts.txt
  gpreach serve --config gpreach.yml
  gpreach serve --config gpreach.yml --config-check
  curl 'http://127.0.0.1:10135/probe?target=ws-001&for=refresh'`,
		RunE: func(c *cobra.Command, args []string) error {
			if flags.check {
				return flags.checkOnly(c, args)
			}
			return flags.serve(c, args)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&flags.config, "config", "", "the configuration `FILE`")
	f.BoolVar(&flags.check, "config-check", false, "say what is wrong with the configuration, and end")
	flags.web.register(f)
	flags.ask.register(f, "all")
	flags.fleet.register(f)
	flags.log.register(f)
	return c
}

// checkOnly says that the configuration is fine, or returns all its mistakes.
func (s *serveFlags) checkOnly(c *cobra.Command, args []string) error {
	if s.config == "" {
		return usage(errors.New("--config-check checks a file: name it with --config"))
	}
	settings, err := s.loader(c, args)()
	if err != nil {
		return misconfigured(c, err)
	}
	for _, w := range settings.Warnings {
		fmt.Fprintf(c.ErrOrStderr(), "gpreach: %s\n", w)
	}
	targets := 0
	for _, sweep := range settings.Sweeps {
		targets += sweep.Targets.Len()
	}
	fmt.Fprintf(c.OutOrStdout(), "%s is fine; sweeps: %d, targets: %d\n", s.config, len(settings.Sweeps), targets)
	return nil
}

func (s *serveFlags) serve(c *cobra.Command, args []string) error {
	base, _, err := s.ask.prober()
	if err != nil {
		return usage(err)
	}
	log, err := s.log.logger(c)
	if err != nil {
		return usage(err)
	}
	load := s.loader(c, args)
	settings, err := load()
	if err != nil {
		return misconfigured(c, err)
	}
	hangups, deaf := onHangup()
	defer deaf()
	listeners, err := s.web.listeners(c.Context(), settings, log)
	if err != nil {
		return usage(err)
	}
	e := exporter.New(exporter.Config{
		Settings: settings, Load: load, Version: version(), Pprof: s.web.pprof, Log: log, LogOn: logOn,
		Prober: func(p exporter.Probing) *probe.Prober {
			prober := *base
			prober.Timeout, prober.Deadline, prober.NoIdentify = p.Timeout, p.Deadline, !p.Identify
			connect(&prober)
			return &prober
		},
	})
	return (&service{e, listeners, settings.WebConfig, hangups, log}).run(c.Context())
}

// loader returns what reads the configuration, of the file or of the command
// line: each time anew, but for standard input, which has an end.
func (s *serveFlags) loader(c *cobra.Command, args []string) func() (*exporter.Settings, error) {
	if s.config != "" {
		return func() (*exporter.Settings, error) { return s.fromFile(c, args) }
	}
	var typed bytes.Buffer
	stdin := io.TeeReader(c.InOrStdin(), &typed)
	return func() (*exporter.Settings, error) {
		c.SetIn(stdin)
		settings, err := s.fromTargets(c, args)
		stdin = bytes.NewReader(bytes.Clone(typed.Bytes()))
		return settings, err
	}
}

// fromFile reads the file of --config. What else the command line says of how to
// listen and to probe is said of the file too.
func (s *serveFlags) fromFile(c *cobra.Command, args []string) (*exporter.Settings, error) {
	if len(args) > 0 {
		return nil, errors.New("TARGETs and --config: name targets in a sweep of the file, or leave it out")
	}
	for _, name := range []string{"file", "exclude", "for", "concurrency", "rate"} {
		if c.Flags().Changed(name) {
			return nil, fmt.Errorf("--%s and --config: the sweeps of the file say that", name)
		}
	}
	settings, err := exporter.Load(s.config, s.fleet.yes, checkCredential)
	if err != nil {
		return nil, err
	}
	if c.Flags().Changed("timeout") {
		settings.Probing.Timeout = s.ask.timeout
	}
	if c.Flags().Changed("deadline") {
		settings.Probing.Deadline = s.ask.deadline
	}
	if s.ask.noIdentify {
		settings.Probing.Identify = false
	}
	return settings, s.web.override(settings)
}

// fromTargets makes one sweep of the command line's targets.
func (s *serveFlags) fromTargets(c *cobra.Command, args []string) (*exporter.Settings, error) {
	_, asked, err := s.ask.prober()
	switch {
	case err != nil:
		return nil, err
	case len(args)+len(s.fleet.files) == 0:
		return nil, errors.New("no target: name hosts, addresses or ranges, a list with --file, or a configuration with --config")
	}
	f, err := s.fleet.fleet(c, args)
	if err != nil {
		return nil, err
	}
	settings, sweep := exporter.DefaultSettings(), exporter.DefaultSweep()
	p := &settings.Probing
	p.Timeout, p.Deadline, p.Identify = s.ask.timeout, s.ask.deadline, !s.ask.noIdentify
	sweep.Name, sweep.Targets, sweep.Asked = "command-line", f.list, asked
	sweep.Concurrency, sweep.Rate = s.ask.concurrency, s.ask.rate
	settings.Sweeps = []exporter.Sweep{sweep}
	return settings, s.web.override(settings)
}

// misconfigured returns the error of a configuration that cannot be used, and
// writes each of a file's mistakes in a line of its own, as compilers do.
func misconfigured(c *cobra.Command, err error) error {
	mistakes, ok := errors.AsType[exporter.Mistakes](err)
	if !ok {
		return usage(err)
	}
	for _, m := range mistakes {
		fmt.Fprintln(c.ErrOrStderr(), m)
	}
	noun := "mistakes"
	if len(mistakes) == 1 {
		noun = "mistake"
	}
	return usage(fmt.Errorf("the configuration has %d %s", len(mistakes), noun))
}
