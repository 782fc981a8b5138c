package targets

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
)

func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"ws-001": "ws-001", "WS-001.corp.example.": "WS-001.corp.example.", "10.0.0.5": "10.0.0.5",
		"::ffff:10.0.0.5": "10.0.0.5", "[2001:db8::5]": "2001:db8::5", "fe80::1%eth0": "fe80::1%eth0",
		"10.0.0.0/24": "", "10.0.0.1-50": "", "10.0.0.5/32": "10.0.0.5", "@hosts.txt": "", "-": "", "ou:DC=x": "", "": "",
		"ws-001:135": "", "a b": "", "0.0.0.0": "", "224.0.0.1": "", "127.1": "",
	} {
		got, err := ParseHost(text)
		if got.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than a sentence: %v", text, err)
		}
	}
}

func TestExcludes(t *testing.T) {
	l, err := Parse([]string{"10.0.0.0/24", "ws-001"}, Options{Exclude: []string{"10.0.0.5", "DC-1.corp.example."}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"10.0.0.5": true, "::ffff:10.0.0.5": true, "10.0.0.6": false, "dc-1.corp.example": true, "ws-001": false,
	} {
		if got := l.Excludes(probe.Target{Name: name}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNamed(t *testing.T) {
	ws := probe.Target{Name: "ws-001", Source: probe.FromDirectory, DNSHostName: "ws-001.corp.example", Index: 7}
	l := Named([]probe.Target{{Name: "dc-1", Source: probe.FromArgument}, ws, {Name: "WS-001."}})
	ws.Index = 1
	want := []probe.Target{{Name: "dc-1", Source: probe.FromArgument}, ws}
	if d := cmp.Diff(want, slices.Collect(l.All())); d != "" || l.Len() != 2 {
		t.Error(d)
	}
	if found, ok := l.Find("WS-001"); !ok || found != ws {
		t.Errorf("found %+v, %v", found, ok)
	}
}
