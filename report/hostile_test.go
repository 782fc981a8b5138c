package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// Whatever a host says comes out as printable ASCII and newlines, wherever it
// is shown, and short.
func TestHostileHosts(t *testing.T) {
	for port, kinds := range map[uint16][]winhost.Hostile{
		445: slices.Concat(winhost.HostileTCP(), winhost.HostileSMB()),
		135: slices.Concat(winhost.HostileBind(), winhost.HostileResponse(), winhost.HostileTower(),
			winhost.HostileAlive(), winhost.HostileChallenge()),
	} {
		for _, k := range kinds {
			t.Run(fmt.Sprintf("%d %s", port, k.Name), func(t *testing.T) {
				checkShown(t, askHostile(t, port, k, ""))
			})
		}
	}
}

// A host that calls itself otherwise than the directory does is another one, and
// its sentences say how.
func TestHostileNames(t *testing.T) {
	for _, k := range winhost.HostileChallenge() {
		t.Run(k.Name, func(t *testing.T) { checkShown(t, askHostile(t, 135, k, hostileName)) })
	}
}

const hostileName = "ws-001.corp.example"

// askHostile returns the report of a host that is found by its name, which the
// directory may know, and has a hostile kind on a port.
func askHostile(t *testing.T, port uint16, k winhost.Hostile, inDirectory string) (r *probe.Report) {
	synctest.Test(t, func(t *testing.T) {
		h := winhost.Client(hostileName, netip.MustParseAddr("10.77.0.101"))
		h.Ports[port] = winhost.Port{Serve: k.Instead(h.Ports[port].Serve)}
		n := winhost.NewNetwork(h)
		p := &probe.Prober{
			Dial: n.Dial, Lookup: n.Lookup, Vantage: "gpmc01", NoWMIPort: true,
			Timeout: 2 * time.Second, Deadline: 15 * time.Second, SMBPort: 445, MapperPort: 135,
		}
		r = p.Probe(t.Context(), probe.Target{Name: hostileName, Source: probe.FromArgument, DNSHostName: inDirectory}, nil)
		time.Sleep(time.Hour) // until the host has noticed that it was left
	})
	return r
}

// checkShown writes a report in every form and looks at each byte.
func checkShown(t *testing.T, r *probe.Report) {
	t.Helper()
	forms := map[string]func(io.Writer) Writer{
		"table":  func(w io.Writer) Writer { return Table(w, TableOptions{}) },
		"json":   JSON,
		"ndjson": NDJSON,
	}
	for form, to := range forms {
		var b bytes.Buffer
		write(t, to(&b), r)
		if i := bytes.IndexFunc(b.Bytes(), func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }); i >= 0 {
			t.Errorf("%s has %q", form, b.Bytes()[i:min(b.Len(), i+40)])
		}
		if b.Len() > 16<<10 {
			t.Errorf("%s is %d bytes", form, b.Len())
		}
		if form == "ndjson" {
			checkStrings(t, b.Bytes())
		}
	}
}

// checkStrings decodes a line of JSON: what was escaped for JSON alone would
// show here, as the terminal of who reads it would show it.
func checkStrings(t *testing.T, line []byte) {
	t.Helper()
	if bytes.Count(line, []byte("\n")) != 1 {
		t.Errorf("more than a line: %q", line)
	}
	var values any
	if err := json.Unmarshal(line, &values); err != nil {
		t.Fatal(err)
	}
	for _, text := range stringsIn(values) {
		if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("%q is not printable ASCII", text)
		}
	}
}

// stringsIn returns every string in a JSON value.
func stringsIn(value any) (all []string) {
	switch value := value.(type) {
	case string:
		all = append(all, value)
	case []any:
		for _, v := range value {
			all = append(all, stringsIn(v)...)
		}
	case map[string]any:
		for k, v := range value {
			all = append(append(all, k), stringsIn(v)...)
		}
	}
	return all
}
