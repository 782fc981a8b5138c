// Tally runs a "go test -json" command, shows of it what a person wants to read, and counts.
//
//	tally go test -json ./...
//
// A line for each package and the whole output of each test that failed or was skipped go to standard output; a
// line "PASSED FAILED" is appended to the file that GPREACH_TALLY names. Exit status 1 when anything failed.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: tally go test -json ARG...")
		os.Exit(2)
	}
	total, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		if total.failed == 0 {
			total.failed = 1 // the command failed and no test says why: never to be lost
		}
	}
	fmt.Printf("%d passed, %d failed\n", total.passed, total.failed)
	if err := record(os.Getenv("GPREACH_TALLY"), total); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	if total.failed > 0 {
		os.Exit(1)
	}
}

// run starts the command and counts what it prints. The error says that the command itself failed.
func run(command []string, show io.Writer) (tally, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return tally{}, err
	}
	if err := cmd.Start(); err != nil {
		return tally{}, err
	}
	total, err := count(out, show)
	return total, errors.Join(err, cmd.Wait())
}

func record(path string, total tally) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, total.passed, total.failed)
	return errors.Join(err, f.Close())
}
