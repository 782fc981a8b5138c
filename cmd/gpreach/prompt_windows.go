package main

// The terminal of this process, to read from and to write to.
const (
	terminalIn  = "CONIN$"
	terminalOut = "CONOUT$"
)
