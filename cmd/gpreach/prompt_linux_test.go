package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// onTerminal begins gpreach with a terminal of its own, from which it reads no
// targets, and returns once it has asked for the password.
func onTerminal(t *testing.T, args ...string) (cmd *exec.Cmd, terminal *os.File, out, errs *bytes.Buffer) {
	t.Helper()
	terminal, theirs := openTerminal(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, "gpreach", args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "KRB5_CONFIG=/nonexistent")
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var asked []byte
	for b := make([]byte, 256); !bytes.HasSuffix(asked, []byte(": ")); {
		n, err := terminal.Read(b)
		if err != nil {
			t.Fatalf("after %q: %v; %s", asked, err, errs)
		}
		asked = append(asked, b[:n]...)
	}
	if !strings.HasPrefix(string(asked), "Password for admin@CORP.EXAMPLE") {
		t.Errorf("asks %q", asked)
	}
	return cmd, terminal, out, errs
}

// echoes reports whether what is typed is shown.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// A password that is asked for is not shown; an empty one is none.
func TestPrompt(t *testing.T) {
	t.Parallel()
	cmd, terminal, out, errs := onTerminal(t, "check", "192.0.2.1", "--user", "admin@CORP.EXAMPLE")
	if _, err := terminal.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code tells
	if code := cmd.ProcessState.ExitCode(); code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), "password") {
		t.Errorf("exit code %d, standard output %q, standard error %q", code, out, errs)
	}
	if !echoes(t, terminal) {
		t.Error("the terminal does not echo any more")
	}
}

// Ctrl-C is heard at the prompt, and leaves the terminal as it was.
func TestInterruptAtPrompt(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"as it is asked", "as it is read"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			interruptAtPrompt(t, when == "as it is read")
		})
	}
}

func interruptAtPrompt(t *testing.T, read bool) {
	t.Helper()
	cmd, terminal, out, errs := onTerminal(t, "check", "192.0.2.1", "--user", "admin@CORP.EXAMPLE")
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for read && echoes(t, terminal) {
		<-again.C
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code tells
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || out.Len() > 0 || errs.String() != "gpreach: interrupted\n" {
		t.Errorf("exit code %d, standard output %q, standard error %q", code, out, errs)
	}
	if !echoes(t, terminal) {
		t.Error("the terminal does not echo any more")
	}
}
