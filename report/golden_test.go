package report

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./report -update writes it", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// ask probes hosts of the demo's fleet, by the first label of their names and
// in that order, on a clock of its own.
func ask(t *testing.T, asked []probe.Operation, labels ...string) []*probe.Report {
	t.Helper()
	var reports []*probe.Report
	synctest.Test(t, func(t *testing.T) {
		network, situations := winhost.Fleet()
		p := &probe.Prober{
			Dial: network.Dial, Lookup: network.Lookup, Vantage: "gpmc01",
			Timeout: 2 * time.Second, Deadline: 15 * time.Second,
			SMBPort: 445, MapperPort: 135, LivenessPorts: []uint16{7680},
		}
		for i, label := range labels {
			at := slices.IndexFunc(situations, func(s winhost.Situation) bool { return strings.HasPrefix(s.Host, label+".") })
			if at < 0 {
				t.Fatalf("no host %s in the fleet", label)
			}
			s := situations[at]
			reports = append(reports, p.Probe(t.Context(), probe.Target{
				Name: s.Host, Source: probe.FromArgument, DNSHostName: s.DNSHostName, Index: i,
			}, asked))
		}
	})
	return reports
}

// interrupted returns the report of a host that had only just been begun.
func interrupted(t *testing.T, name string, index int) *probe.Report {
	t.Helper()
	p := &probe.Prober{
		Lookup:  (&winhost.Network{}).Lookup,
		Vantage: "gpmc01", Timeout: time.Second, Deadline: time.Second, SMBPort: 445, MapperPort: 135,
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return p.Probe(ctx, probe.Target{Name: name, Source: probe.FromArgument, Index: index}, nil)
}

// write passes reports to a writer and closes it.
func write(t *testing.T, w Writer, reports ...*probe.Report) {
	t.Helper()
	for _, r := range reports {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
