package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
)

// askPassword asks for a password on the terminal, which standard input need not
// be: targets may come from there. It is not shown. When ctx ends the terminal is
// as it was, and the read under way is left behind.
func askPassword(ctx context.Context, prompt string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
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
		restore(fd, before)
		fmt.Fprintln(out)
		return nil, ctx.Err()
	}
}

// restore turns a terminal's echo on again, once the reader that was just begun has
// turned it off: before that it would stay off.
func restore(fd int, before *term.State) {
	const most = 100
	for range most {
		if now, err := term.GetState(fd); err != nil || *now != *before {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_ = term.Restore(fd, before)
}
