package page

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed template/*.html
var templateFiles embed.FS

// policy lets the page use its own files and nothing else. Style and script
// never stand in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// A handler serves the page of a Source.
type handler struct {
	source    Source
	snapshot  snapshot
	templates *template.Template
	version   string // of the assets
}

// Handler returns what serves the page: /, /host/NAME, /data/fleet.json and
// what these need. It answers 404 to all else. It trusts that its caller has
// looked at Host, Origin and whoever asks.
func Handler(source Source) http.Handler {
	h := &handler{source: source, templates: newTemplates(), version: hashAssets()}
	h.snapshot.fleet = source.Fleet
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.serveMatrix)
	mux.HandleFunc("GET /host/{name}", h.serveHost)
	mux.HandleFunc("GET /host/{name}/probe", h.redirect) // where an error was shown and the page is loaded again
	mux.HandleFunc("POST /host/{name}/probe", h.serveProbe)
	mux.HandleFunc("GET /host/", h.serveNotFound)
	mux.HandleFunc("GET /data/fleet.json", h.snapshot.serve)
	mux.HandleFunc("GET /assets/{version}/{file}", h.serveAsset)
	return secure(mux)
}

func newTemplates() *template.Template {
	return template.Must(template.New("").Funcs(functions()).ParseFS(templateFiles, "template/*.html"))
}

// secure sets the headers that every answer has.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// A frame is what every page has around what it shows.
type frame struct {
	Title  string
	Root   string // the relative way to /, so that the page may be mounted anywhere
	Assets string // the folder of its files
	Report bool   // a file of its own, without a server
}

func (h *handler) frame(title string, r *http.Request) frame {
	root := strings.Repeat("../", max(0, strings.Count(r.URL.EscapedPath(), "/")-1))
	if root == "" {
		root = "./"
	}
	return frame{Title: title, Root: root, Assets: root + "assets/" + h.version}
}

func (h *handler) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := h.templates.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "The page cannot be drawn.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who no longer listens needs no answer
}

func (h *handler) serveMatrix(w http.ResponseWriter, r *http.Request) {
	p := h.snapshot.take().plain
	p.Linked = true
	h.render(w, http.StatusOK, "matrix", struct {
		frame
		Modules []string
		Plain   plain
	}{h.frame("gpreach", r), modules(), p})
}

// A hostPage is what the page of one host shows.
type hostPage struct {
	frame
	document
	Now     time.Time // by which the browser tells ages
	Changes []Change
	CanAsk  bool
	Action  template.URL // where a form asks it anew
	Problem string       // why that did not work
}

func (h *handler) serveHost(w http.ResponseWriter, r *http.Request) {
	h.showHost(w, r, http.StatusOK, "")
}

func (h *handler) showHost(w http.ResponseWriter, r *http.Request, status int, problem string) {
	name := r.PathValue("name")
	ladder, ok := h.source.Ladder(name)
	if !ok {
		h.serveNotFound(w, r)
		return
	}
	d, err := parseDocument(ladder.Document)
	if err != nil {
		http.Error(w, "The host's report cannot be read.", http.StatusInternalServerError)
		return
	}
	action := pathOf("", name) + "/probe"
	if r.Method == http.MethodPost { // then the browser is at /host/NAME/probe
		action = "probe"
	}
	h.render(w, status, "host", hostPage{
		frame: h.frame(visible(name)+" - gpreach", r), document: d, Now: time.Now(), Changes: ladder.Changes,
		CanAsk: h.source.Probe != nil, Problem: problem, Action: action,
	})
}

func (h *handler) serveNotFound(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutPrefix(r.URL.Path, "/host/")
	h.render(w, http.StatusNotFound, "missing", struct {
		frame
		Name string
	}{h.frame("Not found - gpreach", r), name})
}

// serveProbe asks a host while the caller waits, and shows it anew.
func (h *handler) serveProbe(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if h.source.Probe == nil {
		h.showHost(w, r, http.StatusMethodNotAllowed, "Nothing can be asked from this page.")
		return
	}
	if _, ok := h.source.Ladder(name); !ok {
		h.serveNotFound(w, r)
		return
	}
	if err := h.source.Probe(r.Context(), name); err != nil {
		h.showHost(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	h.redirect(w, r)
}

// redirect leads from /host/NAME/probe to /host/NAME, whatever the page's root.
func (h *handler) redirect(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "../"+url.PathEscape(r.PathValue("name")))
	w.WriteHeader(http.StatusSeeOther)
}

// pathOf returns a name as one segment of a relative URL: behind ./, since the
// first part of an IPv6 address would be taken for a scheme.
func pathOf(folder, name string) template.URL {
	return template.URL("./" + folder + url.PathEscape(name)) //nolint:gosec // every byte of the name that means something in a URL is escaped
}
