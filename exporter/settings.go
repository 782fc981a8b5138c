package exporter

import (
	"time"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

// Settings are what a configuration says, with every default filled in. They do
// not change once made.
type Settings struct {
	Listen    []string // addresses and ports
	WebConfig string   // path of exporter-toolkit's file; empty for neither TLS nor authentication
	// ExternalHosts are names and addresses, beside loopback and what is
	// listened on, under which requests may ask for this machine.
	ExternalHosts []string
	Allow         *Allow // nil: /probe asks the swept targets
	Probing       Probing
	Compact       bool        // /metrics has the operation series alone
	Credential    *Credential // what sweeps log on with, where they do; nil for none
	Sweeps        []Sweep
	Warnings      []string // what is no mistake but probably not meant
}

// Probing says how hosts are probed, and how many at a time for callers.
type Probing struct {
	Timeout, Deadline time.Duration // each stage, each host
	MaxInFlight       int           // probes for callers at a time
	Debug             bool          // debug=true shows trails
	Identify          bool          // hosts are asked who they are
}

// A Sweep is targets that are asked again and again.
type Sweep struct {
	Name        string
	Targets     *targets.List
	Asked       []probe.Operation
	Interval    time.Duration // from the beginning of a round to that of the next
	Concurrency int           // hosts at a time
	Rate        float64       // hosts begun a second; 0 is unlimited
	Credential  bool          // its hosts are logged on to
}

// DefaultSettings returns what holds where a configuration says nothing.
func DefaultSettings() *Settings {
	return &Settings{
		Listen:  []string{"127.0.0.1:10135"},
		Probing: Probing{Timeout: 2 * time.Second, Deadline: 15 * time.Second, MaxInFlight: 256, Identify: true},
	}
}

// DefaultSweep returns a sweep without name and targets.
func DefaultSweep() Sweep {
	return Sweep{Asked: probe.Operations(), Interval: 15 * time.Minute, Concurrency: 256, Rate: 200}
}
