package exporter

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v4"
)

// maxWebConfig bounds the file of web_config.
const maxWebConfig = 1 << 20

// A Security is what a web configuration asks of who connects.
type Security struct {
	TLS           bool
	Authenticated bool // by password, or by a client's certificate
}

// Secure reads what the file of web_config asks for now: exporter-toolkit reads
// it again at every request too. What cannot be read asks for nothing.
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
		TLS:           len(c.TLS) > 0,
		Authenticated: len(c.Users) > 0 || c.TLS["client_auth_type"] == "RequireAndVerifyClientCert",
	}
}

// CheckWeb returns what is wrong with the file of web_config, without the values
// that stand in it.
func CheckWeb(path string) error {
	err := web.Validate(path)
	if err == nil {
		return nil
	}
	return errors.New(quoted.ReplaceAllString(err.Error(), "(a value)"))
}

// quoted is how yaml quotes the values of a file.
var quoted = regexp.MustCompile("`[^`]*`")

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
