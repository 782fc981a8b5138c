package exporter

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

func (c *config) sweeps(n *yaml.Node) {
	c.names = map[string]bool{}
	c.list(n, "sweeps", func(n *yaml.Node) {
		if len(c.settings.Sweeps) == maxSweeps {
			c.wrong(n, "sweeps: at most %d", maxSweeps)
		}
		c.settings.Sweeps = append(c.settings.Sweeps, c.sweep(n))
	})
}

// A listing is a list of targets in the file.
type listing struct {
	node    *yaml.Node // nil where it is absent
	items   []string
	spoiled bool // some item is a mistake
}

func (c *config) sweep(n *yaml.Node) Sweep {
	s := DefaultSweep()
	var asked, exclude listing
	ok := c.mapping(n, "a sweep", false, fields{
		"name":        func(n *yaml.Node) { s.Name = c.sweepName(n) },
		"targets":     func(n *yaml.Node) { asked = c.listing(n, "targets", false) },
		"exclude":     func(n *yaml.Node) { exclude = c.listing(n, "exclude", true) },
		"for":         func(n *yaml.Node) { s.Asked = c.operations(n) },
		"interval":    func(n *yaml.Node) { c.duration(n, "interval", time.Second, 30*24*time.Hour, &s.Interval) },
		"concurrency": func(n *yaml.Node) { c.number(n, "concurrency", 1, 1<<16, &s.Concurrency) },
		"rate":        func(n *yaml.Node) { c.rate(n, "rate", &s.Rate) },
		"credential": func(n *yaml.Node) {
			if c.truth(n, "credential", &s.Credential); s.Credential && c.loggingOn == nil {
				c.loggingOn = resolve(n)
			}
		},
	})
	if !ok {
		return s
	}
	if !hasField(n, "name") {
		c.wrong(resolve(n), "a sweep has no name")
	}
	if asked.node == nil && !hasField(n, "targets") {
		c.wrong(resolve(n), "the sweep %+.80q has no targets", s.Name)
	}
	if asked.spoiled || exclude.spoiled || asked.node == nil {
		return s
	}
	list, err := targets.Parse(asked.items, targets.Options{Exclude: exclude.items, Yes: c.yes})
	switch {
	case err != nil:
		c.wrong(asked.node, "targets: %v", err)
	case list.Len() == 0:
		c.wrong(asked.node, "targets: there is none: the lists are empty, or exclude leaves nothing of them")
	default:
		s.Targets = list
		for _, w := range list.Warnings() {
			c.settings.Warnings = append(c.settings.Warnings, fmt.Sprintf("sweep %s: %s", s.Name, w))
		}
	}
	return s
}

func hasField(n *yaml.Node, name string) bool {
	n = resolve(n)
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

// sweepName returns a name, which becomes the value of a label.
func (c *config) sweepName(n *yaml.Node) string {
	name, ok := c.text(n, "name")
	switch {
	case !ok:
	case len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.wrong(resolve(n), "name: want at most 64 bytes of printable text")
	case c.names[name]:
		c.wrong(resolve(n), "name: another sweep is named %+q too", name)
	}
	c.names[name] = true
	return name
}

// listing checks the items of a list of targets one by one, so that each mistake
// has its place.
func (c *config) listing(n *yaml.Node, what string, excluded bool) listing {
	l, from := listing{node: resolve(n)}, len(c.mistakes)
	c.list(n, what, func(item *yaml.Node) {
		text, ok := c.text(item, what)
		if !ok {
			return
		}
		if path, isFile := strings.CutPrefix(text, "@"); isFile && path != "" && !filepath.IsAbs(path) {
			text = "@" + filepath.Join(c.dir, path)
		}
		asked, o := []string{text}, targets.Options{Yes: true}
		if excluded {
			asked, o.Exclude = nil, asked
		}
		if _, err := targets.Parse(asked, o); err != nil {
			c.wrong(item, "%s: %s", what, strings.TrimPrefix(err.Error(), "--exclude: "))
			return
		}
		l.items = append(l.items, text)
	})
	l.spoiled = len(c.mistakes) > from
	return l
}

func (c *config) operations(n *yaml.Node) []probe.Operation {
	text, ok := c.text(n, "for")
	if !ok {
		return nil
	}
	asked, err := probe.ParseOperations(text)
	if err != nil {
		c.wrong(resolve(n), "for: %v", err)
	}
	return asked
}
