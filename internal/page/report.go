package page

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/gpreach/gpreach/probe"
)

// A Report writes the page with its data inlined, as one file that needs no
// server: the matrix and every host's ladder. The documents are written as they
// come, zipped some at a time, so that a fleet is never in memory but for its
// rows. The file's script draws the ladders of those that are opened: drawn here
// they would take twice the space and ten times the time.
type Report struct {
	w         *bufio.Writer
	templates *template.Template
	builder   Builder
	documents []json.RawMessage // of the part that is being gathered
	parts     int
	begun     bool
}

// partSize is how many documents are zipped together: few enough to be unzipped
// at once, and enough to be alike.
const partSize = 64

// NewReport returns a Report that writes to w. Nothing is written yet.
func NewReport(w io.Writer) *Report {
	return &Report{w: bufio.NewWriterSize(w, 64<<10), templates: newTemplates()}
}

// Add takes in a report, and the same in the JSON of -o json.
func (r *Report) Add(report *probe.Report, document []byte) error {
	if err := r.begin(); err != nil {
		return err
	}
	r.builder.Add(report)
	if r.documents = append(r.documents, document); len(r.documents) < partSize {
		return nil
	}
	return r.writePart()
}

// Close writes what is left: the rest of the documents, the matrix's data and the
// script that reads it.
func (r *Report) Close() error {
	if err := r.begin(); err != nil {
		return err
	}
	if len(r.documents) > 0 {
		if err := r.writePart(); err != nil {
			return err
		}
	}
	f := r.builder.Fleet()
	if err := r.inline("fleet", func(w io.Writer) error { return encodeFleet(w, f) }); err != nil {
		return err
	}
	order := func(w io.Writer) error { return json.NewEncoder(w).Encode(r.builder.added) }
	if err := r.inline("order", order); err != nil {
		return err
	}
	err := r.templates.ExecuteTemplate(r.w, "report-end", struct {
		Plain  plain
		Script template.JS
	}{newPlain(f), template.JS(bundle())}) //nolint:gosec // our own script
	return errors.Join(err, r.w.Flush())
}

// begin writes what stands before all data.
func (r *Report) begin() error {
	if r.begun {
		return nil
	}
	r.begun = true
	style, theme := asset("assets/page.css"), asset("assets/theme.js")
	return r.templates.ExecuteTemplate(r.w, "report-begin", struct {
		frame
		Policy string
		Style  template.CSS
		Theme  template.JS
	}{
		frame{Title: "gpreach report", Report: true},
		fmt.Sprintf("default-src 'none'; script-src %s %s; style-src %s; img-src data:; form-action 'none'; base-uri 'none'",
			hashOf(theme), hashOf(bundle()), hashOf(style)),
		template.CSS(style), //nolint:gosec // our own
		template.JS(theme),  //nolint:gosec // our own
	})
}

// hashOf names an inlined script or style in a Content-Security-Policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (r *Report) writePart() error {
	id := fmt.Sprintf("part-%d", r.parts)
	err := r.inline(id, func(w io.Writer) error { return json.NewEncoder(w).Encode(r.documents) })
	r.parts, r.documents = r.parts+1, r.documents[:0]
	return err
}

// inline writes data into the page, zipped and in base64, so that none of it
// can be taken for HTML.
func (r *Report) inline(id string, write func(io.Writer) error) error {
	if _, err := fmt.Fprintf(r.w, "<script type=\"application/gzip\" id=\"%s\">", id); err != nil {
		return err
	}
	text := base64.NewEncoder(base64.StdEncoding, r.w)
	z := gzip.NewWriter(text)
	if err := errors.Join(write(z), z.Close(), text.Close()); err != nil {
		return err
	}
	_, err := io.WriteString(r.w, "</script>\n")
	return err
}

// encodeFleet writes a Fleet as json.Marshal does, a host at a time.
func encodeFleet(w io.Writer, f Fleet) error {
	hosts := f.Hosts
	f.Hosts = []Host{} // the last field
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	b = bytes.TrimSuffix(b, []byte("]}"))
	for i := range hosts {
		host, err := json.Marshal(&hosts[i])
		if err != nil {
			return err
		}
		if i > 0 {
			b = append(b, ',')
		}
		if _, err := w.Write(append(b, host...)); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err = w.Write(append(b, "]}\n"...))
	return err
}

// bundle returns the modules as one: each behind those that it imports, without
// its imports and exports. They are written for it: an import is a line, brings
// names as they are, and no two modules have a name in common.
func bundle() string {
	var b strings.Builder
	for _, name := range append(modules(), "ladder.js", "report.js") {
		for line := range strings.Lines(asset("assets/" + name)) {
			if !strings.HasPrefix(line, "import ") {
				b.WriteString(strings.TrimPrefix(line, "export "))
			}
		}
	}
	return b.String()
}
