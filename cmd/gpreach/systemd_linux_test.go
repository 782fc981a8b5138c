package main

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// systemd's socket is the only one that is listened on.
func TestServeOnSystemdSocket(t *testing.T) {
	t.Parallel()
	l, err := startLoopback(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := listen(netip.MustParseAddr("127.0.0.1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	socket, err := opened.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	// As systemd does, the process that becomes gpreach says that the socket is its own.
	args := []string{"-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec gpreach "$@"`, "sh", "serve", "127.0.0.11", "--web.systemd-socket"}
	s := begin(t, exec.CommandContext(t.Context(), "sh", append(args, l.ports()...)...), socket)
	if s.url != "http://"+opened.Addr().String() {
		t.Errorf("it listens on %s, not on %s", s.url, opened.Addr())
	}
	if status, _, err := s.ask(t.Context(), "/-/ready", ""); err != nil || status != 200 {
		t.Errorf("%d, %v", status, err)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(); code != exitOK || strings.Count(s.log.String(), "msg=listening") != 1 {
		t.Errorf("exit code %d:\n%s", code, &s.log)
	}

	// Without one there is nothing to listen on.
	var errs strings.Builder
	if code := run([]string{"serve", "127.0.0.11", "--web.systemd-socket"}, nil, nil, &errs); code != exitUsage || !strings.Contains(errs.String(), "systemd has opened no socket") {
		t.Errorf("exit code %d: %s", code, &errs)
	}
}
