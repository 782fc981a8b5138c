package report

import (
	"encoding/json"
	"io"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/probe"
)

// HTML writes one file for a browser, which needs nothing else: the matrix of
// the hosts in target order, the causes, and each host's ladder.
func HTML(w io.Writer) Writer { return html{page.NewReport(w)} }

type html struct{ page *page.Report }

func (h html) Add(r *probe.Report) error {
	if r.Excluded {
		return nil
	}
	b, err := json.Marshal(newDocument(r))
	if err != nil {
		return err
	}
	return h.page.Add(r, b)
}

func (h html) Close() error { return h.page.Close() }
