package page

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
)

// nasty is a name that would do harm wherever it is not escaped.
const nasty = "</script><script>alert(1)</script>\"'\u202e/../%2e?#&\x00"

// sample is a Fleet of two hosts, one of which has a nasty name.
func sample() Fleet {
	return Fleet{
		Vantage: "gpmc01", Made: time.Unix(1, 0), Operations: probe.Operations(), Rules: Rules(probe.Operations()),
		Causes: []Cause{{Owner: probe.HostFirewall, Text: "TCP 445: connect timeout", Hosts: 1, Reason: "<b>dropped</b>.", Fix: "Open it: " + probe.RunOnHost + "Get-It | Enable-It"}},
		Sweeps: []Sweep{{Name: "all", Interval: time.Minute}},
		Hosts: []Host{
			{Name: "ws-001", Address: "10.0.0.1", Status: []probe.Status{"ready", ""}, Rules: make([]Cell, 6), Causes: []int{}},
			{Name: nasty, Status: []probe.Status{"silent", "unreachable"}, Before: []probe.Status{"ready", "ready"}, Rules: make([]Cell, 6), Causes: []int{0}},
		},
	}
}

// sampleDocument is the report of a host with that name, which says nasty things.
func sampleDocument(name string) []byte {
	b, err := json.Marshal(map[string]any{
		"target": name, "vantage": nasty, "credential": nasty, "address": nasty, "started": "2026-11-22T20:15:00.123Z", "elapsed_ms": 42.1,
		"identity":   map[string]string{"computer": nasty, "dns": nasty, "domain": nasty, "build": nasty},
		"operations": []any{map[string]string{"operation": nasty, "status": nasty, "reason": nasty}},
		"findings": []any{map[string]any{
			"rule": nasty, "name": nasty, "for": []string{nasty}, "verdict": nasty, "access": nasty, "reason": nasty, "fix": nasty + probe.RunOnHost + nasty,
			"owner": nasty, "cause": nasty, "trail": []any{map[string]any{"stage": nasty, "peer": nasty, "outcome": nasty, "elapsed_ms": 0.1, "detail": nasty}, map[string]any{"stage": "authenticate", "peer": "KDC", "outcome": "ok"}},
		}},
		"warnings": []string{nasty},
	})
	if err != nil {
		panic(err)
	}
	return b
}

func sampleSource() Source {
	return Source{
		Fleet: sample,
		Ladder: func(host string) (Ladder, bool) {
			if host != nasty && host != "ws-001" && host != "fe80::1%eth0" {
				return Ladder{}, false
			}
			return Ladder{Document: sampleDocument(host), Changes: []Change{{time.Unix(1, 0), "rsop", "", "ready"}}}, true
		},
		Probe: func(context.Context, string) error { return nil },
	}
}

