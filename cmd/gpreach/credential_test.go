package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/internal/auth"
)

// A credential that was stopped on the way decides over the exit code, whatever
// else came of the run.
func TestStoppedOnTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	credential, err := auth.Read(auth.Source{User: "admin@CORP.EXAMPLE", PasswordFile: file})
	if err != nil {
		t.Fatal(err)
	}
	s := &survey{credential: credential}
	if err := s.stopped(); err != nil {
		t.Errorf("before: %v", err)
	}
	credential.Stop("10.0.0.1:445 refused the logon")
	s.summary.Hosts = 3
	exit, ok := errors.AsType[*exitError](s.decide(t.Context()))
	if !ok || exit.code != exitStopped || !strings.Contains(exit.Error(), "the credential of admin@CORP.EXAMPLE was stopped: 10.0.0.1:445 refused the logon") {
		t.Errorf("%v", exit)
	}
	if text := s.verdict(exitStopped, "100%"); text != "No go: the credential was stopped." {
		t.Error(text)
	}
}
