package page

import (
	"fmt"
	"net/http"
)

// Handler serves the page of a source.
func Handler(s Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		f := s.Fleet()
		fmt.Fprintf(w, "gpreach: can Group Policy Results and a remote gpupdate reach these hosts?\n\n%d hosts, %d causes.\n\n"+
			"/probe?target=HOST&for=rsop|refresh|all   one host, probed now\n/metrics /targets /-/healthy /-/ready\n", len(f.Hosts), len(f.Causes))
	})
	return mux
}
