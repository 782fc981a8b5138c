// Package page draws gpreach's web page: the matrix of a fleet, and the ladder
// of one host. The exporter serves it; the HTML report is the same page with
// its data inlined. Its script and style come from the page's own origin, and
// it asks nobody else for anything.
package page

import (
	"context"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// A Fleet is what the matrix shows, and its JSON what the page's script reads.
// Everything in it that a host said is printable ASCII already; it is escaped
// all the same.
type Fleet struct {
	Vantage    string            `json:"vantage"` // the machine that asked
	Made       time.Time         `json:"made"`    // when this view was put together
	Operations []probe.Operation `json:"operations"`
	Rules      []Rule            `json:"rules"`  // the columns, in the order of probe.Rules
	Causes     []Cause           `json:"causes"` // the largest first
	Sweeps     []Sweep           `json:"sweeps"` // empty in a report
	Hosts      []Host            `json:"hosts"`  // in target order
}

// A Rule is a column of the matrix.
type Rule struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Operations []probe.Operation `json:"operations"`
}

// A Cause is why hosts fail alike: a probe.Cluster without its hosts.
type Cause struct {
	Owner  probe.Owner `json:"owner"`
	Text   string      `json:"text"`
	Hosts  int         `json:"hosts"`
	Reason string      `json:"reason"`
	Fix    string      `json:"fix"`
	Where  string      `json:"where"`
}

// A Sweep is how one round of questions stands.
type Sweep struct {
	Name     string        `json:"name"`
	Interval time.Duration `json:"interval"` // nanoseconds
	Finished time.Time     `json:"finished"` // the zero Time before the first round ended
	Took     time.Duration `json:"took"`
}

// A Host is a row of the matrix.
type Host struct {
	Name    string    `json:"name"`
	Address string    `json:"address"` // empty when the name did not resolve
	Asked   time.Time `json:"asked"`
	// Status has one for each of the Fleet's operations, "" where it was not asked.
	Status []probe.Status `json:"status"`
	// Before is Status as the report before this one had it: nil where nothing
	// changed, or there was none.
	Before []probe.Status `json:"before"`
	// Rules has one for each of the Fleet's rules.
	Rules  []Cell `json:"rules"`
	Causes []int  `json:"causes"` // into Fleet.Causes
}

// A Cell is how a rule stands on a host. Both are "" where the rule was not asked.
type Cell struct {
	Verdict probe.Verdict `json:"verdict"`
	Access  probe.Access  `json:"access"`
}

// A Ladder is what a host's own page shows.
type Ladder struct {
	// Document is the report in the JSON of -o json.
	Document []byte
	// Changes are the last changes of state, the newest first.
	Changes []Change
}

// A Change is an operation whose status changed.
type Change struct {
	When      time.Time
	Operation probe.Operation
	From, To  probe.Status
}

// A Source is where the page gets what it shows.
type Source struct {
	// Fleet is called once a second at most. What it returned must not change.
	Fleet  func() Fleet
	Ladder func(host string) (Ladder, bool) // by name as it stands in Host.Name
	// Probe asks a host now, without a credential, and returns when its report
	// is in. Its error is a sentence for the user. Nil where nothing can be asked.
	Probe func(ctx context.Context, host string) error
}
