//go:build browser

package page_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/report"
)

// TestServe serves the page for the tests in _browser, which run it: it tells
// on standard output where, takes orders on standard input, and ends with it.
func TestServe(t *testing.T) {
	demo, logon := situations(t), logonReports(t, "kerberos")
	fleet := newFleet(demo, 20000)
	small, withLogon := newFleet(demo, 0), newFleet(logon, 0)
	places := map[string]string{
		"fleet": serve(t, page.Source{Fleet: fleet.fleet, Ladder: fleet.ladder, Probe: fleet.probe}),
		"small": serve(t, page.Source{Fleet: small.fleet, Ladder: small.ladder}),
		"logon": serve(t, page.Source{Fleet: withLogon.fleet, Ladder: withLogon.ladder}),
		"empty": serve(t, page.Source{Fleet: new(testFleet).fleet, Ladder: new(testFleet).ladder}),

		"fleetReport": write(t, fleet.reports), "smallReport": write(t, demo), "logonReport": write(t, logon), "emptyReport": write(t, nil),
	}
	if err := json.NewEncoder(os.Stdout).Encode(places); err != nil {
		t.Fatal(err)
	}
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		switch orders.Text() {
		case "change":
			fleet.change(100)
		case "stall":
			fleet.stall()
		}
		fmt.Println("done")
	}
}

func serve(t *testing.T, s page.Source) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: page.Handler(s), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String() + "/"
}

// write writes a report and returns its URL.
func write(t *testing.T, reports []*probe.Report) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.html")
	if err != nil {
		t.Fatal(err)
	}
	w := report.HTML(f)
	for _, r := range reports {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return "file://" + f.Name()
}

// situations asks the demo's fleet, once.
func situations(t *testing.T) []*probe.Report {
	t.Helper()
	network, all := winhost.Fleet()
	p := &probe.Prober{
		Dial: network.Dial, Lookup: network.Lookup, Vantage: "gpmc01", Timeout: 2 * time.Second, Deadline: 15 * time.Second,
		SMBPort: 445, MapperPort: 135, LivenessPorts: []uint16{7680, 5040, 3389, 5985},
	}
	targets := func(yield func(probe.Target) bool) {
		for i, s := range all {
			if !yield(probe.Target{Name: s.Host, Source: probe.FromArgument, DNSHostName: s.DNSHostName, Index: i}) {
				return
			}
		}
	}
	reports := slices.Collect(p.Sweep(t.Context(), iter.Seq[probe.Target](targets), probe.Plan{Asked: probe.Operations(), Concurrency: len(all)}))
	slices.SortFunc(reports, func(a, b *probe.Report) int { return a.Target.Index - b.Target.Index })
	return reports
}

// hostile are names that no host may have, since somebody may find a way.
var hostile = []string{
	`<script>document.title='pwned';alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`javascript:alert(1)`,
	`{{.}}${alert(1)}</script><svg/onload=alert(1)>`,
	"line\nbreak\x00nul\x1b[31m",
	"right\u202eto\u2066left",
	"a/b?c#d%2e..\\e",
	"fe80::1%eth0",
	strings.Repeat("long", 60) + ".corp.example",
	"<!--<script>", "&lt;b&gt;", "'\"`",
}

// A testFleet is many hosts that are all like one of the situations.
type testFleet struct {
	mu      sync.Mutex
	reports []*probe.Report
	now     page.Fleet
	changes map[string][]page.Change
	stalled bool
}

func newFleet(like []*probe.Report, n int) *testFleet {
	f := &testFleet{changes: map[string][]page.Change{}}
	start := time.Now().Add(-14 * time.Minute)
	for i := range n {
		r := *like[i/5*7%len(like)]
		if i%5 > 2 { // most are well
			r = *like[0]
		}
		name := fmt.Sprintf("ws-%05d.corp.example", i+1)
		if i%500 == 77 && i/500 < len(hostile) {
			name = hostile[i/500]
		}
		f.reports = append(f.reports, renamed(r, name, i, start.Add(time.Duration(i)*40*time.Millisecond)))
	}
	if n == 0 {
		f.reports = like
	}
	f.build()
	for i := range f.now.Hosts {
		if i%800 == 5 {
			f.now.Hosts[i].Before = []probe.Status{probe.StatusReady, probe.StatusReady}
		}
	}
	return f
}

// renamed returns a report as that of another host.
func renamed(r probe.Report, name string, i int, started time.Time) *probe.Report {
	if r.Address.IsValid() {
		r.Address = netip.AddrFrom4([4]byte{10, 80 + byte(i>>16), byte(i >> 8), byte(i)})
	}
	r.Target = probe.Target{Name: name, Source: probe.FromDirectory, Index: i}
	r.Started = started
	return &r
}

func (f *testFleet) build() {
	var b page.Builder
	for _, r := range f.reports {
		b.Add(r)
	}
	f.now = b.Fleet()
	f.sweep()
}

func (f *testFleet) sweep() {
	finished := time.Now().Add(-30 * time.Second)
	if f.stalled {
		finished = time.Now().Add(-2 * time.Hour)
	}
	f.now.Sweeps = []page.Sweep{{Name: "workstations", Interval: 15 * time.Minute, Finished: finished.Truncate(time.Minute), Took: 90 * time.Second}}
}

func (f *testFleet) fleet() page.Fleet {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.reports) == 0 {
		return page.Fleet{Vantage: "gpmc01", Operations: probe.Operations(), Rules: page.Rules(probe.Operations()), Causes: []page.Cause{}, Sweeps: []page.Sweep{{Name: "all", Interval: time.Minute}}, Hosts: []page.Host{}}
	}
	now := f.now
	now.Hosts = slices.Clone(now.Hosts)
	return now
}

func (f *testFleet) ladder(name string) (page.Ladder, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.reports {
		if r.Target.Name != name {
			continue
		}
		var b bytes.Buffer
		if err := report.NDJSON(&b).Add(r); err != nil {
			return page.Ladder{}, false
		}
		return page.Ladder{Document: b.Bytes(), Changes: f.changes[name]}, true
	}
	return page.Ladder{}, false
}

// probe asks a host again: one whose number ends in 3 may not be asked.
func (f *testFleet) probe(_ context.Context, name string) error {
	if strings.Contains(name, "3.corp") {
		return errors.New("This host is not covered by allow: to allow it, add its address or domain there.")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.reports {
		if r.Target.Name == name {
			r.Started = time.Now()
			f.changes[name] = append([]page.Change{{When: time.Now(), Operation: probe.Refresh, From: probe.StatusUnreachable, To: probe.StatusUnproven}}, f.changes[name]...)
		}
	}
	return nil
}

// change makes n hosts silent that were not.
func (f *testFleet) change(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.now.Hosts[:n] {
		h := &f.now.Hosts[i]
		h.Before = h.Status
		h.Status = []probe.Status{probe.StatusSilent, probe.StatusSilent}
		h.Asked = time.Now()
	}
}

// stall makes the sweep late.
func (f *testFleet) stall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalled = true
	f.sweep()
}
