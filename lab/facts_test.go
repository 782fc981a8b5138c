//go:build lab && linux

package lab_test

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the other tests of this folder take for granted about the lab.

func TestDomainControllerAnswers(t *testing.T) {
	for _, port := range []string{"53", "135", "445"} {
		t.Run(port, func(t *testing.T) {
			if err := dial(t, net.JoinHostPort(dcAddr, port), 5*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	addrs, err := net.DefaultResolver.LookupHost(t.Context(), dcName)
	if err != nil || !slices.Equal(addrs, []string{dcAddr}) {
		t.Errorf("%s: %v, %v; want %s", dcName, addrs, err, dcAddr)
	}
	var dns *net.DNSError
	_, err = net.DefaultResolver.LookupHost(t.Context(), "nobody.corp.example")
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("nobody.corp.example: %v; want no such host", err)
	}
}

// Where no domain controller is: the addresses of simulated hosts, one that nobody has, and the world outside.
func TestElsewhere(t *testing.T) {
	tests := []struct {
		addr string
		want syscall.Errno
	}{
		{idleAddr, syscall.ECONNREFUSED},
		{absentAddr, syscall.EHOSTUNREACH}, // after 3 s, when the kernel has asked for its Ethernet address in vain
		{"192.0.2.1", syscall.ENETUNREACH}, // there is no default route, so nothing leaks
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			t.Parallel()
			if err := dial(t, net.JoinHostPort(tt.addr, "445"), 30*time.Second); !errors.Is(err, tt.want) {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
}

func TestFirewall(t *testing.T) {
	mapper := net.JoinHostPort(dcAddr, "135")
	tests := []struct {
		rule    string
		timeout time.Duration
		want    func(error) bool
	}{
		{"tcp dport 135 drop", 200 * time.Millisecond, os.IsTimeout},
		{"tcp dport 135 reject with tcp reset", 30 * time.Second, is(syscall.ECONNREFUSED)},
		// The kernel reports this one at once or after 1 s.
		{"tcp dport 135 reject with icmpx admin-prohibited", 30 * time.Second, is(syscall.EHOSTUNREACH)},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			firewall(t, tt.rule)
			if err := dial(t, mapper, tt.timeout); !tt.want(err) {
				t.Errorf("not what this rule does: %v", err)
			}
		})
		if err := dial(t, mapper, 5*time.Second); err != nil {
			t.Errorf("after %q was taken away: %v", tt.rule, err)
		}
	}
}

func is(want error) func(error) bool {
	return func(err error) bool { return errors.Is(err, want) }
}

func TestPrometheus(t *testing.T) {
	server := prometheus(t, "global: { external_labels: { lab: gpreach } }\n")
	status, body, err := get(t.Context(), server+"/api/v1/status/config")
	if err != nil || status != 200 || !strings.Contains(body, "lab: gpreach") {
		t.Errorf("status %d, %v, without the configuration: %s", status, err, body)
	}
	_, metrics, err := get(t.Context(), server+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, metrics, "check", "metrics")
}
