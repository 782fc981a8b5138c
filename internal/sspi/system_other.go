//go:build !windows

package sspi

// System returns the calls of Windows, nil elsewhere.
func System() *Calls { return nil }
