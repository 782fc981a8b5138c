// Package transcript keeps conversations between gpreach and a server as text,
// for tests: recorded once from a real server, replayed ever after.
//
// A line is one turn: > and hex is what gpreach sent, < and hex what the server
// answered. Lines that begin with #, and empty ones, are comments.
package transcript

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// A Turn is what one side said before the other spoke.
type Turn struct {
	Client bool
	Bytes  []byte
}

// ReadFile reads a conversation.
func ReadFile(name string) ([]Turn, error) {
	text, err := os.ReadFile(name) //nolint:gosec // a test names it
	var turns []Turn
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		mark, digits, _ := strings.Cut(line, " ")
		b, err := hex.DecodeString(digits)
		if err != nil || mark != ">" && mark != "<" {
			return nil, fmt.Errorf("%s: not > or < and hex: %.40q", name, line)
		}
		turns = append(turns, Turn{mark == ">", b})
	}
	return turns, err
}

// WriteFile writes a conversation under a comment.
func WriteFile(name, comment string, turns []Turn) error {
	var b strings.Builder
	for line := range strings.Lines(comment) {
		fmt.Fprintln(&b, "#", strings.TrimSpace(line))
	}
	for _, t := range turns {
		mark := map[bool]string{true: ">", false: "<"}[t.Client]
		fmt.Fprintf(&b, "%s %x\n", mark, t.Bytes)
	}
	return os.WriteFile(name, []byte(b.String()), 0o644) //nolint:gosec // everybody may read it
}
