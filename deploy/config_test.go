package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/gpreach/gpreach/exporter"
)

// serveConfigs returns the configurations of gpreach serve that are shipped
// and documented, by where they stand, as the exporter reads them.
func serveConfigs(t *testing.T) map[string]*exporter.Settings {
	t.Helper()
	texts := map[string]string{
		exporterDir + "configmap.yaml": only[configMap](t, exporterDir+"configmap.yaml").Data["gpreach.yml"],
		"deploy/config.example.yml":    string(read(t, "deploy/config.example.yml")),
	}
	block := regexp.MustCompile("(?s)```yaml\n(listen:.*?)```").FindSubmatch(read(t, "docs/serve.md"))
	if block == nil {
		t.Fatal("docs/serve.md shows no configuration")
	}
	texts["docs/serve.md"] = string(block[1])
	all := make(map[string]*exporter.Settings)
	for where, text := range texts {
		dir := t.TempDir()
		for name, content := range map[string]string{
			"gpreach.yml": text, "web.yml": "", "gpreach.keytab": "",
			"hosts.example.txt": string(read(t, "deploy/hosts.example.txt")), "hosts.txt": "ws-001\n", "workstations.txt": "ws-001\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := exporter.Load(filepath.Join(dir, "gpreach.yml"), false, func(exporter.Credential) error { return nil })
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		all[where] = s
	}
	return all
}

func TestServeConfigs(t *testing.T) {
	for where, s := range serveConfigs(t) {
		if len(s.Listen) == 0 || s.Allow == nil && len(s.Sweeps) == 0 {
			t.Errorf("%s listens nowhere or asks nothing: %+v", where, s)
		}
	}
}
