package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// The test binary is the program as well: scripts run it under its name.
func TestMain(m *testing.M) {
	testscript.Main(leakFree{m}, map[string]func(){"gpreach": main})
}

// leakFree fails tests that leave something running.
type leakFree struct{ *testing.M }

func (m leakFree) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// TestScripts runs testdata/script. Each script has simulated hosts of its own
// (see loopback_test.go), named in its environment, and the commands of
// commands_test.go.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(2 * time.Minute), // for what hangs
		Setup: func(env *testscript.Env) error {
			hosts, err := startLoopback(env.Defer)
			if err != nil {
				return err
			}
			env.Values[loopbackKey{}] = hosts
			env.Values[interruptedKey{}] = new([]*exec.Cmd)
			for name, h := range hosts.hosts {
				env.Setenv(name, h.addr.String())
			}
			env.Setenv("SMB", fmt.Sprint(hosts.smb))
			env.Setenv("EPMAP", fmt.Sprint(hosts.epmap))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each run under -race takes a second more
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "ipv6" {
				return false, fmt.Errorf("no such condition")
			}
			return hasIPv6(), nil
		},
		Cmds: commands,
	})
}

func hasIPv6() bool {
	l, err := listen(netip.IPv6Loopback(), 0)
	if err == nil {
		l.Close()
	}
	return err == nil
}