func request(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	assets := "/assets/" + hashAssets()
	tests := []struct {
		name, method, target string
		status               int
		kind                 string // Content-Type
		says                 string
	}{
		{"the matrix", "GET", "/", 200, "text/html; charset=utf-8", "2 hosts, asked from gpmc01"},
		{"its head alone", "HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"a host", "GET", "/host/ws-001", 200, "text/html; charset=utf-8", "<bdi>ws-001</bdi>"},
		{"a host with a nasty name", "GET", "/host/" + url.PathEscape(nasty), 200, "text/html; charset=utf-8", "Trail"},
		{"a host that is not there", "GET", "/host/ws-002", 404, "text/html; charset=utf-8", "There is no report of"},
		{"a way that no host has", "GET", "/host/ws-001/more/of/it", 404, "text/html; charset=utf-8", `href="../../../../"`},
		{"no host", "GET", "/host/", 404, "text/html; charset=utf-8", "There is no report of"},
		{"a host asked now", "POST", "/host/ws-001/probe", 303, "", ""},
		{"a host asked now that is not there", "POST", "/host/ws-002/probe", 404, "text/html; charset=utf-8", "There is no report of"},
		{"the address of an error, loaded again", "GET", "/host/ws-001/probe", 303, "", ""},
		{"the data", "GET", "/data/fleet.json", 200, "application/json", `"vantage":"gpmc01"`},
		{"a style", "GET", assets + "/page.css", 200, "text/css; charset=utf-8", ":root"},
		{"a script", "GET", assets + "/main.js", 200, "text/javascript; charset=utf-8", "import"},
		{"a script of another version", "GET", "/assets/0123456789abcdef/main.js", 404, "text/plain; charset=utf-8", ""},
		{"no script", "GET", assets + "/nosuch.js", 404, "text/plain; charset=utf-8", ""},
		{"a way out of the assets", "GET", assets + "/..%2ftemplate%2fhost.html", 404, "text/plain; charset=utf-8", ""},
		{"what is the caller's", "GET", "/metrics", 404, "text/plain; charset=utf-8", ""},
		{"another method", "POST", "/", 405, "text/plain; charset=utf-8", ""},
		{"a host deleted", "DELETE", "/host/ws-001", 405, "text/plain; charset=utf-8", ""},
	}
	h := Handler(sampleSource())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := request(h, tt.method, tt.target)
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.kind || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			for name, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
				"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

// Whatever a host is called or said stands in the page as text.
func TestEscapes(t *testing.T) {
	h := Handler(sampleSource())
	for _, target := range []string{"/", "/host/" + url.PathEscape(nasty), "/host/" + url.PathEscape("x"+nasty)} {
		body := request(h, "GET", target).Body.String()
		for _, forbidden := range []string{"<script>", "<b>dropped", "\u202e", "\x00", "alert(1)</script>"} {
			if strings.Contains(body, forbidden) {
				t.Errorf("%s has %q", target, forbidden)
			}
		}
		if !strings.Contains(body, `\u{202e}`) {
			t.Errorf("%s does not show what cannot be seen", target)
		}
	}
	body := request(h, "GET", "/data/fleet.json").Body.String()
	if strings.ContainsAny(body, "<>&") {
		t.Errorf("the data could be taken for HTML: %s", body)
	}
}

// No page has a script or a style in itself, which the policy would stop, nor
// an address of anybody else.
func TestPagesAreTheirOwn(t *testing.T) {
	h := Handler(sampleSource())
	inline := regexp.MustCompile(`<style|<script>|<script [^>]*>[^<]| style=| on[a-z]+=|(href|src|action)="(https?:)?//`)
	for _, target := range []string{"/", "/host/ws-001", "/host/nobody"} {
		if at := inline.FindString(request(h, "GET", target).Body.String()); at != "" {
			t.Errorf("%s has %q", target, at)
		}
	}
}

// Links are relative, so that the page may be mounted anywhere, and name the
// host in one segment, an IPv6 address too.
func TestLinks(t *testing.T) {
	s := sampleSource()
	h := http.StripPrefix("/gpreach", Handler(s))
	body := request(h, "GET", "/gpreach/host/fe80::1%25eth0").Body.String()
	for _, want := range []string{`action="./fe80::1%25eth0/probe"`, `href="../"`, `src="../assets/`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if got := request(h, "POST", "/gpreach/host/fe80::1%25eth0/probe").Header().Get("Location"); got != "../fe80::1%25eth0" {
		t.Errorf("leads to %s", got)
	}
}

func TestProbeNow(t *testing.T) {
	var asked []string
	s := sampleSource()
	s.Probe = func(_ context.Context, host string) error { asked = append(asked, host); return nil }
	request(Handler(s), "POST", "/host/"+url.PathEscape(nasty)+"/probe")
	if !slices.Equal(asked, []string{nasty}) {
		t.Errorf("asked %q", asked)
	}

	s.Probe = func(context.Context, string) error { return errors.New("<i>Not</i> covered by allow.") }
	w := request(Handler(s), "POST", "/host/ws-001/probe")
	if body := w.Body.String(); w.Code != http.StatusServiceUnavailable || !strings.Contains(body, "&lt;i&gt;Not&lt;/i&gt; covered by allow.") ||
		!strings.Contains(body, `action="probe"`) || !strings.Contains(body, `href="../../"`) {
		t.Errorf("%d %s", w.Code, body)
	}

	s.Probe = nil
	if w := request(Handler(s), "POST", "/host/ws-001/probe"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("%d where nothing can be asked", w.Code)
	}
	if strings.Contains(request(Handler(s), "GET", "/host/ws-001").Body.String(), "Probe now") {
		t.Error("a button that does nothing")
	}
}

func TestBrokenDocument(t *testing.T) {
	s := sampleSource()
	s.Ladder = func(string) (Ladder, bool) { return Ladder{Document: []byte("{")}, true }
	if w := request(Handler(s), "GET", "/host/ws-001"); w.Code != http.StatusInternalServerError {
		t.Errorf("%d", w.Code)
	}
}

// A Fleet that says the same is not sent again, and is built once a second at most.
func TestFleetIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		built := 0
		now := sample()
		s := sampleSource()
		s.Fleet = func() Fleet {
			built++
			f := now
			f.Made = time.Now()
			return f
		}
		h := Handler(s)
		first := request(h, "GET", "/data/fleet.json")
		tag := first.Header().Get("ETag")
		if request(h, "GET", "/"); built != 1 {
			t.Errorf("built %d times in a moment", built)
		}
		time.Sleep(freshFor)
		if w := request(h, "GET", "/data/fleet.json", "If-None-Match", tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
			t.Errorf("%d with %d bytes where only Made changed", w.Code, w.Body.Len())
		}
		changes := []func(){
			func() { now.Hosts[0].Asked = time.Unix(9, 0) },
			func() { now.Hosts[0].Status[0] = probe.StatusDenied },
			func() { now.Hosts[0].Before = []probe.Status{"", ""} },
			func() { now.Hosts[0].Rules[5].Access = probe.Denied },
			func() { now.Hosts[0].Causes = []int{0} },
			func() { now.Hosts[0].Name = "ws-002" },
			func() { now.Hosts = now.Hosts[:1] },
			func() { now.Causes[0].Hosts = 2 },
			func() { now.Sweeps[0].Took = time.Second },
		}
		for i, change := range changes {
			change()
			time.Sleep(freshFor)
			w := request(h, "GET", "/data/fleet.json", "If-None-Match", tag)
			if w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
				t.Errorf("change %d is not seen", i)
			}
			tag = w.Header().Get("ETag")
		}
	})
}

