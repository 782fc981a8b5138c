//go:build !windows

package auth

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// private refuses a file that others than its owner have any right to. What systemd
// hands over (LoadCredential) shows what it gives the service by an access list as its
// group's right to read: its folder is closed to others.
func private(f *os.File, info fs.FileInfo) error {
	others := fs.FileMode(0o077)
	if handedOver := os.Getenv("CREDENTIALS_DIRECTORY"); handedOver != "" && filepath.Dir(f.Name()) == filepath.Clean(handedOver) {
		others = 0o037
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("others than its owner may use it (mode %04o): chmod 600", mode)
	}
	return nil
}
