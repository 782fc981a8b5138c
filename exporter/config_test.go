package exporter

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
)

const exampleConfig = "../deploy/config.example.yml"

// write writes files into a directory of the test's own and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The example loads, and says every field that there is, once in force or in a
// comment that can be uncommented.
func TestExampleConfig(t *testing.T) {
	content, err := os.ReadFile(exampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.NewReplacer("# web_config:", "web_config:", "# credential: {", "credential: {").Replace(string(content))
	dir := write(t, map[string]string{"hosts.example.txt": "ws-001\nws-002\n", "web.yml": "", "plain.yml": string(content), "all.yml": all})
	if _, err := Load(filepath.Join(dir, "plain.yml"), false, sound); err != nil {
		t.Fatal(err)
	}
	s, err := Load(filepath.Join(dir, "all.yml"), false, sound)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultSettings()
	if d := cmp.Diff(want.Probing, s.Probing); d != "" {
		t.Errorf("the example's probe is not what the defaults are: %s", d)
	}
	if d := cmp.Diff(want.Listen, s.Listen); d != "" {
		t.Error(d)
	}
	if s.WebConfig != filepath.Join(dir, "web.yml") || len(s.Sweeps) != 2 || len(s.Warnings) != 1 {
		t.Errorf("got %+v", s)
	}
	byDefault, first := DefaultSweep(), s.Sweeps[0]
	byDefault.Name, byDefault.Targets = first.Name, first.Targets
	if first.Interval != byDefault.Interval || first.Concurrency != byDefault.Concurrency || first.Rate != byDefault.Rate || first.Targets.Len() != 2+253 {
		t.Errorf("got %+v, %d targets", first, first.Targets.Len())
	}
	for _, field := range []string{
		"listen", "web_config", "external_hosts", "allow", "probe", "timeout", "deadline", "max_in_flight", "debug", "identify", "credential", "user", "keytab",
		"user", "keytab", "password_file", "ccache", "metrics", "sweeps", "name", "targets", "exclude", "for", "interval", "concurrency", "rate",
	} {
		if !strings.Contains(string(content), field) {
			t.Errorf("the example does not say %s", field)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := write(t, map[string]string{"hosts.txt": "ws-001\nws-002\n", "gpreach.yml": `
listen: ["127.0.0.1:1", "[::1]:1"]
external_hosts: [gpreach.corp.example, 192.0.2.80]
allow: []
probe: {timeout: 1500ms, deadline: 10s, max_in_flight: 7, debug: true, identify: false}
metrics: compact
sweeps:
  - {name: a, targets: ["@hosts.txt", 10.0.0.0/30], exclude: [ws-002], for: refresh, interval: 1h, concurrency: 3, rate: 0.5, credential: false}
`})
	s, err := Load(filepath.Join(dir, "gpreach.yml"), false, sound)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for target := range s.Sweeps[0].Targets.All() {
		names = append(names, target.Name)
	}
	if d := cmp.Diff([]string{"ws-001", "10.0.0.1", "10.0.0.2"}, names); d != "" {
		t.Error(d)
	}
	got := s.Sweeps[0]
	if got.Interval != time.Hour || got.Concurrency != 3 || got.Rate != .5 || !slices.Equal(got.Asked, []probe.Operation{probe.Refresh}) {
		t.Errorf("got %+v", got)
	}
	want := Probing{Timeout: 1500 * time.Millisecond, Deadline: 10 * time.Second, MaxInFlight: 7, Debug: true}
	if s.Probing != want || !s.Compact || s.Allow == nil || !slices.Equal(s.Listen, []string{"127.0.0.1:1", "[::1]:1"}) || len(s.ExternalHosts) != 2 {
		t.Errorf("got %+v", s)
	}
}

// Every mistake is told at once, each with its place.
func TestMistakes(t *testing.T) {
	const sweep = "sweeps: [{name: a, targets: [ws-001]}]\n"
	for _, tt := range []struct{ name, file, want string }{
		{"nothing", "", "1:1: the file is empty"},
		{"nothing to do", "metrics: full\n", "1:1: there is nothing to do: name sweeps"},
		{"no YAML", "listen: [a\n", "2:1: this is not YAML: while parsing a flow sequence"},
		{"two documents", sweep + "---\n" + sweep, "1:1: the file holds more than one YAML document"},
		{"a list", "- listen\n", "1:1: the configuration: want fields"},
		{"unknown fields", "lisen: []\nprobe: {timeot: 1s}\n" + sweep, `
1:1: the configuration has no field "lisen": want allow, credential, external_hosts, listen, metrics, probe, sweeps, web_config
2:9: probe has no field "timeot": want deadline, debug, identify, max_in_flight, timeout`},
		{"a field twice", sweep + "metrics: full\nmetrics: full\n", `3:1: the configuration has the field "metrics" twice`},
		{"wrong types", "listen: 7\nexternal_hosts: {a: b}\nprobe: {timeout: [1], max_in_flight: many, debug: 7}\nmetrics: 5\nallow:\n" + sweep, `
1:9: listen: want a list, such as [a, b], or [] for none
2:17: external_hosts: want a list, such as [a, b], or [] for none
3:18: probe.timeout: want a duration such as 2s or 15m
3:38: probe.max_in_flight: want a whole number from 1 to 65536
3:51: probe.debug: want true or false
4:10: metrics: want text; a number, a date or null is text in quotes
5:7: allow: want a list, such as [a, b], or [] for none`},
		{"bad durations", "probe: {timeout: 2, deadline: -1s}\n" + sweep, `
1:18: probe.timeout: want a duration such as 2s or 15m
1:31: probe.deadline: -1s is out of bounds; want 1ms to 1h0m0s`},
		{"bad listen", "listen: [localhost, '127.0.0.1:99999', 'a b:1', ':1', ':1']\n" + sweep, `
1:10: listen: "localhost" is not an address and port such as 127.0.0.1:10135 or :10135
1:21: listen: "127.0.0.1:99999" is not an address and port such as 127.0.0.1:10135 or :10135
1:40: listen: "a b:1" is not an address and port: "a b" is neither an address nor a host name, which has letters a-z, digits, '-' and '_' alone
1:55: listen: ":1" is there twice`},
		{"no listen", "listen: []\n" + sweep, "1:9: listen: want at least one address and port"},
		{"bad allow", "allow: [10.0.0.0/33, corp.example, '*.corp.example', ., .a..b, 'fe80::1%eth0']\n" + sweep, `
1:9: allow: "10.0.0.0/33" is neither a CIDR such as 10.0.0.0/8 nor a DNS suffix such as .corp.example, which begins with a dot
1:22: allow: "corp.example" is neither a CIDR such as 10.0.0.0/8 nor a DNS suffix such as .corp.example, which begins with a dot
1:36: allow: "*.corp.example" is neither a CIDR such as 10.0.0.0/8 nor a DNS suffix such as .corp.example, which begins with a dot
1:54: allow: "." is not a DNS suffix such as .corp.example
1:57: allow: ".a..b" is not a DNS suffix such as .corp.example
1:64: allow: "fe80::1%eth0" is neither a CIDR such as 10.0.0.0/8 nor a DNS suffix such as .corp.example, which begins with a dot`},
		{"an external host with a port", "external_hosts: ['a.example:80']\n" + sweep, `1:18: external_hosts: "a.example:80" is not a name or an address without a port`},
		{"bad metrics", "metrics: most\n" + sweep, `1:10: metrics: "most" is neither full nor compact`},
		{"no web configuration", "web_config: nosuch.yml\n" + sweep, "1:13: web_config: "},
		{"bad sweeps", `sweeps:
  - {targets: [ws-001], interval: 1ms, concurrency: 0, rate: -1, for: ping}
  - {name: a}
  - {name: a, targets: [ws-001]}
  - {name: b, targets: [], exclude: ['a:1'], credential: true}
  - ws-001
`, `
2:5: a sweep has no name
2:35: interval: 1ms is out of bounds; want 1s to 720h0m0s
2:53: concurrency: want a whole number from 1 to 65536
2:62: rate: want a number of hosts a second; 0 is unlimited
2:71: for: "ping" is not an operation: want rsop, refresh or all
3:5: the sweep "a" has no targets
4:12: name: another sweep is named "a" too
5:38: exclude: "a:1" has a port: --epmap-port and --smb-port set the ports for all targets
5:58: credential: there is none: say at the top which, as credential: {user: ..., keytab: ...}
6:5: a sweep: want fields, such as concurrency: ...`},
		{"bad targets", `sweeps:
  - name: a
    targets:
      - "ou:OU=Workstations,DC=corp,DC=example"
      - ws-001
      - "@nosuch.txt"
      - "-"
      - 10.0.0.0/99
`, `
4:9: targets: "ou:OU=Workstations,DC=corp,DC=example": targets from the directory are not built yet: give a list of hosts as @FILE
6:9: targets: the list of targets "
7:9: targets: "-" stands for standard input, and there is none here: name a file as @FILE
8:9: targets: "10.0.0.0/99" is not a CIDR`},
		{"no target", "sweeps: [{name: a, targets: [ws-001], exclude: [ws-001]}]\n", "1:29: targets: there is none"},
		{"too many targets", "sweeps: [{name: a, targets: [10.0.0.0/8]}]\n", "1:29: targets: the ranges hold 16777214 addresses: add --yes"},
		{"an alias", "allow: &a [.corp.example]\nexternal_hosts: *a\n" + sweep, `1:12: external_hosts: ".corp.example" is not a name`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, map[string]string{"c.yml": tt.file})
			path := filepath.Join(dir, "c.yml")
			_, err := Load(path, false, sound)
			mistakes, ok := errors.AsType[Mistakes](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			want := strings.Split(strings.TrimPrefix(tt.want, "\n"), "\n")
			got := strings.Split(strings.ReplaceAll(mistakes.Error(), path+":", ""), "\n")
			if len(got) != len(want) {
				t.Fatalf("got %d mistakes, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
			}
			for i := range want {
				if !strings.HasPrefix(got[i], want[i]) {
					t.Errorf("got  %s\nwant %s", got[i], want[i])
				}
			}
		})
	}
}

// Nothing that may be a secret stands in a mistake, wherever it was put.
func TestMistakesTellNoSecret(t *testing.T) {
	const secret = "hunter2"
	for _, credential := range []string{
		"{user: a@B, password: hunter2}", "{user: a@B, pasword: hunter2}", "hunter2", "[hunter2]", "{hunter2}", "{hunter2: x}",
		"{user: hunter2, keytab: k}", "{user: a@B, keytab: {hunter2: x}}", "{user: a@B, keytab: [hunter2]}", "{user: a@B, current_user: hunter2}",
		"{user: !!int hunter2, keytab: k}", "{user: a@B, keytab: k, password: 'hunter2}", "{user: a@B, keytab: k, keytab: hunter2}", "!!hunter2 x",
	} {
		_, err := parseConfig([]byte("credential: "+credential+"\nsweeps: [{name: a, targets: [ws-001]}]\n"), "c.yml", false, sound)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", credential, err)
		}
	}
	dir := write(t, map[string]string{"web.yml": "basic_auth_users: hunter2\n"})
	if err := CheckWeb(filepath.Join(dir, "web.yml")); err == nil || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
}

func TestCredential(t *testing.T) {
	for text, want := range map[string]string{
		"{user: a@CORP.EXAMPLE, keytab: k}":                "",
		"{user: a@CORP.EXAMPLE, password_file: k}":         "",
		"{user: a@CORP.EXAMPLE, ccache: k}":                "",
		"{ccache: k}":                                      "",
		"{keytab: k}":                                      "user is missing",
		"{user: a@CORP.EXAMPLE}":                           "exactly one of",
		"{user: a@CORP.EXAMPLE, keytab: k, ccache: c}":     "exactly one of",
		"{user: a, keytab: k}":                             "want NAME@REALM",
		"{current_user: true}":                             "",
		"{user: a@CORP.EXAMPLE, current_user: true}":       "current_user stands alone",
		"{current_user: true, keytab: k}":                  "current_user stands alone",
		"{current_user: false}":                            "user is missing",
		"{current_user: false, ccache: k}":                 "",
		"{current_user: 1}":                                "want true or false",
		"{user: a@CORP.EXAMPLE, keytab: unsound}":          "credential: it is unsound",
		"{user: a@CORP.EXAMPLE, password: x, keytab: k}":   "which password_file names",
		"{user: a@CORP.EXAMPLE, keytab: k, allow_ntlm: 1}": "has a field that is unknown",
	} {
		s, err := parseConfig([]byte("credential: "+text+"\nsweeps: [{name: a, targets: [ws-001]}]\n"), "c.yml", false, sound)
		switch {
		case want == "" && (err != nil || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "no sweep uses it")):
			t.Errorf("%s: %v, %+v", text, err, s)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", text, err)
		}
	}
}

// sound is a check that a credential's files pass, but for one.
func sound(c Credential) error {
	if filepath.Base(c.Keytab) == "unsound" {
		return errors.New("it is unsound")
	}
	return nil
}

// Sweeps use the credential where they say so, and paths are relative to the file.
func TestSweepsWithCredential(t *testing.T) {
	const text = "credential: {user: svc@CORP.EXAMPLE, keytab: k}\nsweeps: [{name: a, targets: [ws-001], credential: true}, {name: b, targets: [ws-002]}]\n"
	s, err := parseConfig([]byte(text), filepath.Join("etc", "c.yml"), false, sound)
	if err != nil || len(s.Warnings) != 0 {
		t.Fatal(err, s)
	}
	if want := (Credential{User: "svc@CORP.EXAMPLE", Keytab: filepath.Join("etc", "k")}); *s.Credential != want {
		t.Errorf("%+v, want %+v", *s.Credential, want)
	}
	if !s.Sweeps[0].Credential || s.Sweeps[1].Credential {
		t.Errorf("%+v", s.Sweeps)
	}
}

// A file of any content is read or refused, and never by a panic.
func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile(exampleConfig)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("sweeps: &a [*a]\n"))
	f.Add([]byte("a: &a [b, *a]\nsweeps: [{<<: *a, name: x, targets: *a}]\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if strings.Contains(string(content), "@") || strings.Contains(string(content), "web_config") {
			return // it may name a file
		}
		s, err := parseConfig(content, "c.yml", false, sound)
		if (s == nil) != (err != nil) {
			t.Errorf("%v, %v", s, err)
		}
	})
}

// One run tells every mistake, those of whole lists too.
func TestAllMistakesAtOnce(t *testing.T) {
	const file = `metrics: none
sweeps:
  - {name: a, targets: [ws-001]}
  - {name: a, targets: []}
  - {name: b, targets: ["10.0.0.0/8"], rate: -1}
  - {name: c, targets: [ws-001], exclude: [ws-001], interval: never}
`
	path := filepath.Join(write(t, map[string]string{"c.yml": file}), "c.yml")
	_, err := Load(path, false, sound)
	for _, want := range []string{":1:10: metrics", ":4:12: name", ":4:24: targets", ":5:24: targets", ":5:46: rate", ":6:24: targets", ":6:63: interval"} {
		if err == nil || !strings.Contains(err.Error(), path+want) {
			t.Errorf("no %s in\n%v", want, err)
		}
	}
}

// The mistakes of a web configuration stand in one line, name their file and
// keep its values to themselves.
func TestCheckWeb(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"web.yml": "basic_auth_users: \"hun`ter2\"\n"}), "web.yml")
	err := CheckWeb(path)
	if err == nil || strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("%v", err)
	}
	if err := CheckWeb(""); err != nil {
		t.Error(err)
	}
}
