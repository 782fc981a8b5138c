package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/gpreach/gpreach/report"
)

// outputFlags say how results are shown.
type outputFlags struct {
	format, file   string
	limit          int
	noColor, quiet bool
}

func (o *outputFlags) register(f *pflag.FlagSet) {
	o.registerShow(f, 20)
	f.StringVar(&o.file, "output-file", "", "write the results to a `FILE`, whole or not at all")
	f.BoolVar(&o.quiet, "quiet", false, "no summary on standard error, only what went wrong")
}

func (o *outputFlags) registerShow(f *pflag.FlagSet, limit int) {
	f.StringVarP(&o.format, "output", "o", "table", "`FORMAT` of the results: table, ndjson, json or html")
	f.IntVar(&o.limit, "limit", limit, "`HOSTS` that a table lists, and the largest causes of more; 0 for all")
	f.BoolVar(&o.noColor, "no-color", false, "no colours (also: NO_COLOR)")
}

// An output is where results go; keep or discard ends it.
type output struct {
	report.Writer
	file *os.File // to be renamed to path; nil for standard output
	path string
}

// open checks the flags and opens the output. Nothing is written yet.
func (o *outputFlags) open(stdout io.Writer) (*output, error) {
	if o.limit < 0 {
		return nil, fmt.Errorf("--limit: %d is too few; 0 lists all", o.limit)
	}
	out, w := &output{path: o.file}, stdout
	switch o.format {
	case "table", "ndjson", "json", "html":
	default:
		return nil, fmt.Errorf("--output: %q is not an output: want table, ndjson, json or html", o.format)
	}
	if o.file != "" {
		f, err := createBeside(o.file)
		if err != nil {
			return nil, fmt.Errorf("--output-file: %s cannot be written: %w", o.file, err)
		}
		out.file, w = f, f
	}
	switch o.format {
	case "ndjson":
		out.Writer = report.NDJSON(w)
	case "json":
		out.Writer = report.JSON(w)
	case "html":
		out.Writer = report.HTML(w)
	default:
		out.Writer = report.Table(w, report.TableOptions{Limit: o.limit, Color: o.color(w)})
	}
	return out, nil
}

// sameFile reports whether two paths lead to one file that there is.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, other)
}

// createBeside creates a temporary file, mode 0600, that can be renamed to path.
func createBeside(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is there already and is no regular file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrapped.Err
	}
	return f, err
}

// color reports whether w is a terminal whose user wants colours.
func (o *outputFlags) color(w io.Writer) bool {
	return !o.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w) && enableColor(w)
}

// streamsTo reports whether results appear on a terminal as they come, where a
// line that is written over again and again would be in their way.
func (o *outputFlags) streamsTo(stdout io.Writer) bool {
	return o.format == "ndjson" && o.file == "" && isTerminal(stdout)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// keep finishes the results and puts a file in its place, whole.
func (o *output) keep() error {
	if err := o.Close(); err != nil {
		o.discard()
		return err
	}
	if o.file == nil {
		return nil
	}
	if err := o.file.Close(); err != nil {
		os.Remove(o.file.Name())
		return err
	}
	return os.Rename(o.file.Name(), o.path)
}

// discard leaves no file behind.
func (o *output) discard() {
	if o != nil && o.file != nil {
		o.file.Close()
		os.Remove(o.file.Name())
	}
}
