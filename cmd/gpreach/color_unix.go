//go:build !windows

package main

import "io"

// enableColor reports whether a terminal understands ANSI colours: all do here.
func enableColor(io.Writer) bool { return true }
