package exporter

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A Mistake is something wrong with a configuration file.
type Mistake struct {
	File         string
	Line, Column int
	Sentence     string
}

func (m Mistake) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Sentence)
}

// Mistakes are all that is wrong with a configuration file, from top to bottom.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each mistake as an error.
func (m Mistakes) Unwrap() []error {
	all := make([]error, len(m))
	for i := range m {
		all[i] = m[i]
	}
	return all
}

const (
	maxItems = 10_000  // of a list
	maxText  = 4 << 10 // bytes of a value
)

// A reader turns the nodes of a configuration file into values, and keeps every
// mistake with its place. It decodes by itself because the library's own
// messages name Go's types, and quote values, which may be secrets.
type reader struct {
	file     string
	mistakes Mistakes
}

// wrong notes a mistake at a node.
func (r *reader) wrong(n *yaml.Node, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{r.file, max(n.Line, 1), max(n.Column, 1), fmt.Sprintf(format, args...)})
}

// fields say what each field of a mapping is for.
type fields map[string]func(*yaml.Node)

// mapping passes the values of a mapping on, and returns whether it is one. Of a
// field that is unknown it tells the name, unless that may be a secret.
func (r *reader) mapping(n *yaml.Node, what string, secret bool, known fields) bool {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "%s: want fields, such as %s: ...", what, slices.Min(slices.Collect(maps.Keys(known))))
		return false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := known[key.Value]
		switch {
		case !ok && secret && key.Value == "password":
			r.wrong(key, "%s has no field \"password\": a secret stands in a file of its own, which password_file names", what)
		case !ok && secret:
			r.wrong(key, "%s has a field that is unknown: want %s", what, r.names(known))
		case !ok:
			r.wrong(key, "%s has no field %+.80q: want %s", what, key.Value, r.names(known))
		case seen[key.Value]:
			r.wrong(key, "%s has the field %q twice", what, key.Value)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
	return true
}

// names lists the fields of a mapping.
func (r *reader) names(known fields) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// list passes the items of a list on.
func (r *reader) list(n *yaml.Node, what string, each func(*yaml.Node)) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.SequenceNode:
		r.wrong(n, "%s: want a list, such as [a, b], or [] for none", what)
	case len(n.Content) > maxItems:
		r.wrong(n, "%s has %d items; at most %d, and more in a file", what, len(n.Content), maxItems)
	default:
		for _, item := range n.Content {
			each(resolve(item))
		}
	}
}

// text returns a text, which is not empty.
func (r *reader) text(n *yaml.Node, what string) (string, bool) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		r.wrong(n, "%s: want text; a number, a date or null is text in quotes", what)
	case n.Value == "":
		r.wrong(n, "%s is empty", what)
	case len(n.Value) > maxText:
		r.wrong(n, "%s is longer than %d bytes", what, maxText)
	default:
		return n.Value, true
	}
	return "", false
}

// texts returns the items of a list that are texts and pass a check.
func (r *reader) texts(n *yaml.Node, what string, check func(string) error) (all []string) {
	all = []string{}
	r.list(n, what, func(item *yaml.Node) {
		text, ok := r.text(item, what)
		if !ok {
			return
		}
		if err := check(text); err != nil {
			r.wrong(item, "%s: %v", what, err)
			return
		}
		all = append(all, text)
	})
	return all
}

// duration sets a duration within bounds.
func (r *reader) duration(n *yaml.Node, what string, least, most time.Duration, to *time.Duration) {
	n = resolve(n)
	d, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		r.wrong(n, "%s: want a duration such as 2s or 15m", what)
	case d < least || d > most:
		r.wrong(n, "%s: %v is out of bounds; want %v to %v", what, d, least, most)
	default:
		*to = d
	}
}

// number sets a whole number within bounds.
func (r *reader) number(n *yaml.Node, what string, least, most int, to *int) {
	n = resolve(n)
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || i < least || i > most {
		r.wrong(n, "%s: want a whole number from %d to %d", what, least, most)
		return
	}
	*to = i
}

// rate sets a number that is not negative.
func (r *reader) rate(n *yaml.Node, what string, to *float64) {
	n = resolve(n)
	f, err := strconv.ParseFloat(n.Value, 64)
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" || err != nil || !(f >= 0) || math.IsInf(f, 0) {
		r.wrong(n, "%s: want a number of hosts a second; 0 is unlimited", what)
		return
	}
	*to = f
}

// truth sets true or false.
func (r *reader) truth(n *yaml.Node, what string, to *bool) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		r.wrong(n, "%s: want true or false", what)
		return
	}
	*to = strings.EqualFold(n.Value, "true")
}

// resolve returns what an alias stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}
