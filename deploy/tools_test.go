//go:build tools

// What Prometheus and systemd themselves say of the files that are shipped.
// scripts/test.sh runs these where promtool and systemd-analyze are there.

package deploy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// run runs a tool. What it objects to fails the test.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// prometheusDir returns a copy of deploy/prometheus with the certificates and
// the password that its files name, and that nobody ships.
func prometheusDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("prometheus")); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"gpreach.corp.example"}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	write(t, filepath.Join(dir, "gpreach.crt"), certificate)
	write(t, filepath.Join(dir, "gpreach.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	write(t, filepath.Join(dir, "examples", "ca.crt"), certificate)
	write(t, filepath.Join(dir, "examples", "gpreach.password"), []byte("secret\n"))
	return dir
}

func TestPromtoolRules(t *testing.T) {
	t.Run("check", func(t *testing.T) {
		run(t, "promtool", "check", "rules", "--lint=all", "--lint-fatal", "prometheus/alerts.yml")
	})
	t.Run("test", func(t *testing.T) { run(t, "promtool", "test", "rules", "prometheus/alerts_test.yml") })
}

func TestPromtoolConfigs(t *testing.T) {
	dir := prometheusDir(t)
	examples, err := filepath.Glob(filepath.Join(dir, "examples", "*.yml"))
	if err != nil || len(examples) < 6 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, file := range examples {
		t.Run(filepath.Base(file), func(t *testing.T) { run(t, "promtool", "check", "config", file) })
	}
	block := regexp.MustCompile("(?s)```yaml\n(scrape_configs:.*?)```")
	for _, file := range append(glob(t, "docs/*.md"), "README.md") {
		for _, m := range block.FindAllSubmatch(read(t, file), -1) {
			t.Run(filepath.Base(file), func(t *testing.T) {
				run(t, "promtool", "check", "config", write(t, filepath.Join(dir, "examples", "block.yml"), m[1]))
			})
		}
	}
}

func TestPromtoolWebConfigs(t *testing.T) {
	for _, file := range []string{filepath.Join(prometheusDir(t), "web.yml"), "kubernetes/authenticated/web.yml"} {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) { run(t, "promtool", "check", "web-config", file) })
	}
}

// Every query of the dashboards and the documents parses.
func TestPromtoolQueries(t *testing.T) {
	all := queries(t)
	block := regexp.MustCompile("(?s)```promql\n(.*?)```")
	for _, file := range append(glob(t, "docs/*.md"), glob(t, "docs/runbooks/*.md")...) {
		for _, m := range block.FindAllSubmatch(read(t, file), -1) {
			for line := range strings.Lines(string(m[1])) {
				if line = strings.TrimSpace(line); line != "" {
					all = append(all, query{file, line})
				}
			}
		}
	}
	known := metrics(t)
	var rules []any
	for _, q := range all {
		if unknown := unknownMetrics(q.expr, known); unknown != nil {
			t.Errorf("%s asks for %v, which nothing exposes", q.where, unknown)
		}
		rules = append(rules, map[string]any{"alert": q.where, "expr": q.expr}) // promtool names the alert whose query is wrong
	}
	content, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "queries", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, "promtool", "check", "rules", "--lint=none", write(t, filepath.Join(t.TempDir(), "rules.yml"), content))
}

// systemd knows every setting of the units, with a program in place of ours,
// which is not installed here.
func TestSystemdUnits(t *testing.T) {
	dir := t.TempDir()
	for _, unit := range []string{"gpreach.service", "gpreach.socket"} {
		content := strings.ReplaceAll(string(read(t, "deploy/systemd/"+unit)), "/usr/local/bin/gpreach", "/bin/true")
		write(t, filepath.Join(dir, unit), []byte(content))
	}
	dropIn := filepath.Join(dir, "gpreach.service.d")
	if err := os.Mkdir(dropIn, 0o700); err != nil {
		t.Fatal(err)
	}
	content := strings.ReplaceAll(string(read(t, "deploy/systemd/socket.conf")), "/usr/local/bin/gpreach", "/bin/true")
	write(t, filepath.Join(dropIn, "socket.conf"), []byte(content))
	out := run(t, "systemd-analyze", "verify", "--man=no", filepath.Join(dir, "gpreach.service"), filepath.Join(dir, "gpreach.socket"))
	if strings.Contains(out, "gpreach") {
		t.Errorf("systemd-analyze verify:\n%s", out) // an unknown setting is a warning to it
	}
}
