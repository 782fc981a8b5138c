// Package exporter shows what a Prober sees to Prometheus and to people: one
// host probed now at /probe, the cached reports of repeated sweeps at /metrics
// and on a page, and the swept targets at /targets.
//
// It answers only requests that name this machine, and probes only what its
// configuration allows. A credential is used by sweeps alone.
package exporter

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gpreach/gpreach/probe"
)

// Config wires an Exporter to its program.
type Config struct {
	Settings *Settings
	// Load returns the settings anew, at a reload; nil where there is nothing
	// that could have changed.
	Load func() (*Settings, error)
	// Prober returns a Prober that is joined to the network. What it excludes
	// is the Exporter's affair.
	Prober func(Probing) *probe.Prober
	// LogOn verifies a credential and begins to use it for a round of a sweep. An
	// error says nothing about the account; what does is a Logon that is stopped.
	LogOn   func(context.Context, Credential) (*Logon, error)
	Own     func() ([]netip.Addr, error) // this machine's addresses; nil asks the system
	Version string                       // of the program, for gpreach_build_info
	Pprof   bool                         // serve net/http/pprof to connections over loopback
	Log     *slog.Logger
}

// An Exporter sweeps its targets and answers for them over HTTP. All its methods
// may be used at the same time.
type Exporter struct {
	config  Config
	board   *board
	metrics *metrics
	flights *flights

	current   atomic.Pointer[generation]
	reloading sync.Mutex
	// web is the path of the file that says how we listen; it is read when we
	// begin to.
	web string

	// probe and sweep are a Prober's.
	probe func(*probe.Prober, context.Context, probe.Target, []probe.Operation) *probe.Report
	sweep func(*probe.Prober, context.Context, iter.Seq[probe.Target], probe.Plan) iter.Seq[*probe.Report]
}

// New returns an Exporter that has not swept yet. Close ends it.
func New(c Config) *Exporter {
	if c.Own == nil {
		c.Own = ownAddresses
	}
	e := &Exporter{
		config: c, board: newBoard(c.Log), flights: newFlights(c.Log), web: c.Settings.WebConfig,
		probe: (*probe.Prober).Probe, sweep: (*probe.Prober).Sweep,
	}
	e.metrics = newMetrics(c.Version, e)
	e.reloading.Lock()
	defer e.reloading.Unlock()
	e.take(c.Settings)
	return e
}

// Close ends the probes that callers wait for, who are told what is known by
// then. No further one begins.
func (e *Exporter) Close() { e.flights.close() }

// generation returns the configuration in force.
func (e *Exporter) generation() *generation { return e.current.Load() }

// take puts settings into force. e.reloading is held.
func (e *Exporter) take(s *Settings) {
	for _, w := range s.Warnings {
		e.config.Log.Warn("configuration: " + w)
	}
	g := newGeneration(s, e.config.Prober)
	last := e.current.Swap(g)
	e.board.admit(func(t probe.Target) (int, bool) {
		o, ok := g.find(t.Name)
		return o.target.Index, ok
	})
	e.metrics.took(g)
	if last != nil {
		close(last.retired)
	}
}

// Reload reads the configuration again. What is wrong with it changes nothing,
// and is logged and returned.
func (e *Exporter) Reload() error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	if e.config.Load == nil {
		e.config.Log.Warn("not reloaded: there is no configuration that could be read again")
		return errors.New("there is no configuration that could be read again")
	}
	s, err := e.config.Load()
	if err != nil {
		e.metrics.reloaded.Set(0)
		e.logMistakes(err)
		return err
	}
	if !slices.Equal(s.Listen, e.config.Settings.Listen) || s.WebConfig != e.web {
		e.config.Log.Warn("listen or web_config has changed, which takes a restart: the old one stays in force")
	}
	e.take(s)
	e.config.Log.Info("configuration reloaded", "sweeps", len(s.Sweeps))
	return nil
}

// logMistakes writes a line for each mistake.
func (e *Exporter) logMistakes(err error) {
	all := []error{err}
	if mistakes, ok := errors.AsType[Mistakes](err); ok {
		all = mistakes.Unwrap()
	}
	for _, err := range all {
		e.config.Log.Error("configuration not reloaded, the old one stays in force", "err", err)
	}
}

// ownAddresses returns the addresses of this machine's interfaces.
func ownAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var own []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap().WithZone(""))
		}
	}
	return own, nil
}
