package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what it knows must come.
const patience = time.Minute

// commands are what scripts can do beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":     exits,
	"exited":    exited,
	"interrupt": interrupt,
	"met":       met,
	"unasked":   unasked,
	"statuses":  statuses,
	"mode":      mode,
	"utf16le":   utf16le,
}

func want(ts *testscript.TestScript, ok bool, usage string) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// exits CODE PROGRAM ARGS... runs a program that ends with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 1, "exits CODE PROGRAM ARGS...")
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// interruptedKey finds the commands that a script has interrupted.
type interruptedKey struct{}

// interrupt sends Ctrl-C to what runs in the background.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 0, "interrupt")
	running := ts.BackgroundCmds()
	for _, c := range running {
		ts.Check(c.Process.Signal(os.Interrupt))
	}
	*ts.Value(interruptedKey{}).(*[]*exec.Cmd) = running
}

// exited CODE checks how what was interrupted has ended, after wait.
func exited(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "exited CODE")
	ended := *ts.Value(interruptedKey{}).(*[]*exec.Cmd)
	want(ts, len(ended) > 0, "interrupt and wait come before exited")
	for _, c := range ended {
		if code := c.ProcessState.ExitCode(); fmt.Sprint(code) != args[0] {
			ts.Fatalf("exit code %d, want %s", code, args[0])
		}
	}
}

func stationOf(ts *testscript.TestScript, name string) *station {
	s := ts.Value(loopbackKey{}).(*loopback).hosts[name]
	want(ts, s != nil, "there is no host "+name)
	return s
}

// met HOST... waits until one of the hosts has been connected to.
func met(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 0, "met HOST...")
	any := make(chan struct{}, len(args))
	done := make(chan struct{})
	defer close(done)
	for _, name := range args {
		s := stationOf(ts, name)
		go func() {
			select {
			case <-s.met:
				any <- struct{}{}
			case <-done:
			}
		}()
	}
	select {
	case <-any:
	case <-time.After(patience):
		ts.Fatalf("nobody has connected to %v", args)
	}
}

// unasked HOST checks that nobody has connected to a host. A connection of its
// own is taken only after any that came before.
func unasked(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "unasked HOST")
	s, l := stationOf(ts, args[0]), ts.Value(loopbackKey{}).(*loopback)
	for i, port := range []uint16{l.smb, l.epmap} {
		c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", netip.AddrPortFrom(s.addr, port).String())
		ts.Check(err)
		ts.Check(c.(*net.TCPConn).CloseWrite())
		_, err = io.ReadAll(c)
		ts.Check(errors.Join(err, c.Close()))
		if asked := s.taken.Load() - int64(i+1); asked != 0 {
			ts.Fatalf("%s has been asked: it took %d connections", args[0], asked)
		}
	}
}

// statuses FILE shows the JSON or NDJSON in a file (stdout, say) in short: a
// host a line, those of NDJSON sorted.
func statuses(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "statuses FILE")
	type host struct {
		Target     string
		Source     string
		Operations []struct{ Operation, Status string }
	}
	text := ts.ReadFile(args[0])
	var hosts []host
	if strings.HasPrefix(text, "[") {
		ts.Check(json.Unmarshal([]byte(text), &hosts))
	} else {
		for line := range strings.Lines(text) {
			var h host
			ts.Check(json.Unmarshal([]byte(line), &h))
			hosts = append(hosts, h)
		}
		slices.SortFunc(hosts, func(a, b host) int { return strings.Compare(a.Target, b.Target) })
	}
	for _, h := range hosts {
		fmt.Fprintf(ts.Stdout(), "%s (%s)", h.Target, h.Source)
		for _, o := range h.Operations {
			fmt.Fprintf(ts.Stdout(), " %s=%s", o.Operation, o.Status)
		}
		fmt.Fprintln(ts.Stdout())
	}
}

// mode OCTAL FILE checks who may do what with a file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "mode OCTAL FILE")
	perm, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode(); got != os.FileMode(perm) {
		ts.Fatalf("%s has mode %v, want %v", args[1], got, os.FileMode(perm))
	}
}

// utf16le FILE... rewrites files as Windows PowerShell's > writes them.
func utf16le(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 0, "utf16le FILE...")
	for _, name := range args {
		b := []byte("\xff\xfe")
		for _, unit := range utf16.Encode([]rune(strings.ReplaceAll(ts.ReadFile(name), "\n", "\r\n"))) {
			b = binary.LittleEndian.AppendUint16(b, unit)
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), b, 0o600))
	}
}
