package report

import (
	"encoding/json"

	"github.com/gpreach/gpreach/probe"
)

// Marshal returns a report as the object that NDJSON and JSON write: a line of
// printable ASCII without its end.
func Marshal(r *probe.Report) ([]byte, error) { return json.Marshal(newDocument(r)) }
