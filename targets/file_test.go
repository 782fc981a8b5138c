package targets_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

// write makes a file and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// utf16le encodes a text as Windows PowerShell's > does, without the mark.
func utf16le(text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}

func TestLists(t *testing.T) {
	for _, test := range []struct {
		name, list string
		want       string
	}{
		{"nothing", "", ""},
		{"nothing but a mark", "\ufeff", ""},
		{"one a line", "ws1\nws2\n", "ws1 ws2"},
		{"no end of the last line", "ws1\nws2", "ws1 ws2"},
		{"CRLF", "ws1\r\nws2\r\n", "ws1 ws2"},
		{"blank lines and space", "\n  \n\tws1 \t\n\r\n  ws2\n", "ws1 ws2"},
		{"comments", "# all\nws1 # \"one\nws2\t#two\n  # three\n", "ws1 ws2"},
		{
			"any target", "ws1\n10.0.0.5\n2001:db8::5\n10.0.1.0/30\n10.0.2.1-2\nfe80::1%eth0\n",
			"ws1 10.0.0.5 2001:db8::5 10.0.1.1 10.0.1.2 10.0.2.1 10.0.2.2 fe80::1%eth0",
		},
		{"UTF-8 with mark", "\ufeffws1\nws2\n", "ws1 ws2"},
		{"UTF-16LE with mark", "\xff\xfe" + utf16le("ws1 # \U0001f5a5 b\u00fcro\r\nws2\r\n"), "ws1 ws2"},
		{"UTF-16LE without mark", utf16le("ws1\r\n# \u4f60\nws2\r\n"), "ws1 ws2"},
		{"UTF-16LE with half a pair", utf16le("# a") + "\x00\xd8" + utf16le("\nws2"), "ws2"},
		{"no header", "hosts\nname1\n", "hosts name1"},

		{"CSV of one column", "Name\nws1\nws2\n", "ws1 ws2"},
		{"CSV by Test-NetConnection", "\"ComputerName\",\"RemoteAddress\"\n\"ws1\",\"10.0.0.1\"\n", "ws1"},
		{"CSV by PowerShell remoting", "Id,PSComputerName\n1,ws1\n", "ws1"},
		{"CSV with IPv4Address", "IPv4Address,Site\n10.0.0.5,a\n", "10.0.0.5"},
		{"CSV with other columns", "os,computer,site\nw10,ws1,a\nw11,ws2,b\n", "ws1 ws2"},
		{"CSV with semicolons", "Site;Address\na;10.0.0.5\nb;10.0.1.0/30\n", "10.0.0.5 10.0.1.1 10.0.1.2"},
		{"CSV with tabs", "site\tname\n\tws1\nb\tws2\n", "ws1 ws2"},
		{"CSV with space", " name , site\n ws1 , a\n\tws2,b\n", "ws1 ws2"},
		{"CSV of Export-Csv", "#TYPE Microsoft.ActiveDirectory.Management.ADComputer\r\n" +
			"\"DistinguishedName\",\"DNSHostName\",\"Name\"\r\n" +
			"\"CN=WS1,OU=a\",\"ws1.corp.example\",\"WS1\"\r\n" +
			"\"CN=WS2,OU=\"\"b\"\" #1\",,\"WS2\"\r\n", "ws1.corp.example WS2"},
		{"CSV with a cell of two lines", "description,name\n\"a\n# b\n\nc\",ws1\nd,ws2\n", "ws1 ws2"},
		{
			"CSV prefers", "address,computer,name,dnshostname\n10.0.0.1,c,n,d\n10.0.0.2,c,n,\n10.0.0.3,c,,\n10.0.0.4,,,\n",
			"d n c 10.0.0.4",
		},
		{"CSV with short rows", "name,dnshostname\nws1\nws2,\nws3,ws3.a,x\n", "ws1 ws2 ws3.a"},
		{
			"CSV with comments", "# \"list\n\nname,site # the header\nws1,a # b, c\n# d\n   # \"e\nws2 # f\n\"ws3\" # g, \"h\nws4, # j\n",
			"ws1 ws2 ws3 ws4",
		},
		{"CSV with space after a quote", "\"name\" \r\n\"ws1\" \t\r\n  \r\n\"ws2\"", "ws1 ws2"},
		{"CSV below other white space", "\u00a0\n\u00a0 # list\n\f\nname\nws1\n", "ws1"},
		{"CSV with # in cells", "Building #,Name\nLab #3,ws1\n\"Lab #4\",ws2\n#5,ws3\n,ws4 # not #5\n", "ws1 ws2 ws4"},
		{"CSV with a comment for a cell", "name,address\nws1,# none yet\nws2, # none yet\n", "ws1 ws2"},
		{"CSV in UTF-16LE", "\xff\xfe" + utf16le("\"Name\"\t\"x\"\r\n\"ws1\"\t\"\u00fc\"\r\n"), "ws1"},
		{"CSV of a header alone", "name\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, "hosts.txt", test.list)
			for source, l := range map[probe.Source]*targets.List{
				probe.FromFile:  parse(t, targets.Options{}, "@"+path),
				probe.FromStdin: parse(t, targets.Options{Stdin: strings.NewReader(test.list)}, "-"),
			} {
				if got := strings.Join(names(t, l), " "); got != test.want {
					t.Errorf("%s: got %q, want %q", source, got, test.want)
				}
				for target := range l.All() {
					if target.Source != source {
						t.Errorf("%s has the source %q, want %q", target.Name, target.Source, source)
					}
				}
				if len(l.Warnings()) > 0 {
					t.Errorf("warnings: %q", l.Warnings())
				}
			}
		})
	}
}

