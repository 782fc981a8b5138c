package exporter

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v4"
)

// maxWebConfig bounds the file of web_config.
const maxWebConfig = 1 << 20

// A Security is what a web configuration asks of who connects.
type Security struct {
	TLS          bool
	Passwords    bool
	Certificates bool // of clients
}

// Authenticated reports whether everybody who connects is asked who they are.
func (s Security) Authenticated() bool { return s.Passwords || s.Certificates }

// authenticated reports whether whoever sent a request was asked who they are.
// exporter-toolkit reads the passwords again at every request, as Secure does; a
// certificate counts where the connection has one, for whether there is TLS was
// settled when the toolkit began to listen.
func (e *Exporter) authenticated(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 || Secure(e.web).Passwords
}

// Secure reads what the file of web_config asks for now. What cannot be read asks
// for nothing.
func Secure(path string) Security {
	var c struct {
		TLS   map[string]any `yaml:"tls_server_config"`
		Users map[string]any `yaml:"basic_auth_users"`
	}
	if path == "" {
		return Security{}
	}
	content, err := readBounded(path, maxWebConfig)
	if err != nil || yaml.Load(content, &c) != nil {
		return Security{}
	}
	return Security{
		TLS:          len(c.TLS) > 0,
		Passwords:    len(c.Users) > 0,
		Certificates: c.TLS["client_auth_type"] == "RequireAndVerifyClientCert",
	}
}

// CheckWeb returns what is wrong with the file of web_config, without the values
// that stand in it.
func CheckWeb(path string) error {
	err := web.Validate(path)
	if err == nil {
		return nil
	}
	var said []string
	for line := range strings.Lines(err.Error()) {
		said = append(said, strings.TrimSpace(quoted.ReplaceAllString(line, "(a value)")))
	}
	return fmt.Errorf("%s: %s", path, strings.TrimPrefix(strings.Join(said, " "), "yaml: "))
}

// quoted is how yaml quotes the values of a file, which may hold the quote too.
var quoted = regexp.MustCompile("`.*`")

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // G304: it is the user who names the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("it is longer than %d KiB", most>>10)
	}
	return content, err
}
