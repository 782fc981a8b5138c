// Command gpreach tells a Windows administrator whether Group Policy Results
// and a remote gpupdate can reach each of a fleet's hosts, and where and why not.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes. They are an interface.
const (
	exitOK          = 0
	exitBlocked     = 1 // --min-ready is not met, and something is unreachable, denied or silent
	exitUsage       = 2
	exitUnproven    = 3 // --min-ready is not met, and nothing is blocked
	exitStopped     = 4 // the credential failed, and was used no more
	exitInternal    = 5
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the program without its process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "gpreach: internal error: %v\n%s", r, debug.Stack())
			code = exitInternal
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once

	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		exit = &exitError{exitInterrupted, errors.New("interrupted")}
	case !errors.As(err, &exit):
		exit = usage(err)
	}
	if exit.err != nil {
		fmt.Fprintf(stderr, "gpreach: %s\n", strings.TrimSpace(exit.err.Error()))
	}
	return exit.code
}

// An exitError ends the program with a code, and a message unless err is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprintf("exit %d: %v", e.code, e.err) }
func (e *exitError) Unwrap() error { return e.err }

func usage(err error) *exitError    { return &exitError{exitUsage, err} }
func internal(err error) *exitError { return &exitError{exitInternal, err} }

// noArgs is for commands that take flags alone.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, but was given %q", c.Name(), args[0])
	}
	return nil
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gpreach",
		Short: "Can Group Policy Results and remote gpupdate reach your hosts, and if not, where does it stop?",
		Example: `  gpreach demo                                  a simulated fleet, to see what it looks like
  gpreach check ws-001 ws-002                   probe two hosts
  gpreach check --file hosts.txt -o ndjson      probe a list, for a program
  gpreach preflight --file hosts.txt --accept unproven`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,

		PersistentPreRunE: refuseEmpty,
	}
	root.SetVersionTemplate(versionLine())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", plain(err), c.CommandPath())
	})
	root.AddCommand(newCheck(), newPreflight(), newServe(), newDemo(), newVersion())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		complete(c)
		switch c.Name() {
		case "help":
			c.Run, c.RunE = nil, help
		case "completion":
			c.RunE = help
		}
	}
	return root
}

// help shows the help of a command. What is none is wrong usage, which the library
// takes for a question.
func help(c *cobra.Command, args []string) error {
	of := c
	if c.Name() == "help" {
		of = c.Root()
	}
	found, _, err := of.Find(args)
	switch {
	case err != nil:
		return err
	case found == of && len(args) > 0:
		return fmt.Errorf("unknown command %q for %q", args[0], of.CommandPath())
	}
	found.InitDefaultHelpFlag()
	found.InitDefaultVersionFlag()
	return found.Help()
}
