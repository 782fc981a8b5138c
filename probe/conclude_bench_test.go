package probe

import (
	"net/netip"
	"testing"

	"github.com/gpreach/gpreach/rpc"
)

// BenchmarkConclude is what a healthy host costs beside the network.
func BenchmarkConclude(b *testing.B) {
	ok := func(s ...Step) Trail {
		t := steps(s...)
		t[len(t)-1].Outcome = OK
		return t
	}
	logBind := bindService
	logBind.object = rpc.EventLog
	mapper := ok(connect135, bindMapper)
	seen := &sighting{
		address: netip.MustParseAddr("10.0.0.1"), smb: ok(connect445, negotiate), mappers: []Trail{mapper, mapper},
		services: []Trail{ok(connect135, bindMapper, mapService, connectPort, logBind), ok(connect135, bindMapper, mapService, connectPort, bindService)},
		dcom:     ok(connect135, bindMapper, bindDCOM, alive),
	}
	c := &climb{p: &Prober{SMBPort: 445, MapperPort: 135}, rules: Rules()}
	b.ReportAllocs()
	for b.Loop() {
		r := &Report{Target: Target{Name: "10.0.0.1"}, Asked: Operations()}
		c.conclude(r, nil, seen)
		if r.Status(RSoP) != StatusUnproven {
			b.Fatal(r.Operations)
		}
	}
}
