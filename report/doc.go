// Package report shows what was found: as a table with a summary for people,
// as JSON and NDJSON for programs, as one HTML file for a browser. All of it but
// the HTML is printable ASCII, so that no console and no PowerShell can garble
// it.
package report

import "github.com/gpreach/gpreach/probe"

// A Writer shows reports as they come, but for those that are Excluded. Close
// shows what is still held back; a Writer is closed once, also after an
// interruption.
type Writer interface {
	Add(r *probe.Report) error
	Close() error
}
