package probe

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxText is the most bytes that a report keeps of anything that a host, a
// resolver or this system said.
const maxText = 200

// clean makes a string harmless wherever it is shown: printable ASCII, all else
// and the backslash escaped as in a Go string, then cut at maxText bytes,
// never within an escape.
func clean(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		piece := s[:n]
		switch {
		case r == '\\':
			piece = `\\`
		case r == utf8.RuneError && n == 1:
			piece = fmt.Sprintf(`\x%02x`, s[0])
		case r < ' ' || r == 0x7f:
			piece = fmt.Sprintf(`\x%02x`, r)
		case r > 0xffff:
			piece = fmt.Sprintf(`\U%08x`, r)
		case r > 0x7f:
			piece = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(piece) > maxText {
			break
		}
		b.WriteString(piece)
		s = s[n:]
	}
	return b.String()
}
