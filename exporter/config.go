package exporter

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/gpreach/gpreach/targets"
)

const (
	maxConfig = 4 << 20 // bytes
	maxSweeps = 64
)

// Load reads a configuration file. All its mistakes are returned together, as
// Mistakes. Paths in it are relative to it. yes says that ranges of more than
// 65,536 addresses are meant. check returns what is wrong with a credential's files.
func Load(path string, yes bool, check func(Credential) error) (*Settings, error) {
	content, err := readBounded(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	return parseConfig(content, path, yes, check)
}

// parseConfig reads the content of a configuration file.
func parseConfig(content []byte, path string, yes bool, check func(Credential) error) (*Settings, error) {
	c := &config{reader: reader{file: path}, dir: filepath.Dir(path), yes: yes, check: check, settings: DefaultSettings()}
	var document yaml.Node
	if err := yaml.Load(content, &document); err != nil {
		c.malformed(err)
		return nil, c.mistakes
	}
	root := &document
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	c.document(root)
	if len(c.mistakes) > 0 {
		slices.SortStableFunc(c.mistakes, func(a, b Mistake) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, c.mistakes
	}
	return c.settings, nil
}

// A config is a configuration file being read.
type config struct {
	reader
	dir      string
	yes      bool
	check    func(Credential) error
	settings *Settings
	names    map[string]bool // of the sweeps so far
	// loggingOn is where the first sweep says that it uses the credential.
	loggingOn *yaml.Node
}

// malformed notes that a file is not YAML, without the values in it.
func (c *config) malformed(err error) {
	at, sentence := &yaml.Node{}, "this is not YAML"
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		at.Line, at.Column = e.Mark.Line, e.Mark.Column
		switch {
		case strings.Contains(e.Message, "no documents"):
			sentence = "the file is empty"
		case strings.Contains(e.Message, "found multiple"):
			sentence = "the file holds more than one YAML document"
		case e.Stage == yaml.ScannerStage || e.Stage == yaml.ParserStage:
			sentence += ": " + quoted.ReplaceAllString(strings.TrimSpace(e.ContextMsg+", "+e.Message), "(a value)")
			sentence = strings.Replace(sentence, ": , ", ": ", 1)
		}
	}
	c.wrong(at, "%s", sentence)
}

func (c *config) document(root *yaml.Node) {
	s := c.settings
	ok := c.mapping(root, "the configuration", false, fields{
		"listen":         func(n *yaml.Node) { s.Listen = c.listen(n) },
		"web_config":     c.webConfig,
		"external_hosts": func(n *yaml.Node) { s.ExternalHosts = c.texts(n, "external_hosts", checkExternal) },
		"allow":          c.allow,
		"probe":          c.probing,
		"credential":     c.credential,
		"metrics":        c.metrics,
		"sweeps":         c.sweeps,
	})
	if ok {
		c.logons(root)
	}
	if ok && (len(c.mistakes) == 0 || !hasField(root, "sweeps") && !hasField(root, "allow")) && len(s.Sweeps) == 0 && (s.Allow == nil || len(s.Allow.prefixes)+len(s.Allow.suffixes) == 0) {
		c.wrong(root, "there is nothing to do: name sweeps, or what /probe may ask in allow")
	}
}

func (c *config) listen(n *yaml.Node) []string {
	seen := map[string]bool{}
	all := c.texts(n, "listen", func(text string) error {
		if seen[text] {
			return fmt.Errorf("%+.80q is there twice", text)
		}
		seen[text] = true
		return CheckListen(text)
	})
	if resolve(n).Kind == yaml.SequenceNode && len(resolve(n).Content) == 0 {
		c.wrong(n, "listen: want at least one address and port")
	}
	return all
}

// CheckListen returns what is wrong with an address to listen on.
func CheckListen(text string) error {
	host, port, err := net.SplitHostPort(text)
	_, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil {
		return fmt.Errorf("%+.80q is not an address and port such as 127.0.0.1:10135 or :10135", text)
	}
	if host == "" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if _, err := targets.ParseHost(host); err != nil {
		return fmt.Errorf("%+.80q is not an address and port: %w", text, err)
	}
	return nil
}

func checkExternal(text string) error {
	if _, err := targets.ParseHost(text); err != nil {
		return fmt.Errorf("%+.253q is not a name or an address without a port: %w", text, err)
	}
	return nil
}

func (c *config) webConfig(n *yaml.Node) {
	path, ok := c.text(n, "web_config")
	if !ok {
		return
	}
	c.settings.WebConfig = c.path(path)
	if err := CheckWeb(c.settings.WebConfig); err != nil {
		c.wrong(resolve(n), "web_config: %v", err)
	}
}

// path returns a path that is relative to the file.
func (c *config) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

func (c *config) allow(n *yaml.Node) {
	a := &Allow{}
	c.texts(n, "allow", a.add)
	c.settings.Allow = a
	for _, p := range a.prefixes {
		if p.Bits() == 0 {
			c.settings.Warnings = append(c.settings.Warnings, fmt.Sprintf("allow: %v covers this machine's own and link-local addresses as well, such as those of a cloud's metadata", p))
		}
	}
}

func (c *config) probing(n *yaml.Node) {
	p := &c.settings.Probing
	c.mapping(n, "probe", false, fields{
		"timeout":       func(n *yaml.Node) { c.duration(n, "probe.timeout", time.Millisecond, time.Hour, &p.Timeout) },
		"deadline":      func(n *yaml.Node) { c.duration(n, "probe.deadline", time.Millisecond, time.Hour, &p.Deadline) },
		"max_in_flight": func(n *yaml.Node) { c.number(n, "probe.max_in_flight", 1, 1<<16, &p.MaxInFlight) },
		"debug":         func(n *yaml.Node) { c.truth(n, "probe.debug", &p.Debug) },
		"identify":      func(n *yaml.Node) { c.truth(n, "probe.identify", &p.Identify) },
	})
}

func (c *config) metrics(n *yaml.Node) {
	switch text, ok := c.text(n, "metrics"); {
	case !ok:
	case text != "full" && text != "compact":
		c.wrong(resolve(n), "metrics: %+.80q is neither full nor compact", text)
	default:
		c.settings.Compact = text == "compact"
	}
}

// credential reads where the account comes from. Nothing of it stands in a
// mistake but paths: what is wrong here may be a secret in the wrong place.
func (c *config) credential(n *yaml.Node) {
	var got Credential
	user, ways, from := false, 0, len(c.mistakes)
	file := func(path *string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			ways++
			if text, ok := c.text(n, "credential: the path of a file"); ok {
				*path = c.path(text)
			}
		}
	}
	ok := c.mapping(n, "credential", true, fields{
		"user": func(n *yaml.Node) {
			user = true
			text, ok := c.text(n, "credential.user")
			if name, realm, found := strings.Cut(text, "@"); ok && (!found || name == "" || realm == "" || strings.ContainsAny(text, " \t\n:/")) {
				c.wrong(resolve(n), "credential.user: want NAME@REALM")
			}
			got.User = text
		},
		"keytab": file(&got.Keytab), "password_file": file(&got.PasswordFile), "ccache": file(&got.CCache),
		"current_user": func(n *yaml.Node) { c.truth(n, "credential.current_user", &got.CurrentUser) },
	})
	switch {
	case !ok || len(c.mistakes) > from:
		return
	case got.CurrentUser && (user || ways > 0):
		c.wrong(resolve(n), "credential: current_user stands alone, without user, keytab, password_file and ccache")
	case !got.CurrentUser && !user && got.CCache == "":
		c.wrong(resolve(n), "credential: user is missing (or ccache, or current_user: true)")
	case !got.CurrentUser && ways != 1:
		c.wrong(resolve(n), "credential: want exactly one of keytab, password_file, ccache and current_user")
	default:
		c.settings.Credential = &got
		if err := c.check(got); err != nil {
			c.wrong(resolve(n), "credential: %v", err)
		}
	}
}

// logons holds sweeps that log on to there being a credential, and the reverse.
func (c *config) logons(root *yaml.Node) {
	switch with := c.loggingOn; {
	case with != nil && !hasField(root, "credential"):
		c.wrong(with, "credential: there is none: say at the top which, as credential: {user: ..., keytab: ...}")
	case with == nil && c.settings.Credential != nil:
		c.settings.Warnings = append(c.settings.Warnings, "credential: no sweep uses it; credential: true in a sweep does")
	}
}
