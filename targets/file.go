package targets

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/gpreach/gpreach/probe"
)

const (
	maxFile = 64 << 20 // bytes
	maxLine = 4 << 10  // bytes, in UTF-8
	maxRows = 10       // left out of one file with a warning each; more are counted
)

// file passes on the targets of a file.
func (p *parser) file(name string, take take) error {
	if name == "" {
		return errors.New("the name of a target file is missing: give @FILE or --file FILE")
	}
	f, err := os.Open(name) //nolint:gosec // G304: it is the user who names the file
	if err != nil {
		return unreadable(name, err)
	}
	defer f.Close()
	return p.read(f, name, func(text string) error { return take(text, probe.FromFile) })
}

// read passes on the targets of a list.
func (p *parser) read(r io.Reader, name string, take func(text string) error) error {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return unreadable(name, err)
	}
	name = printable(name)
	if len(data) > maxFile {
		return fmt.Errorf("%s: a list of targets is at most %d MiB long", name, maxFile>>20)
	}
	text, err := decode(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	first := ""
	for n, line := range lines(text) {
		if len(line) > maxLine {
			return fmt.Errorf("%s:%d: a line is at most %d bytes long", name, n, maxLine)
		}
		if statement(first) == "" {
			first = line
		}
	}
	if comma, cells := header(first); len(cells) > 0 {
		return p.rows(text, name, comma, cells, take)
	}
	for n, line := range lines(text) {
		if line = statement(line); line == "" {
			continue
		}
		if err := take(line); err != nil {
			if line == statement(first) && strings.ContainsAny(line, ",;\t") {
				return fmt.Errorf("%s:%d: %w; a CSV file begins with a header that has one of the columns %s", name, n, err, strings.Join(columns(), ", "))
			}
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	return nil
}

// rows passes on the targets of a CSV file: of each row below the header the
// first of the cells that is not empty.
func (p *parser) rows(text, name string, comma rune, cells []int, take func(text string) error) error {
	r := newCSV(text, comma)
	empty := 0
	for n := 0; ; n++ {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok { // there is no other error
			return fmt.Errorf("%s:%d: %w", name, bad.StartLine, bad.Err)
		}
		if n == 0 {
			continue // the header
		}
		i := slices.IndexFunc(cells, func(c int) bool { return c < len(row) && statement(row[c]) != "" })
		if i >= 0 {
			if err := take(statement(row[cells[i]])); err != nil {
				line, _ := r.FieldPos(cells[i])
				return fmt.Errorf("%s:%d: %w", name, line, err)
			}
			continue
		}
		if empty++; empty <= maxRows {
			line, _ := r.FieldPos(0)
			p.list.warn("%s:%d: the row names no host and is left out", name, line)
		}
	}
	if empty > maxRows {
		p.list.warn("%s: %d more rows name no host and are left out", name, empty-maxRows)
	}
	return nil
}

// columns returns the titles of those columns of a CSV file that can name a host, the
// best first.
func columns() []string {
	return []string{"dnshostname", "name", "computer", "computername", "pscomputername", "hostname", "address", "ipaddress", "ipv4address"}
}

// header finds, in the first line of a CSV file, the delimiter and the columns
// that can name a host, the best first. Without such a column it is no header.
func header(line string) (comma rune, cells []int) {
	for _, comma := range ",;\t" {
		titles, err := newCSV(line, comma).Read()
		if err != nil {
			continue
		}
		for _, want := range columns() {
			for i, title := range titles {
				if strings.EqualFold(statement(title), want) {
					cells = append(cells, i)
				}
			}
		}
		if len(cells) > 0 {
			return comma, cells
		}
	}
	return 0, nil
}

func newCSV(text string, comma rune) *csv.Reader {
	r := csv.NewReader(strings.NewReader(uncomment(text, comma)))
	r.Comma = comma
	r.FieldsPerRecord = -1 // rows may be short
	r.ReuseRecord = true
	r.TrimLeadingSpace = comma != '\t' // it would take an empty cell's tab for space
	return r
}

// lines yields the lines of a text without their ends, and their numbers.
func lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.SplitSeq(text, "\n") {
			n++
			if !yield(n, strings.TrimSuffix(line, "\r")) {
				return
			}
		}
	}
}

// statement returns what a line or cell says without white space around it and
// without a comment: a # at its beginning or after white space.
func statement(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// uncomment blanks the comments of a CSV text that stand outside of cells; lines
// keep their numbers. What follows a # within a cell belongs to the cell, which
// may be the "Lab #3" of a column that names no host.
func uncomment(text string, comma rune) string {
	var b strings.Builder
	quoted := false // a cell in quotes may go on in the next line
	for _, line := range lines(text) {
		for i := range len(line) {
			if line[i] == '"' {
				quoted = !quoted
			} else if line[i] == '#' && !quoted && outside(line[:i], comma) {
				line = line[:i]
				break
			}
		}
		if !quoted {
			line = strings.TrimRightFunc(line, unicode.IsSpace) // encoding/csv takes none after a quote
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}

// outside reports whether the beginning of a line ends between cells: with white
// space after nothing, a delimiter or a closing quote.
func outside(line string, comma rune) bool {
	before := strings.TrimRightFunc(line, unicode.IsSpace)
	return before == "" || before != line && (strings.HasSuffix(before, `"`) || strings.HasSuffix(before, string(comma)))
}

// decode returns a file as UTF-8. It takes UTF-8 and UTF-16LE, with and without
// a byte order mark: few lists of targets begin with a character above U+00FF.
func decode(data []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		return string(rest), nil
	}
	if bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return "", errors.New("this is big-endian UTF-16: save the list as UTF-8")
	}
	rest, marked := bytes.CutPrefix(data, []byte("\xff\xfe"))
	if !marked && (len(data) < 2 || data[0] == 0 || data[1] != 0) {
		return string(data), nil
	}
	var b strings.Builder
	for len(rest) >= 2 {
		unit := rune(binary.LittleEndian.Uint16(rest))
		rest = rest[2:]
		if utf16.IsSurrogate(unit) && len(rest) >= 2 {
			pair := utf16.DecodeRune(unit, rune(binary.LittleEndian.Uint16(rest)))
			if pair != unicode.ReplacementChar {
				unit, rest = pair, rest[2:]
			}
		}
		b.WriteRune(unit)
	}
	if len(rest) > 0 {
		return "", errors.New("this UTF-16 text ends in the middle of a character: save the list as UTF-8")
	}
	return b.String(), nil
}

// unreadable says why a list cannot be read.
func unreadable(name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("the list of targets %q cannot be read: %w", name, err)
}

// printable returns the name of a file without what could upset a terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}
