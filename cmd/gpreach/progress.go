package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/gpreach/gpreach/probe"
)

const (
	progressEvery = 200 * time.Millisecond
	progressWidth = 20 // of the bar
	eraseLine     = "\r\x1b[K"
)

// A progress shows on a terminal how far a run is. A nil progress shows nothing.
type progress struct {
	w     io.Writer
	total int
	start time.Time
	stop  chan struct{}
	ended sync.WaitGroup

	mu     sync.Mutex
	done   int
	counts map[probe.Status]int // of hosts, by their worst status
}

// newProgress begins to show the progress of a run of total hosts on w, or
// returns nil when w is no terminal that can be written over.
func newProgress(w io.Writer, total int) *progress {
	if !isTerminal(w) || !enableColor(w) {
		return nil
	}
	return startProgress(w, total)
}

func startProgress(w io.Writer, total int) *progress {
	p := &progress{w: w, total: total, start: time.Now(), stop: make(chan struct{}), counts: map[probe.Status]int{}}
	p.ended.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.draw()
			case <-p.stop:
				return
			}
		}
	})
	return p
}

// add counts a host that was asked.
func (p *progress) add(r *probe.Report) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if !r.Excluded {
		p.counts[r.Worst()]++
	}
}

// erase takes the line away, until it is drawn again, so that something else
// can be said.
func (p *progress) erase() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, eraseLine)
}

// finish takes the line away for good.
func (p *progress) finish() {
	if p == nil {
		return
	}
	close(p.stop)
	p.ended.Wait()
	p.erase()
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, eraseLine+fit(p.line(time.Since(p.start)), width(p.w)))
}

// fit cuts a line of ASCII to a terminal's width, or what went on in the next row would
// stay. A width of 0 is not known.
func fit(line string, width int) string {
	if width > 0 && len(line) >= width {
		return line[:width-1]
	}
	return line
}

// width returns how many columns a terminal has, 0 if w is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// line draws the progress after so much time: a bar, hosts a second, hosts by
// status, and the time left if it goes on like that. The caller holds mu.
func (p *progress) line(after time.Duration) string {
	filled := progressWidth * p.done / max(p.total, 1)
	rate := float64(p.done) / after.Seconds()
	words := []string{
		fmt.Sprintf("[%s%s] %d/%d hosts", strings.Repeat("#", filled), strings.Repeat(".", progressWidth-filled), p.done, p.total),
		fmt.Sprintf("%.0f/s", rate),
	}
	for _, s := range probe.Statuses() {
		if n := p.counts[s]; n > 0 {
			words = append(words, fmt.Sprintf("%s %d", s, n))
		}
	}
	if left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second)); p.done > 0 && left >= time.Second {
		words = append(words, fmt.Sprintf("%v left", left.Round(time.Second)))
	}
	return strings.Join(words, "  ")
}
