package deploy_test

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// A serveConfig is the configuration of gpreach serve, as docs/serve.md
// has it.
type serveConfig struct {
	Listen        []string
	WebConfig     string   `yaml:"web_config"`
	ExternalHosts []string `yaml:"external_hosts"`
	Allow         []string
	Probe         struct {
		Timeout, Deadline time.Duration
		MaxInFlight       int `yaml:"max_in_flight"`
		Debug, Identify   bool
	}
	Credential struct {
		User, Keytab, Ccache string
		PasswordFile         string `yaml:"password_file"`
		CurrentUser          bool   `yaml:"current_user"`
	}
	Metrics string
	Sweeps  []struct {
		Name             string
		Targets, Exclude []string
		For              string
		Interval         time.Duration
		Concurrency      int
		Rate             float64
		Credential       bool
	}
}

// serveConfigs returns the configurations of gpreach serve that are shipped
// and documented, by where they stand.
func serveConfigs(t *testing.T) map[string]serveConfig {
	t.Helper()
	texts := map[string]string{
		exporterDir + "configmap.yaml": only[configMap](t, exporterDir+"configmap.yaml").Data["gpreach.yml"],
	}
	block := regexp.MustCompile("(?s)```yaml\n(listen:.*?)```").FindSubmatch(read(t, "docs/serve.md"))
	if block == nil {
		t.Fatal("docs/serve.md shows no configuration")
	}
	texts["docs/serve.md"] = string(block[1])
	all := make(map[string]serveConfig)
	for where, text := range texts {
		var c serveConfig
		loader, err := yaml.NewLoader(bytes.NewReader([]byte(text)), yaml.WithKnownFields())
		if err != nil {
			t.Fatal(err)
		}
		if err := loader.Load(&c); err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		all[where] = c
	}
	return all
}

// The seam to the exporter: once package exporter has its loader, this test
// hands it the texts of serveConfigs, and serveConfig goes.
func TestServeConfigs(t *testing.T) {
	for where, c := range serveConfigs(t) {
		if len(c.Listen) == 0 || len(c.Allow) == 0 && len(c.Sweeps) == 0 {
			t.Errorf("%s listens nowhere or asks nothing: %+v", where, c)
		}
		for _, a := range c.Allow {
			if _, err := netip.ParsePrefix(a); err != nil && !strings.HasPrefix(a, ".") {
				t.Errorf("%s allows %q, which is neither a CIDR nor a suffix", where, a)
			}
		}
	}
}
