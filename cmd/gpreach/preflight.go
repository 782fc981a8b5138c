package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gpreach/gpreach/probe"
)

func newPreflight() *cobra.Command {
	var flags runFlags
	var filter bool
	c := &cobra.Command{
		Use:   "preflight TARGET...",
		Short: "The gate before Invoke-GPUpdate: on go, print the hosts that are ready",
		Long: `Probe the targets and decide whether to go on. On go (exit 0) the accepted targets' names are printed,
one a line; else nothing is, unless --filter is given. Counts, causes and the decision go to standard error.
Exit: 0 go, 1 no go, 3 no go but nothing is blocked, 2 usage or no target, 4 the credential failed and was
used no more, 5 internal error, 130 interrupted.

Without a credential WMI stays unknown unless it has its fixed port, and the host is at best "unproven":
--accept unproven takes that for good enough. With one (--user,
--current-user) a host is ready where all is granted.`,
		Example: `  $ready = gpreach preflight --file hosts.txt --accept unproven
  if ($LASTEXITCODE -eq 0) { $ready | ForEach-Object { Invoke-GPUpdate -Computer $_ -RandomDelayInMinutes 0 -Force } }`,
		RunE: func(c *cobra.Command, args []string) error {
			return preflight(c, args, &flags, filter)
		},
	}
	flags.register(c, string(probe.Refresh))
	c.Flags().BoolVar(&filter, "filter", false, "print the accepted targets also when not enough are")
	return c
}

func preflight(c *cobra.Command, args []string, flags *runFlags, filter bool) error {
	if flags.output.file == "" && c.Flags().Changed("output") {
		return usage(errors.New("preflight prints targets on standard output: --output needs --output-file"))
	}
	s, err := flags.survey(c, args)
	if err != nil {
		return usage(err)
	}
	var out *output
	add := func(*probe.Report) error { return nil }
	if flags.output.file != "" {
		if out, err = flags.open(args, nil); err != nil {
			return usage(err)
		}
		add = out.Add
	}
	if err := s.ask(c.Context(), add); err != nil {
		out.discard()
		return err
	}
	if out != nil {
		if err := out.keep(); err != nil {
			return internal(err)
		}
	}
	decision := s.decide(c.Context())
	code := exitOK
	if exit, ok := errors.AsType[*exitError](decision); ok {
		code = exit.code
	}
	if !s.quiet && s.summary.Hosts > 0 {
		fmt.Fprintf(s.stderr, "%s\n%s\n", s.summary.String(), s.verdict(code, flags.gate.minReady))
	}
	if code == exitOK || filter && (code == exitBlocked || code == exitUnproven) {
		if err := s.printAccepted(c); err != nil {
			return internal(err)
		}
	}
	return decision
}

// verdict is the last line for people.
func (s *survey) verdict(code int, minReady string) string {
	word := "No go"
	switch code {
	case exitOK:
		word = "Go"
	case exitStopped:
		return "No go: the credential was stopped."
	case exitInterrupted:
		return "No go: interrupted."
	}
	return fmt.Sprintf("%s: %d of %d hosts accepted, %s wanted.", word, len(s.accepted), s.summary.Hosts, minReady)
}

// printAccepted prints the accepted targets' names in the order given.
func (s *survey) printAccepted(c *cobra.Command) error {
	slices.SortFunc(s.accepted, func(a, b probe.Target) int { return cmp.Compare(a.Index, b.Index) })
	w := bufio.NewWriter(c.OutOrStdout())
	for _, t := range s.accepted {
		fmt.Fprintln(w, t.Name)
	}
	return w.Flush()
}
