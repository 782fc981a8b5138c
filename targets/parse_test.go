package targets_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

// parse returns the list of arguments that must be good.
func parse(t *testing.T, o targets.Options, args ...string) *targets.List {
	t.Helper()
	l, err := targets.Parse(args, o)
	if err != nil {
		t.Fatalf("Parse(%q): %v", args, err)
	}
	return l
}

// names returns the targets' names, and checks what holds for every list.
func names(t *testing.T, l *targets.List) []string {
	t.Helper()
	var all []string
	for target := range l.All() {
		if target.Index != len(all) {
			t.Errorf("%s has index %d, want %d", target.Name, target.Index, len(all))
		}
		if found, ok := l.Find(target.Name); !ok || found != target {
			t.Errorf("Find(%q) = %+v, %v, want %+v", target.Name, found, ok, target)
		}
		if a, ok := target.Addr(); ok && l.Excluded(a) {
			t.Errorf("%s is in the list, and excluded", target.Name)
		}
		all = append(all, target.Name)
	}
	if l.Len() != len(all) {
		t.Errorf("Len() = %d, but All yields %d", l.Len(), len(all))
	}
	return all
}

func TestTargets(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, test := range []struct {
		args string
		want string
	}{
		{"ws-001", "ws-001"},
		{"WS-001.Corp.Example.", "WS-001.Corp.Example."},
		{"_srv.a_b.c", "_srv.a_b.c"},
		{"1a 3com.example 12-34", "1a 3com.example 12-34"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{name253, name253},
		{name253 + ".", name253 + "."},

		{"10.0.0.5", "10.0.0.5"},
		{"2001:DB8:0::0005", "2001:db8::5"},
		{"[2001:db8::5]", "2001:db8::5"},
		{"::ffff:10.0.0.5", "10.0.0.5"},
		{"[::ffff:a00:5]", "10.0.0.5"},
		{"::1 127.0.0.1", "::1 127.0.0.1"},
		{"fe80::1%eth0 [fe80::2%Ethernet_2.5-a]", "fe80::1%eth0 fe80::2%Ethernet_2.5-a"},
		{"fe80::1%eth0-1", "fe80::1%eth0-1"},

		{"", ""},
		{"b a 10.0.0.9 c 10.0.0.1", "b a 10.0.0.9 c 10.0.0.1"},
		// One host by two names, or by name and address, is two targets.
		{"localhost 127.0.0.1 localhost.localdomain", "localhost 127.0.0.1 localhost.localdomain"},
		// The first of several that are the same stands.
		{"WS1 ws1 ws1. Ws1.", "WS1"},
		{"10.0.0.5 ::ffff:10.0.0.5 10.0.0.5/32", "10.0.0.5"},
		{"2001:db8::1 [2001:0db8::1]", "2001:db8::1"},
		{"fe80::1%eth0 fe80::1%eth1 FE80::1%eth0", "fe80::1%eth0 fe80::1%eth1"},
	} {
		t.Run(test.args, func(t *testing.T) {
			got := names(t, parse(t, targets.Options{}, strings.Fields(test.args)...))
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const (
		port      = "--epmap-port and --smb-port"
		notHost   = "neither an address nor a host name"
		empty     = "a part of it is empty"
		number    = "ends in a number"
		notCIDR   = "is not a CIDR such as"
		notRange  = "is not a range such as"
		unicast   = "give a unicast address"
		directory = "not built yet"
	)
	for text, want := range map[string]string{
		"host:135":             port,
		"host.example.:445":    port,
		"10.0.0.5:135":         port,
		"[::1]:135":            port,
		"[fe80::1%eth0]:135":   port,
		"10.0.0.0/24:135":      port,
		"10.0.0.1-50:135":      port,
		"[host]:135":           port,
		"host:":                notHost,
		"host:epmap":           notHost,
		"http://host:135":      notCIDR,
		"a b":                  notHost,
		"a,b":                  notHost,
		`\\server`:             notHost,
		"user@host":            notHost,
		"bücher.example":       notHost,
		"a\x1b[31m":            `"a\x1b[31m"`,
		"a\x00":                `"a\x00"`,
		"[10.0.0.5]":           notHost,
		"[2001:db8::5":         notHost,
		"2001:db8::g":          notHost,
		"[]":                   notHost,
		"":                     empty,
		".":                    empty,
		"a..b":                 empty,
		".a":                   empty,
		"a..":                  empty,
		"-a.example":           "a hyphen stands at an end",
		"a-.example":           "a hyphen stands at an end",
		"10.0.0.256":           number,
		"10.0.0.1.":            number,
		"010.0.0.1":            number,
		"12345":                number,
		"host.1":               number,
		"0.0.0.0":              unicast,
		"::":                   unicast,
		"224.0.0.251":          unicast,
		"ff02::1":              unicast,
		"255.255.255.255":      unicast,
		"2001:db8::1%eth0":     "only a link-local address",
		"169.254.0.1%eth0":     notHost,
		"::ffff:169.254.0.1%1": "only a link-local address",
		"fe80::1":              "name the interface behind it",
		"fe80::1%et h":         "a zone is the name of an interface",
		"fe80::1%eth0\n":       "a zone is the name of an interface",
		"fe80::1%":             notHost,

		"10.0.0.0/33":                     notCIDR,
		"10.0.0/24":                       notCIDR,
		"10.0.0.0/":                       notCIDR,
		"host/24":                         notCIDR,
		"fe80::%eth0/120":                 "a zone is the name of an interface",
		"::ffff:10.0.0.0/90":              notCIDR,
		"10.0.0.1-":                       notRange,
		"10.0.0.1-256":                    notRange,
		"10.0.0.1-050":                    notRange,
		"10.0.0.1-x":                      notRange,
		"10.0.0.1-2001:db8::1":            notRange,
		"2001:db8::1-5":                   notRange,
		"10.0.0.300-310":                  notRange,
		"10.0.0.1-10.0.0.2-10.0.0.3":      notRange,
		"10.0.0.50-1":                     "ends before it begins",
		"10.0.1.0-10.0.0.255":             "ends before it begins",
		"2001:db8::5-2001:db8::1":         "ends before it begins",
		"fe80::1-fe80::5%eth0":            "a range cannot have",
		"::ffff:1.2.3.4-::ffff:1.2.3.5%a": "a range cannot have",

		"ou:OU=Workstations,DC=corp,DC=example": directory,
		"OU:x":                                  directory,
		"domain:corp.example":                   directory,

		strings.Repeat("a", 64):                "longer than 63 bytes",
		strings.Repeat("a.", 126) + "ab":       "longer than 253 bytes",
		"@":                                    "the name of a target file is missing",
		"-":                                    "there is none here",
		"@" + t.TempDir() + "/no such\x1bfile": `/no such\x1bfile" cannot be read: `,
	} {
		l, err := targets.Parse([]string{text}, targets.Options{})
		if err == nil {
			t.Errorf("%q is taken for %q", text, names(t, l))
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %q, want it to say %q", text, err, want)
		}
		if strings.ContainsAny(err.Error(), "\x00\x1b\n") {
			t.Errorf("%q: the error has control characters", text)
		}
	}
}

func TestExclude(t *testing.T) {
	for _, test := range []struct {
		args, exclude string
		want          string
		excluded      string // addresses of which Excluded says so
		others        string
	}{
		{args: "WS1 ws1.corp.example ws2", exclude: "ws1. WS2", want: "ws1.corp.example"},
		{
			args: "10.0.0.1-4", exclude: "10.0.0.2", want: "10.0.0.1 10.0.0.3 10.0.0.4",
			excluded: "10.0.0.2 ::ffff:10.0.0.2", others: "10.0.0.1 ::10.0.0.2",
		},
		{
			args: "10.0.0.1-4 ::1", exclude: "10.0.0.3-9 ::1", want: "10.0.0.1 10.0.0.2",
			excluded: "10.0.0.3 10.0.0.9 ::1", others: "10.0.0.10 ::2",
		},
		// An excluded CIDR covers its first and last address too, which are hosts of a wider one.
		{
			args: "10.0.0.254-10.0.1.1", exclude: "10.0.0.0/24", want: "10.0.1.0 10.0.1.1",
			excluded: "10.0.0.0 10.0.0.255", others: "10.0.1.0 9.255.255.255",
		},
		{args: "10.0.0.0/29", exclude: "10.0.0.0/30 10.0.0.6", want: "10.0.0.4 10.0.0.5"},
		{args: "10.0.0.0/29", exclude: "10.0.0.0/8", want: "", excluded: "10.255.255.255"},
		{
			args: "a 10.0.0.1 2001:db8::1", exclude: "::/0 0.0.0.0/0", want: "a",
			excluded: "255.255.255.255 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff :: 0.0.0.0 fe80::1%x",
		},
		{
			args: "fe80::1%a fe80::1%b", exclude: "fe80::1%a", want: "fe80::1%b",
			excluded: "fe80::1%a", others: "fe80::1 fe80::1%b",
		},
		{args: "fe80::1%a fe80::2%b", exclude: "fe80::1", want: "fe80::2%b", excluded: "fe80::1%a fe80::1"},
		// What cannot be asked can be excluded: a resolver may answer with it.
		{args: "a", exclude: "0.0.0.0 ff02::1 224.0.0.0/4", want: "a", excluded: "0.0.0.0 ff02::1 239.0.0.1"},
		{args: "a", exclude: "", want: "a", others: "0.0.0.0 ::"},
	} {
		t.Run(test.args+" without "+test.exclude, func(t *testing.T) {
			l := parse(t, targets.Options{Exclude: strings.Fields(test.exclude)}, strings.Fields(test.args)...)
			if got := strings.Join(names(t, l), " "); got != test.want {
				t.Errorf("targets are %q, want %q", got, test.want)
			}
			for a := range strings.FieldsSeq(test.excluded) {
				if !l.Excluded(netip.MustParseAddr(a)) {
					t.Errorf("%s is not excluded", a)
				}
			}
			for a := range strings.FieldsSeq(test.others) {
				if l.Excluded(netip.MustParseAddr(a)) {
					t.Errorf("%s is excluded", a)
				}
			}
			if l.Excluded(netip.Addr{}) {
				t.Error("no address at all is excluded")
			}
		})
	}
}

func TestExcludeRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"host:135":    `--exclude: "host:135" has a port`,
		"10.0.0.50-1": "--exclude: ",
		"-":           "--exclude does not read standard input",
		"@none":       `--exclude: the list of targets "none" cannot be read`,
	} {
		_, err := targets.Parse([]string{"a"}, targets.Options{Exclude: []string{text}, Stdin: strings.NewReader("b")})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want %q", text, err, want)
		}
	}
}

func TestFind(t *testing.T) {
	l := parse(t, targets.Options{Exclude: []string{"10.0.0.4", "gone"}, Stdin: strings.NewReader("ws2")},
		"WS1.corp.example", "10.0.0.3", "10.0.0.1-6", "-", "gone", "fe80::1%eth0", "10.0.0.0/28")
	for _, test := range []struct {
		name string
		want probe.Target // the zero target: not found
	}{
		{"ws1.CORP.example.", probe.Target{Name: "WS1.corp.example", Source: probe.FromArgument, Index: 0}},
		{"10.0.0.3", probe.Target{Name: "10.0.0.3", Source: probe.FromArgument, Index: 1}},
		{"10.0.0.1", probe.Target{Name: "10.0.0.1", Source: probe.FromArgument, Index: 2}},
		{"::ffff:10.0.0.5", probe.Target{Name: "10.0.0.5", Source: probe.FromArgument, Index: 4}},
		{"10.0.0.6", probe.Target{Name: "10.0.0.6", Source: probe.FromArgument, Index: 5}},
		{"ws2", probe.Target{Name: "ws2", Source: probe.FromStdin, Index: 6}},
		{"fe80::1%eth0", probe.Target{Name: "fe80::1%eth0", Source: probe.FromArgument, Index: 7}},
		{"10.0.0.14", probe.Target{Name: "10.0.0.14", Source: probe.FromArgument, Index: 15}},
		{name: "10.0.0.4"},
		{name: "10.0.0.15"},
		{name: "10.0.0.1-3"},
		{name: "10.0.0.1-6"},
		{name: "gone"},
		{name: "ws1"},
		{name: "fe80::1"},
		{name: "fe80::1%eth1"},
		{name: "@hosts.txt"},
		{name: "-"},
		{name: "a b"},
		{name: ""},
	} {
		got, ok := l.Find(test.name)
		if got != test.want || ok != (test.want != probe.Target{}) {
			t.Errorf("Find(%q) = %+v, %v, want %+v", test.name, got, ok, test.want)
		}
	}
	names(t, l)
}

// validName is the contract's host name, written once more.
var validName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`)

func FuzzParse(f *testing.F) {
	f.Add("ws1 WS1. 10.0.0.0/29 10.0.0.1-50", "10.0.0.3 ws2", []byte("# hosts\r\n10.0.0.1-10.0.0.9\r\nws2\r\n"))
	f.Add("2001:db8::5 [2001:db8::5] fe80::1%eth0 -", "fe80::/10", []byte("#TYPE x\n\"Name\";\"DNSHostName\"\n\"a\";\"a.b\"\n\"c\";\n"))
	f.Add("- -", "::/0", []byte("\xff\xfen\x00a\x00m\x00e\x00\r\x00\n\x00w\x00\r\x00\n\x00"))
	f.Add("255.255.255.0-255.255.255.255 0.0.0.0/24", "255.255.255.255", []byte("\xef\xbb\xbfa"))
	f.Add("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120 host:135", "", []byte("name\tx\n\t\n"))
	f.Fuzz(func(t *testing.T, args, exclude string, stdin []byte) {
		noFile := func(s string) bool { return strings.HasPrefix(s, "@") }
		o := targets.Options{
			Exclude: slices.DeleteFunc(strings.Split(exclude, " "), noFile),
			Stdin:   strings.NewReader(string(stdin)),
		}
		if exclude == "" {
			o.Exclude = nil
		}
		l, err := targets.Parse(slices.DeleteFunc(strings.Split(args, " "), noFile), o)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("the error has control characters: %q", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, name := range names(t, l) {
			key := probe.Target{Name: name}.Key()
			if seen[key] {
				t.Errorf("%q is there twice", name)
			}
			seen[key] = true
			a, err := netip.ParseAddr(name)
			if err == nil && a.String() == name && !a.Is4In6() {
				continue
			}
			labels := strings.Split(strings.TrimSuffix(name, "."), ".")
			digits := strings.Trim(labels[len(labels)-1], "0123456789") == ""
			if !validName.MatchString(name) || len(strings.TrimSuffix(name, ".")) > 253 || digits {
				t.Errorf("%q is neither an address nor a name", name)
			}
		}
	})
}
