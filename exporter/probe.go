package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/report"
)

const (
	// scrapeMargin is what of a scraper's patience is left for the way there and back: of
	// less than twice of it, half.
	scrapeMargin = 500 * time.Millisecond
)

// A question is what a caller of /probe wants.
type question struct {
	host  string
	asked []probe.Operation
	debug bool
}

// serveProbe probes one host while the caller waits.
func (e *Exporter) serveProbe(w http.ResponseWriter, r *http.Request) {
	q, err := parseProbe(r.URL.RawQuery)
	if err != nil {
		e.reject(w, http.StatusBadRequest, badRequest, fmt.Sprintf("This cannot be answered: %v.", err))
		return
	}
	if q.debug && !e.generation().settings.Probing.Debug {
		e.reject(w, http.StatusForbidden, debugOff, "debug=true shows how far into a host a port lets us, and is off: to allow it, set probe.debug: true in the configuration.")
		return
	}
	landed, err := e.ask(r.Context(), q, patience(r))
	switch {
	case errors.Is(err, context.Canceled): // the caller left
	case err != nil:
		e.refuse(w, err)
	case q.debug:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, trails(landed.report))
	default:
		promhttp.HandlerFor(probeRegistry(landed.report, landed.budget), e.promOpts()).ServeHTTP(w, r)
	}
}

// errBusy says that as many probes are in the air as may be.
var errBusy = errors.New("as many hosts are probed for callers as max_in_flight allows: ask again in a few seconds, or raise it")

// errBroken says that a probe ended by a mistake of ours.
var errBroken = errors.New("the probe ended by an internal error, which the log tells")

// reasonOf returns the reason for which a host is not probed, and the status of
// the answer.
func reasonOf(err error) (reason string, status int) {
	_, forbid := errors.AsType[refusal](err)
	switch {
	case forbid:
		return forbidden, http.StatusForbidden
	case errors.Is(err, errBusy):
		return busy, http.StatusServiceUnavailable
	case errors.Is(err, errBroken):
		return broken, http.StatusInternalServerError
	}
	return badRequest, http.StatusBadRequest
}

// refuse answers a caller whose host is not probed.
func (e *Exporter) refuse(w http.ResponseWriter, err error) {
	reason, status := reasonOf(err)
	if reason == busy {
		w.Header().Set("Retry-After", "5")
	}
	e.reject(w, status, reason, strings.TrimSuffix(upper(err.Error()), ".")+".")
}

func upper(sentence string) string { return strings.ToUpper(sentence[:1]) + sentence[1:] }

// A landing is a flight's answer.
type landing struct {
	report *probe.Report
	budget time.Duration
}

// ask has a host probed, by itself or with other callers who want the same, for
// one who waits that long; 0 is as long as it takes.
func (e *Exporter) ask(ctx context.Context, q question, patience time.Duration) (landing, error) {
	g := e.generation()
	leave, err := g.permit(q.host, e.config.Own)
	if err != nil {
		return landing{}, err
	}
	to := route{key: leave.target.Key(), operations: fmt.Sprint(q.asked), retired: g.retired}
	f := e.flights.join(to, g.settings.Probing.MaxInFlight, func(ctx context.Context, begun func(func() *probe.Report)) *probe.Report {
		p := *g.prober
		p.Excluded, p.Begun = leave.excluded, begun
		r := e.probe(&p, ctx, leave.target, q.asked)
		if !r.Excluded && !errors.Is(ctx.Err(), context.Canceled) { // somebody still waits for it
			e.metrics.finished(r)
		}
		return r
	})
	if f == nil {
		return landing{}, errBusy
	}
	budget, patient := g.prober.Deadline, time.Duration(0)
	if patience > 0 {
		patient = max(patience-scrapeMargin, patience/2)
		budget = min(budget, patient)
	}
	r, last, ok := e.flights.wait(ctx, to, f, patient)
	switch {
	case !ok:
		return landing{}, context.Canceled
	case r == nil:
		return landing{}, errBroken
	case leave.resolved && (r.Excluded || leadsNowhere(r)): // whether the name exists is not for every caller to learn
		return landing{}, refusal(fmt.Sprintf("%+.253q is covered by no DNS suffix of allow, and leads to no address that a CIDR there covers and no sweep excludes: to allow it, add a DNS suffix of its name or a CIDR of its address there, or change exclude of the sweep that says so.", q.host))
	case r.Excluded:
		return landing{}, refusal(fmt.Sprintf("%+.253q leads to no address that may be probed: to allow it, change allow of the configuration, or the exclude of the sweep.", q.host))
	}
	if last { // it is cut short, and this is all that comes of it
		e.metrics.finished(r)
	}
	return landing{r, budget}, nil
}

// leadsNowhere reports whether a name was resolved, and to no address that may be
// asked. A resolver that failed says nothing about where the name leads.
func leadsNowhere(r *probe.Report) bool {
	step, ok := r.Resolution()
	return !r.Address.IsValid() && (!ok || step.Outcome == probe.OK || step.Outcome == probe.NoSuchName)
}

// trails tells in text what a report says, rung by rung.
func trails(r *probe.Report) string {
	var b strings.Builder
	for _, o := range r.Operations {
		fmt.Fprintf(&b, "%s %s: %s\n", o.Operation, o.Status, o.Reason)
	}
	return b.String() + report.Ladder(r)
}

// parseProbe reads the query of /probe.
func parseProbe(query string) (question, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return question{}, fmt.Errorf("the query is malformed: %+q", err.Error())
	}
	if len(q["target"]) != 1 || q.Get("target") == "" {
		return question{}, errors.New("want exactly one host, as in /probe?target=HOST&for=rsop|refresh|all")
	}
	operations := "all"
	switch f := q["for"]; len(f) {
	case 0:
	case 1:
		operations = f[0]
	default:
		return question{}, errors.New("want for= at most once: rsop, refresh or all")
	}
	if d := q["debug"]; len(d) > 1 || len(d) == 1 && !slices.Contains([]string{"true", "false"}, d[0]) {
		return question{}, errors.New("want debug= at most once: true or false")
	}
	asked, err := probe.ParseOperations(operations)
	return question{q.Get("target"), asked, q.Get("debug") == "true"}, err
}

// patience returns how long Prometheus waits for the answer, if it says so, else 0.
// More than an hour bounds nothing.
func patience(r *http.Request) time.Duration {
	s, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(s > 0 && s <= time.Hour.Seconds()) {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}