func TestListRefusals(t *testing.T) {
	for _, test := range []struct {
		list string
		want string
	}{
		{"ws1\n\nws2:135\n", `:3: "ws2:135" has a port`},
		{"ws1\n10.0.0.256", ":2: "},
		{"ws1\r\n@other.txt\r\n", `:2: "@other.txt" cannot stand in a list`},
		{"-\n", `:1: "-" cannot stand in a list`},
		{"ou:OU=a,DC=b\n", ":1: "},
		{"ws1\nws2 ws3\n", ":2: "},
		{"ws1\nws\x1b2\n", `:2: "ws\x1b2" is neither`},
		{utf16le("ws1\r\nws 2\r\n"), ":2: "},
		{utf16le("ws1") + "x", ": this UTF-16 text ends in the middle"},
		{"\xfe\xff\x00w", ": this is big-endian UTF-16"},
		{"ws1\n# " + strings.Repeat("x", 4095) + "\n", ":2: a line is at most 4096 bytes"},
		{"name\nws1\n\"a\nb\",c\n", ":3: \"a\\nb\" is neither"},
		{"site,name\n\"x\ny\",ws:1\n", ":3: \"ws:1\" has a port"},
		{"name\n@other\n", `:2: "@other" cannot stand`},
		{"name\nws1\n\"ws2\nws3\n", `:3: extraneous or missing " in quoted-field`},
		{"name\nws1\nw\"s2\n", `:3: bare " in non-quoted-field`},
		{"name,site\nws1,a # \"b\"\n", `:2: bare " in non-quoted-field`},
	} {
		path := write(t, "hosts.txt", test.list)
		for file, args := range map[string]string{path: "@" + path, "stdin": "-"} {
			_, err := targets.Parse([]string{args}, targets.Options{Stdin: strings.NewReader(test.list)})
			if err == nil || !strings.HasPrefix(err.Error(), file+test.want) {
				t.Errorf("%.40q: the error is %v, want %s%s", test.list, err, file, test.want)
			}
		}
	}
}

// newlines is a standard input without end.
type newlines struct{}

func (newlines) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '\n'
	}
	return len(b), nil
}

func TestEndlessList(t *testing.T) {
	_, err := targets.Parse([]string{"-"}, targets.Options{Stdin: newlines{}})
	if want := "stdin: a list of targets is at most 64 MiB long"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

// TestRowsLeftOut: a row that names no host is told, ten of a file one by one.
func TestRowsLeftOut(t *testing.T) {
	l := parse(t, targets.Options{Stdin: strings.NewReader("site,name\na,ws1\nb,\nc\nd,\"\"\ne,ws2\n" + strings.Repeat("x,\n", 9))}, "-")
	if got := strings.Join(names(t, l), " "); got != "ws1 ws2" {
		t.Errorf("the targets are %q", got)
	}
	warnings := l.Warnings()
	if len(warnings) != 11 {
		t.Fatalf("%d warnings: %q", len(warnings), warnings)
	}
	want := []string{"stdin:3: the row names no host and is left out", "stdin: 2 more rows name no host and are left out"}
	if diff := cmp.Diff(want, []string{warnings[0], warnings[10]}); diff != "" {
		t.Error(diff)
	}
}

func TestFilesAndStdin(t *testing.T) {
	a, b, none := write(t, "a", "ws1\nws2\n"), write(t, "b", "name\nWS2\nws3\n"), write(t, "none", "# none\n")
	o := targets.Options{
		Files:   []string{b, none},
		Exclude: []string{"@" + none, "ws9"},
		Stdin:   strings.NewReader("ws4\nws9\n"),
	}
	l := parse(t, o, "ws3.example", "-", "@"+a, "-", "@"+a)
	var got []probe.Target
	for target := range l.All() {
		got = append(got, target)
	}
	want := []probe.Target{
		{Name: "ws3.example", Source: probe.FromArgument, Index: 0},
		{Name: "ws4", Source: probe.FromStdin, Index: 1},
		{Name: "ws1", Source: probe.FromFile, Index: 2},
		{Name: "ws2", Source: probe.FromFile, Index: 3},
		{Name: "ws3", Source: probe.FromFile, Index: 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := targets.Parse(nil, targets.Options{Files: []string{""}}); err == nil {
		t.Error("a file without a name is no error")
	}
	if _, err := targets.Parse(nil, targets.Options{Files: []string{t.TempDir()}}); err == nil {
		t.Error("a folder is taken for a list")
	}
	if got := parse(t, targets.Options{Files: []string{none}}, "10.0.0.0/32").Len(); got != 1 {
		t.Errorf("Len() = %d, want 1", got)
	}
}
