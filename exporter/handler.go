package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gpreach/gpreach/internal/page"
)

const (
	// maxScrapes is how many scrapes of /metrics are answered at a time.
	maxScrapes = 8
	// maxScrapeTime is how long a scraper may take to read one.
	maxScrapeTime = time.Minute
)

// Handler returns what the exporter answers where it listens. It turns away
// requests whose Host is neither loopback nor one of the listen addresses nor an
// external host, and changes that a page of another origin asks for.
func (e *Exporter) Handler(listen ...net.Addr) http.Handler {
	mux := http.NewServeMux()
	answer := func(method, path string, h http.Handler) {
		mux.Handle(method+" "+path, h)
		mux.HandleFunc(path, wrongMethod(method))
	}
	answer("GET", "/-/healthy", text("ok\n"))
	answer("GET", "/-/ready", text("ok\n")) // it is listened on when the configuration has been taken
	answer("POST", "/-/reload", e.reloadHandler(listen))
	answer("GET", "/probe", http.HandlerFunc(e.serveProbe))
	answer("GET", "/metrics", e.metricsHandler())
	answer("GET", "/targets", e.guarded(listen, http.HandlerFunc(e.serveTargets)))
	mux.Handle("/debug/pprof/", e.pprofHandler())
	mux.Handle("/", e.guarded(listen, page.Handler(e.Source())))

	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		e.reject(w, http.StatusForbidden, foreign, "This change was asked for by a page of another origin: ask from gpreach's own page, or without a browser.")
	}))
	return e.checkHost(listen, origin.Handler(mux))
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

// wrongMethod answers what is asked for by a method other than the one.
func wrongMethod(method string) http.HandlerFunc {
	allowed := method
	if method == "GET" {
		allowed = "GET, HEAD"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		http.Error(w, fmt.Sprintf("%s answers %s, and no other method.", r.URL.Path, method), http.StatusMethodNotAllowed)
	}
}

// metricsHandler answers scrapes, a bounded number at a time.
func (e *Exporter) metricsHandler() http.Handler {
	o := e.promOpts()
	o.MaxRequestsInFlight = maxScrapes
	scrape := promhttp.HandlerFor(gatherer{e.metrics.registry, e}, o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxScrapeTime)) // fails only where there is no connection
		scrape.ServeHTTP(w, r)
	})
}

// A scrapeLog takes what promhttp has to tell. That a scraper hung up is told for
// every family of metrics left, and any client can cause it.
type scrapeLog struct{ *slog.Logger }

func (l scrapeLog) Println(v ...any) {
	text := strings.TrimSpace(fmt.Sprintln(v...))
	level := slog.LevelError
	if strings.HasPrefix(text, "error encoding") {
		level = slog.LevelDebug
	}
	l.Log(context.Background(), level, text)
}

func (e *Exporter) promOpts() promhttp.HandlerOpts {
	return promhttp.HandlerOpts{
		ErrorLog:          scrapeLog{e.config.Log},
		ErrorHandling:     promhttp.ContinueOnError, // one bad series does not hide the fleet
		EnableOpenMetrics: true,
	}
}

// reject answers a request that is turned away, in one sentence.
func (e *Exporter) reject(w http.ResponseWriter, status int, reason, sentence string) {
	e.metrics.rejected.WithLabelValues(reason).Inc()
	http.Error(w, sentence, status)
}

// reloadHandler reads the configuration again, for whoever would be shown the
// page or asks from this machine: each time, all sweeps begin anew.
func (e *Exporter) reloadHandler(listen []net.Addr) http.Handler {
	wider := Wider(listen...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wider && !overLoopback(r) && !e.authenticated(r) {
			http.Error(w, "gpreach listens beyond loopback without authentication, so it reloads only when asked over loopback or by SIGHUP.", http.StatusForbidden)
			return
		}
		if err := e.Reload(); err != nil {
			http.Error(w, "Nothing has changed: "+err.Error(), http.StatusInternalServerError)
			return
		}
		text("ok\n")(w, r)
	})
}

// overLoopback reports whether a request came from this machine.
func overLoopback(r *http.Request) bool {
	arrived, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && address(arrived).IsLoopback()
}

// guarded answers only where no stranger can ask: where we listen on loopback
// alone, or whoever asks has been authenticated.
func (e *Exporter) guarded(listen []net.Addr, next http.Handler) http.Handler {
	wider := Wider(listen...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wider && !e.authenticated(r) {
			http.Error(w, "The page and /targets are off, as gpreach listens beyond loopback without authentication: to turn them on, set basic_auth_users or RequireAndVerifyClientCert in the file of web_config.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// pprofHandler serves net/http/pprof over loopback where it was asked for.
func (e *Exporter) pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !e.config.Pprof:
			http.Error(w, "Profiles are off: to turn them on, start gpreach serve with --web.pprof.", http.StatusNotFound)
		case !overLoopback(r):
			http.Error(w, "Profiles are told over loopback alone.", http.StatusForbidden)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}
