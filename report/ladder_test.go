package report

import (
	"strings"
	"testing"

	"github.com/gpreach/gpreach/probe"
)

// What a host says of itself, as far as it is known and says something.
func TestLadderTellsTheIdentity(t *testing.T) {
	for _, test := range []struct {
		target string
		said   *probe.Identity
		want   string
	}{
		{"dc1.corp.example", nil, ""},
		{"dc1.corp.example", &probe.Identity{DNS: "DC1.corp.example"}, ""},
		{"dc1.corp.example.", &probe.Identity{DNS: "dc1.corp.example", Domain: "corp.example"}, "dc1.corp.example. says of itself: domain corp.example."},
		{"dc1.corp.example", &probe.Identity{DNS: "dc1.corp.example", Domain: "corp.example", Build: "10.0.20348"}, "dc1.corp.example says of itself: domain corp.example, Windows 10.0.20348."},
		{"10.77.0.1", &probe.Identity{DNS: "dc1.corp.example", Domain: "corp.example"}, "10.77.0.1 calls itself dc1.corp.example, domain corp.example."},
		{"10.77.0.1", &probe.Identity{Computer: "DC1"}, "10.77.0.1 calls itself DC1."},
		{"dc1", &probe.Identity{DNS: "dc1.corp.example", Build: "10.0.20348"}, "dc1 calls itself dc1.corp.example, Windows 10.0.20348."},
	} {
		got := Ladder(&probe.Report{Target: probe.Target{Name: test.target}, Identity: test.said})
		if strings.TrimSpace(got) != test.want {
			t.Errorf("%s, %v: %q, want %q", test.target, test.said, got, test.want)
		}
	}
}
