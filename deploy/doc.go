// Package deploy has no code: its tests hold what is shipped beside the program
// to the program, and to the tools that read it. See README.md beside it.
package deploy
