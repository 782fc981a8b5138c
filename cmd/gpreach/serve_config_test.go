package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writeFile writes a file into dir and returns its path.
func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// post sends an empty POST and returns the status and the body.
func (s *served) post(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// A configuration is read again by POST and by SIGHUP; a bad one changes nothing.
func TestServeReloads(t *testing.T) {
	t.Parallel()
	l, err := startLoopback(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hosts := writeFile(t, dir, "hosts.txt", "127.0.0.11\n")
	config := writeFile(t, dir, "gpreach.yml", "probe: {debug: true}\nsweeps: [{name: all, targets: ['@hosts.txt']}]\n")
	s := serveHosts(t, l, "--config", config)
	s.await(t, `gpreach_report_timestamp_seconds{target="127.0.0.11"} `)
	if _, body, err := s.ask(t.Context(), "/probe?target=127.0.0.11&debug=true", ""); err != nil || !strings.Contains(body, "+ Remote Scheduled Tasks Management (RPC): reachable") {
		t.Errorf("%v: %s", err, body)
	}

	writeFile(t, dir, "hosts.txt", "127.0.0.11\n127.0.0.13\n")
	if status, body := s.post(t, "/-/reload"); status != 200 {
		t.Fatalf("%d: %s", status, body)
	}
	s.await(t, `gpreach_report_timestamp_seconds{target="127.0.0.13"} `)

	writeFile(t, dir, "gpreach.yml", "sweps: []\n")
	if status, body := s.post(t, "/-/reload"); status != 500 || !strings.Contains(body, config+`:1:1: the configuration has no field "sweps"`) {
		t.Errorf("%d: %s", status, body)
	}
	s.await(t, "gpreach_config_last_reload_successful 0\n")
	s.await(t, `gpreach_report_timestamp_seconds{target="127.0.0.13"} `)

	writeFile(t, dir, "gpreach.yml", "metrics: compact\nsweeps: [{name: some, targets: ['@"+hosts+"'], exclude: [127.0.0.11]}]\n")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await(t, `gpreach_sweep_interval_seconds{sweep="some"} 900`)
	_, body, err := s.ask(t.Context(), "/metrics", "")
	if err != nil || strings.Contains(body, "127.0.0.11") || strings.Contains(body, "gpreach_rule_") {
		t.Errorf("%v: %s", err, body)
	}
}

// The command line's files are read again too, and standard input is remembered.
func TestServeReloadsTargets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir, "hosts.txt", "ws-001\n")
	flags, c := serveFlags{}, newServe()
	c.SetContext(t.Context())
	c.SetIn(strings.NewReader("ws-002\n"))
	flags.fleet.files = []string{filepath.Join(dir, "hosts.txt")}
	flags.ask = askFlags{operations: "all", timeout: time.Second, deadline: time.Second, concurrency: 1, smbPort: 445, mapperPort: 135, liveness: "none"}
	load := flags.loader(c, []string{"-"})
	for round, want := range []int{2, 2, 3} {
		s, err := load()
		if err != nil || s.Sweeps[0].Targets.Len() != want {
			t.Fatalf("round %d: %v, %+v", round, err, s)
		}
		if round == 1 {
			writeFile(t, dir, "hosts.txt", "ws-001\nws-003\n")
		}
	}
}

// Stopped in the middle of a sweep whose hosts do not answer, it ends at once.
func TestServeEndsInASweep(t *testing.T) {
	t.Parallel()
	l, err := startLoopback(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	s := serveHosts(t, l, "127.0.0.21", "127.0.0.22", "--timeout", "1h", "--deadline", "1h")
	<-l.hosts["MUTE1"].met
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(); code != exitOK || strings.Contains(s.log.String(), "sweep finished") {
		t.Errorf("exit code %d:\n%s", code, &s.log)
	}
}

// certificate writes a certificate for this machine and its key.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	pool.AppendCertsFromPEM(public)
	writeFile(t, dir, "cert.pem", string(public))
	writeFile(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})))
	return pool
}

// TLS and passwords are exporter-toolkit's, at every address. Health is behind
// them like all else.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	l, err := startLoopback(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pool := certificate(t, dir)
	// The password is "fakepassword", at bcrypt's least cost.
	web := writeFile(t, dir, "web.yml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {sre: $2a$04$4r9Rlirv3Bf0wnKQyXXvVu/u0lVhVOTkAdwF0OdVvV.ENOGniwHaW}\n")
	s := serveHosts(t, l, "127.0.0.11", "--web.listen-address", "127.0.0.9:0", "--web.config.file", web)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	ask := func(user string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(s.url, "http:", "https:", 1)+"/-/healthy", nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			r.SetBasicAuth(user, "fakepassword")
		}
		res, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body bytes.Buffer
		_, _ = body.ReadFrom(res.Body)
		return res.StatusCode, fmt.Sprintf("%s %s", res.Proto, &body)
	}
	if status, said := ask(""); status != http.StatusUnauthorized {
		t.Errorf("without a password: %d %s", status, said)
	}
	if status, said := ask("sre"); status != 200 || said != "HTTP/2.0 ok\n" {
		t.Errorf("with it: %d %s", status, said)
	}
	if status, _, err := s.ask(t.Context(), "/-/healthy", ""); err != nil || status != http.StatusBadRequest {
		t.Errorf("without TLS: %d, %v", status, err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait()
	if log := s.log.String(); strings.Count(log, "msg=listening") != 2 || strings.Count(log, "tls=true authentication=true") != 2 {
		t.Errorf("it does not say how it listens:\n%s", log)
	}
}

// Who listens wider without TLS and passwords is told loudly.
func TestServeSaysHowItListens(t *testing.T) {
	t.Parallel()
	l, err := startLoopback(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	s := serveHosts(t, l, "127.0.0.11", "--web.listen-address", "0.0.0.0:0")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait()
	if log := s.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "without TLS and authentication") {
		t.Errorf("%s", log)
	}
}

// demo --serve serves a fleet that it simulates.
func TestDemoServe(t *testing.T) {
	t.Parallel()
	s := start(t, "demo", "--serve", "--hosts", "40", "--web.listen-address", "127.0.0.1:0")
	s.await(t, `gpreach_operation_info{operation="refresh",status="unreachable",target="scheduler-stopped.demo.example"} 1`)
	if status, body, err := s.ask(context.WithoutCancel(t.Context()), "/targets", ""); err != nil || status != 200 || strings.Count(body, `"targets"`) != 40 {
		t.Errorf("%d, %v: %s", status, err, body)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, &s.log)
	}
}
