//go:build !windows

package auth

import (
	"fmt"
	"io/fs"
	"os"
)

// private refuses a file that others than its owner have any right to.
func private(_ *os.File, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("others than its owner may use it (mode %04o): chmod 600", mode)
	}
	return nil
}
