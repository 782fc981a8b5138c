//go:build unix

package auth

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFilesOfOthers(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	file := writeFile(t, "geheim")
	for mode, private := range map[os.FileMode]bool{
		0o600: true, 0o400: true, 0o700: true, 0o640: false, 0o604: false, 0o660: false, 0o622: false, 0o644: false, 0o601: false,
	} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Read(Source{User: "alice@corp.example", PasswordFile: file})
		if (err == nil) != private {
			t.Errorf("%04o: %v", mode, err)
		}
		for _, s := range []Source{{User: "alice@corp.example", Keytab: file}, {CCache: file}} {
			if _, err := Read(s); err == nil || strings.Contains(err.Error(), "chmod 600") == private {
				t.Errorf("%04o: %v", mode, err)
			}
		}
	}
}

// systemd's credentials are 0440, their group's right being that of an access list.
func TestHandedOver(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	file := writeFile(t, "geheim")
	for mode, private := range map[os.FileMode]bool{0o440: true, 0o400: true, 0o460: false, 0o444: false, 0o450: false} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		for dir, handedOver := range map[string]bool{filepath.Dir(file): true, t.TempDir(): false} {
			t.Setenv("CREDENTIALS_DIRECTORY", dir)
			if _, err := Read(Source{User: "alice@corp.example", PasswordFile: file}); (err == nil) != (private && (handedOver || mode == 0o400)) {
				t.Errorf("%04o, handed over: %t: %v", mode, handedOver, err)
			}
		}
	}
}

// As the shell's <(command) is.
func TestPasswordOfPipe(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, []byte("geheim\n"), 0o600) }()
	c, err := Read(Source{User: "alice@corp.example", PasswordFile: pipe})
	if err != nil || c.secret.open().password != "geheim" {
		t.Error(err)
	}
}
