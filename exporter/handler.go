package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gpreach/gpreach/probe"
)

// scrapeMargin is what of a scraper's patience is left for the way there and back.
const scrapeMargin = 500 * time.Millisecond

const index = `gpreach: can Group Policy Results and a remote gpupdate reach these hosts?

/probe?target=HOST&for=rsop|refresh|all   one host of the sweep, probed now
/metrics                                  the sweep's cached results, and the exporter's own metrics
/-/healthy                                200 while this answers
`

// Handler returns what the exporter answers. It turns away requests whose Host
// is neither loopback nor one of the listen addresses.
func (e *Exporter) Handler(listen ...net.Addr) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", text(index))
	mux.HandleFunc("GET /-/healthy", text("ok\n"))
	mux.HandleFunc("GET /probe", e.serveProbe)
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.metrics.registry, e.promOpts()))
	return e.checkHost(listen, mux)
}

// Server returns a server for the handler, with bounds that fit an exporter.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      5 * time.Minute, // longer than any scraper waits for a probe
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, s)
	}
}

func (e *Exporter) promOpts() promhttp.HandlerOpts {
	return promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(e.config.Log.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.ContinueOnError, // one bad series does not hide the fleet
		EnableOpenMetrics: true,
	}
}

// reject answers a request that is turned away, in one sentence.
func (e *Exporter) reject(w http.ResponseWriter, status int, reason, sentence string) {
	e.metrics.rejected.WithLabelValues(reason).Inc()
	http.Error(w, sentence, status)
}

// serveProbe probes one host while the caller waits.
func (e *Exporter) serveProbe(w http.ResponseWriter, r *http.Request) {
	name, asked, err := parseProbe(r.URL.RawQuery)
	if err != nil {
		e.reject(w, http.StatusBadRequest, badRequest, fmt.Sprintf("This cannot be answered: %v.", err))
		return
	}
	target, ok := e.config.Find(name)
	if a, literal := target.Addr(); literal && a.Zone() != "" {
		ok = false // a zone means something on one machine only: no request may name one
	}
	if !ok {
		e.reject(w, http.StatusForbidden, forbidden,
			fmt.Sprintf("%+.253q is not one of the swept targets, and only those are probed: to allow it, name it among the TARGETs of gpreach serve.", name))
		return
	}

	ctx, budget := r.Context(), e.config.Prober.Deadline
	if patience, ok := scrapeTimeout(r); ok {
		budget = min(budget, patience-scrapeMargin)
		// Resolving is outside the budget, so the whole is bounded as well.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience-scrapeMargin/2)
		defer cancel()
	}
	e.metrics.inFlight.Inc()
	defer e.metrics.inFlight.Dec()
	report := e.probe(ctx, target, asked, budget)
	switch {
	case r.Context().Err() != nil: // the caller left, and took the probe's context along
	case report.Excluded:
		e.reject(w, http.StatusForbidden, forbidden,
			fmt.Sprintf("Every address of %+.253q is excluded: to allow it, change the --exclude of gpreach serve.", name))
	default:
		e.metrics.finished(report)
		promhttp.HandlerFor(probeRegistry(report, budget), e.promOpts()).ServeHTTP(w, r)
	}
}

// parseProbe reads the query of /probe.
func parseProbe(query string) (name string, asked []probe.Operation, err error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", nil, fmt.Errorf("the query is malformed: %+q", err.Error())
	}
	if len(q["target"]) != 1 || q.Get("target") == "" {
		return "", nil, errors.New("want exactly one host, as in /probe?target=HOST&for=rsop|refresh|all")
	}
	operations := "all"
	switch f := q["for"]; len(f) {
	case 0:
	case 1:
		operations = f[0]
	default:
		return "", nil, errors.New("want for= at most once: rsop, refresh or all")
	}
	asked, err = probe.ParseOperations(operations)
	return q.Get("target"), asked, err
}

// scrapeTimeout returns how long Prometheus waits for the answer, if it says
// so and leaves time for a probe. More than an hour bounds nothing.
func scrapeTimeout(r *http.Request) (time.Duration, bool) {
	s, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(s > scrapeMargin.Seconds() && s <= time.Hour.Seconds()) {
		return 0, false
	}
	return time.Duration(s * float64(time.Second)), true
}
