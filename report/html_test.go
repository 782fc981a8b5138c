package report

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/page"
	"github.com/gpreach/gpreach/probe"
)

var (
	inlined = regexp.MustCompile(`<script type="application/gzip" id="([a-z0-9-]+)">([^<]*)</script>`)
	code    = regexp.MustCompile(`(?s)<(style|script)( type="module")?>.*?</(style|script)>`)
	hashes  = regexp.MustCompile(`&#39;sha256-.*?&#39;`)
)

// readable returns an HTML report with its data unzipped, and without its
// script and style.
func readable(t *testing.T, file string) string {
	t.Helper()
	file = hashes.ReplaceAllString(code.ReplaceAllString(file, "<$1$2>...</$1>"), "sha256")
	return inlined.ReplaceAllStringFunc(file, func(element string) string {
		part := inlined.FindStringSubmatch(element)
		return fmt.Sprintf("<script id=%q>\n%s</script>", part[1], unzip(t, part[2]))
	})
}

func unzip(t *testing.T, text string) []byte {
	t.Helper()
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dataOf returns what an HTML report has inlined, by id.
func dataOf(t *testing.T, file string) map[string][]byte {
	t.Helper()
	data := map[string][]byte{}
	for _, part := range inlined.FindAllStringSubmatch(file, -1) {
		data[part[1]] = unzip(t, part[2])
	}
	return data
}

func TestHTMLGolden(t *testing.T) {
	var out bytes.Buffer
	reports := ask(t, probe.Operations(), "healthy-client", "reporting-gpo-only", "silent")
	write(t, HTML(&out), reports[2], excluded(3), reports[0], reports[1])
	golden(t, "fleet.html", readable(t, out.String()))
}

// The matrix is in target order, without those excluded, and each host's
// document is where the script looks for it.
func TestHTMLOrder(t *testing.T) {
	const n = 150 // three parts
	var out bytes.Buffer
	w := HTML(&out)
	for i := range n {
		place := (i*7 + 3) % n
		r := named(fmt.Sprintf("ws-%03d", place), place)
		r.Excluded = place == 50
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data := dataOf(t, out.String())
	var fleet page.Fleet
	var order []int
	if err := errors.Join(json.Unmarshal(data["fleet"], &fleet), json.Unmarshal(data["order"], &order)); err != nil {
		t.Fatal(err)
	}
	if len(fleet.Hosts) != n-1 || len(order) != n-1 || len(data) != 5 {
		t.Fatalf("%d hosts, %d places, %d inlined", len(fleet.Hosts), len(order), len(data))
	}
	for i, h := range fleet.Hosts {
		want := i
		if i >= 50 {
			want++
		}
		var part []struct{ Target string }
		if err := json.Unmarshal(data[fmt.Sprintf("part-%d", order[i]/64)], &part); err != nil {
			t.Fatal(err)
		}
		if name := fmt.Sprintf("ws-%03d", want); h.Name != name || part[order[i]%64].Target != name {
			t.Fatalf("host %d is %s, its document that of %s, want %s", i, h.Name, part[order[i]%64].Target, name)
		}
	}
}

// A host's causes are those of its findings, by their places among all causes.
func TestHTMLCauses(t *testing.T) {
	var out bytes.Buffer
	reports := ask(t, probe.Operations(), "reporting-gpo-only", "refresh-gpo-only", "default-firewall", "healthy-client")
	write(t, HTML(&out), reports...)
	var fleet page.Fleet
	if err := json.Unmarshal(dataOf(t, out.String())["fleet"], &fleet); err != nil {
		t.Fatal(err)
	}
	for i, r := range reports {
		var want, got []string
		for _, c := range r.Causes() {
			want = append(want, fmt.Sprintf("%s: %s", c.Owner, c))
		}
		for _, at := range fleet.Hosts[i].Causes {
			got = append(got, fmt.Sprintf("%s: %s", fleet.Causes[at].Owner, fleet.Causes[at].Text))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r.Target.Name, diff)
		}
	}
	if first := fleet.Causes[0]; first.Hosts != 2 || first.Text != "TCP 445: connect timeout" {
		t.Errorf("the first cause is %+v", first)
	}
}

// The script is one module without imports, and nothing in the file ends it early.
func TestHTMLScript(t *testing.T) {
	var out bytes.Buffer
	write(t, HTML(&out))
	file := out.String()
	_, script, _ := strings.Cut(file, `<script type="module">`)
	script, rest, _ := strings.Cut(script, "</script>")
	if strings.TrimSpace(rest) != "</body>\n</html>" {
		t.Errorf("behind the script: %q", rest)
	}
	if at := regexp.MustCompile(`(?m)^(import|export) .*`).FindString(script); at != "" {
		t.Errorf("the script has %q", at)
	}
	if at := regexp.MustCompile(`(src|href|action)="?[^"# d][^"]*`).FindString(file[:strings.Index(file, "<style>")]); at != "" {
		t.Errorf("the file needs %q", at)
	}
}

func TestHTMLWriteErrors(t *testing.T) {
	for room := 0; room < 200_000; room += 9_000 {
		w := HTML(&short{room: room})
		var err error
		for i := range 130 {
			if err = w.Add(named("ws", i)); err != nil {
				break
			}
		}
		if err == nil {
			err = w.Close()
		}
		if err == nil {
			if room < 50_000 {
				t.Errorf("no error with room for %d bytes", room)
			}
			return
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("with room for %d bytes: %v", room, err)
		}
	}
	t.Error("never enough room")
}

// short is a disk with little room.
type short struct{ room int }

func (s *short) Write(b []byte) (int, error) {
	if s.room -= len(b); s.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}
