//go:build unix

package probe_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/gpreach/gpreach/probe"
)

// A lookup for which there is no descriptor says so, and does not pass for an
// answer.
func TestNewLookup(t *testing.T) {
	lookup := probe.NewLookup()
	if addrs, err := lookup(t.Context(), "localhost"); err != nil || len(addrs) == 0 || !addrs[0].IsLoopback() {
		t.Errorf("localhost is %v, %v", addrs, err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	addrs, err := lookup(t.Context(), "ws-001.invalid")
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without a descriptor: %v, %v", addrs, err)
	}
}
