package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// askPassword asks for a password on the terminal, which standard input need not
// be: targets may come from there. It is not shown. When ctx ends the terminal is
// as it was, and the read under way is left behind.
func askPassword(ctx context.Context, prompt string) ([]byte, error) {
	nobody := errors.New("there is no terminal to ask for the password on: name --password-file, --keytab or --ccache")
	in, err := os.OpenFile(terminalIn, os.O_RDWR, 0)
	if err != nil {
		return nil, nobody
	}
	out, err := os.OpenFile(terminalOut, os.O_RDWR, 0)
	if err != nil {
		in.Close()
		return nil, nobody
	}
	defer out.Close()
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		in.Close()
		return nil, nobody
	}
	fmt.Fprint(out, prompt)
	type answer struct {
		password []byte
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		password, err := term.ReadPassword(fd)
		in.Close()
		answered <- answer{password, err}
	}()
	select {
	case a := <-answered:
		fmt.Fprintln(out)
		return a.password, a.err
	case <-ctx.Done():
		_ = term.Restore(fd, before) // else its echo stays off
		fmt.Fprintln(out)
		return nil, ctx.Err()
	}
}
