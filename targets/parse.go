// Package targets turns the TARGET expressions of the command line into the
// hosts to ask: names, addresses, ranges, and lists of these in files and on
// standard input.
package targets

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gpreach/gpreach/probe"
)

// Options of Parse.
type Options struct {
	// Files are lists of targets; F means what the argument @F means.
	Files []string
	// Exclude are expressions of what is not to be asked: names, addresses,
	// ranges, and files of these as @F.
	Exclude []string
	// Stdin is what the argument "-" reads; nil where there is none.
	Stdin io.Reader
	// Yes says that ranges of more than 65,536 addresses are meant.
	Yes bool
}

// Parse returns the targets that args, then o.Files, mean. Every error is a
// mistake in the usage, put in one sentence. A list without any target is no
// error.
func Parse(args []string, o Options) (*List, error) {
	p := parser{stdin: o.Stdin, list: &List{names: map[string]int{}, excludedNames: map[string]bool{}}}
	for _, text := range o.Exclude {
		if text == "-" {
			return nil, errors.New("--exclude does not read standard input: give it a file as @FILE")
		}
		if err := p.argument(text, p.exclude); err != nil {
			return nil, fmt.Errorf("--exclude: %w", err)
		}
	}
	p.list.excluded = partition(p.claims)
	p.claims = slices.Clone(p.list.excluded)

	for _, text := range args {
		if err := p.argument(text, p.ask); err != nil {
			return nil, err
		}
	}
	for _, name := range o.Files {
		if err := p.file(name, p.ask); err != nil {
			return nil, err
		}
	}
	if err := p.list.settle(p.claims, o.Yes); err != nil {
		return nil, err
	}
	return p.list, nil
}

// A parser fills a list. The names of what is excluded and asked go to the
// list at once, the addresses wait in claims until all are known.
type parser struct {
	list      *List
	claims    []span
	stdin     io.Reader
	stdinRead bool
}

// A take does something with one expression, which came from source.
type take func(text string, source probe.Source) error

// argument passes on what an argument stands for: itself, the lines of a file,
// or those of standard input.
func (p *parser) argument(text string, take take) error {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		return p.file(name, take)
	}
	if text != "-" {
		return take(text, probe.FromArgument)
	}
	if p.stdin == nil {
		return errors.New(`"-" stands for standard input, and there is none here: name a file as @FILE`)
	}
	if p.stdinRead {
		return nil
	}
	p.stdinRead = true
	return p.read(p.stdin, "stdin", func(text string) error { return take(text, probe.FromStdin) })
}

// exclude keeps the hosts of an expression from being asked.
func (p *parser) exclude(text string, _ probe.Source) error {
	e, err := parseExpression(text)
	if err != nil {
		return err
	}
	if e.name != "" {
		p.list.excludedNames[probe.Target{Name: e.name}.Key()] = true
		return nil
	}
	p.claims = append(p.claims, span{lo: e.covers.lo, hi: e.covers.hi, owner: nobody})
	return nil
}

// ask enters the hosts of an expression that are neither excluded nor already
// in the list.
func (p *parser) ask(text string, source probe.Source) error {
	e, err := parseExpression(text)
	if err != nil {
		return err
	}
	if e.name == "" {
		one := e.hosts.lo == e.hosts.hi
		if one && !isHost(e.hosts.lo) {
			return fmt.Errorf("%q is not the address of one host: give a unicast address", text)
		}
		if one && e.hosts.lo.Is6() && e.hosts.lo.IsLinkLocalUnicast() {
			return fmt.Errorf("%q is a link-local address: name the interface behind it, as in %s%%eth0", text, e.hosts.lo)
		}
		p.claims = append(p.claims, span{lo: e.hosts.lo, hi: e.hosts.hi, owner: len(p.list.entries)})
		p.list.entries = append(p.list.entries, entry{source: source, ranged: !one})
		return nil
	}
	target := probe.Target{Name: e.name}
	key := target.Key()
	_, known := p.list.names[key]
	address, zoned := target.Addr()
	if known || p.list.excludedNames[key] || zoned && p.list.Excluded(address) {
		return nil
	}
	p.list.names[key] = len(p.list.entries)
	p.list.entries = append(p.list.entries, entry{name: e.name, source: source})
	return nil
}

// An expression is what a TARGET other than @file and - means: a name (or an
// address with a zone, which no range can cover), else addresses.
type expression struct {
	name   string
	covers span // all addresses: what --exclude means by it
	hosts  span // without a network and broadcast address: what a target means by it
}

func parseExpression(text string) (expression, error) {
	if a, ok := literal(text); ok {
		return parseAddress(text, a)
	}
	switch {
	case text == "-" || strings.HasPrefix(text, "@"):
		return expression{}, fmt.Errorf("%q cannot stand in a list: give it on the command line", text)
	case hasPrefixFold(text, "ou:") || hasPrefixFold(text, "domain:"):
		return expression{}, fmt.Errorf("%q: targets from the directory are not built yet: give a list of hosts as @FILE", text)
	case hasPort(text):
		return expression{}, &portError{text}
	case strings.Contains(text, "/"):
		return parseCIDR(text)
	case isRange(text):
		return parseRange(text)
	}
	return expression{name: text}, checkName(text)
}

// A portError says that a target has a port.
type portError struct{ text string }

func (e *portError) Error() string {
	return fmt.Sprintf("%q has a port: --epmap-port and --smb-port set the ports for all targets", e.text)
}