func TestFleetZipped(t *testing.T) {
	h := Handler(sampleSource())
	plain := request(h, "GET", "/data/fleet.json").Body.String()
	w := request(h, "GET", "/data/fleet.json", "Accept-Encoding", "br, gzip")
	z, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatal(err, w.Header())
	}
	unzipped, err := io.ReadAll(z)
	if err != nil || string(unzipped) != plain {
		t.Error(err, string(unzipped))
	}
	var got Fleet
	if err := json.Unmarshal(unzipped, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("(-sent +read):\n%s", diff)
	}
}

// Without a script the first hosts are listed, and how many there are is told.
func TestPlainList(t *testing.T) {
	s := sampleSource()
	s.Fleet = func() Fleet {
		f := sample()
		f.Hosts = append(slices.Repeat(f.Hosts[:1], maxPlain), f.Hosts[1])
		return f
	}
	body := request(Handler(s), "GET", "/").Body.String()
	if n := strings.Count(body, `<a href="./host/ws-001">`); n != maxPlain-1 || !strings.Contains(body, "Showing 300 of 301. The worst stand first.") {
		t.Errorf("%d hosts", n)
	}
	worst, other := strings.Index(body, `<td class="bad">x unreachable</td><td>TCP 445: connect timeout</td>`), strings.Index(body, `<a href="./host/ws-001">`)
	if worst < 0 || worst > other {
		t.Errorf("the worst host is at %d, another at %d", worst, other)
	}
}

// FuzzHostPath is any name in the address: it is found under exactly that name,
// or leads nowhere.
func FuzzHostPath(f *testing.F) {
	for _, name := range []string{"ws-001", nasty, "fe80::1%eth0", "..", ".", "a/b", "%", "\\", "probe"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" {
			return
		}
		s := Source{Fleet: sample, Probe: func(context.Context, string) error { return nil }}
		var found []string
		s.Ladder = func(host string) (Ladder, bool) {
			found = append(found, host)
			return Ladder{Document: sampleDocument(host)}, true
		}
		h := Handler(s)
		w := request(h, "GET", "/host/"+url.PathEscape(name))
		if path.Clean("/host/"+name) != "/host/"+name {
			return // no host is called so, and browsers and servers make another path of it
		}
		if w.Code != http.StatusOK || !slices.Equal(found, []string{name}) {
			t.Fatalf("%q: %d, found %q", name, w.Code, found)
		}
		if body := w.Body.String(); strings.Contains(body, "<script>") || strings.ContainsFunc(body, func(r rune) bool { return unseen(r) && r != '\n' }) {
			t.Errorf("%q stands in the page as it is", name)
		}
		where, err := url.Parse("http://localhost/host/" + url.PathEscape(name) + "/probe")
		if err != nil {
			t.Fatal(err)
		}
		back, err := where.Parse(request(h, "POST", where.RequestURI()).Header().Get("Location"))
		if err != nil || back.Path != "/host/"+name {
			t.Errorf("%q leads back to %v, %v", name, back, err)
		}
	})
}
