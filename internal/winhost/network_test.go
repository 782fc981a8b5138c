package winhost

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var here = netip.MustParseAddr("10.77.0.101")

func TestDial(t *testing.T) {
	silent := func(host *Host) { host.Undeclared = Drop }
	for _, test := range []struct {
		name    string
		address string
		arrange func(*Host)
		want    error // nil: connected
		timeout bool
		took    time.Duration
	}{
		{"a service", "10.77.0.101:445", silent, nil, false, rtt},
		{"the same in IPv6's form", "[::ffff:10.77.0.101]:445", silent, nil, false, rtt},
		{"an undeclared port", "10.77.0.101:1", silent, context.DeadlineExceeded, true, 2 * time.Second},
		{"a refusing host", "10.77.0.101:1", func(h *Host) { h.Undeclared = Refuse }, syscall.ECONNREFUSED, false, rtt},
		{"a router's word", "10.77.0.101:1", func(h *Host) { h.Undeclared = ICMP }, syscall.EHOSTUNREACH, false, rtt},
		{"a port that differs", "10.77.0.101:445", func(h *Host) { h.Ports[445] = Port{Fate: Refuse} }, syscall.ECONNREFUSED, false, rtt},
		{"our own firewall", "10.77.0.101:445", func(h *Host) { h.Ports[445] = Port{Fate: NotPermitted} }, syscall.EPERM, false, 0},
		{"no descriptors", "10.77.0.101:445", func(h *Host) { h.Ports[445] = Port{Fate: NoResources} }, syscall.EMFILE, false, 0},
		{"nobody's address", "10.77.0.102:445", silent, context.DeadlineExceeded, true, 2 * time.Second},
		{"a host farther away than the timeout", "10.77.0.101:445", func(h *Host) { h.RTT = time.Minute }, context.DeadlineExceeded, true, 2 * time.Second},
		{"the first connects lost", "10.77.0.101:445", func(h *Host) { h.Ports[445] = Port{Serve: Mute, Fails: 1} }, context.DeadlineExceeded, true, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c net.Conn
			var err error
			took := bubble(t, func(t *testing.T) {
				h := Client("ws-001.corp.example", here)
				h.RTT = rtt
				test.arrange(h)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				if c, err = NewNetwork(h).Dial(ctx, "tcp", test.address); err == nil {
					defer c.Close()
				}
			})
			var op *net.OpError
			switch {
			case test.want == nil:
				if err != nil || c.RemoteAddr().String() != "10.77.0.101:445" || c.LocalAddr().(*net.TCPAddr).Port == 0 {
					t.Errorf("got %v, %v", c, err)
				}
			case !errors.Is(err, test.want) || !errors.As(err, &op) || op.Op != "dial" || op.Timeout() != test.timeout:
				t.Errorf("error %v, want %v of a dial", err, test.want)
			}
			if took != test.took {
				t.Errorf("took %v, want %v", took, test.took)
			}
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, address := range []string{"10.77.0.101:135", "10.77.0.101:1"} {
			_, err := NewNetwork(Client("ws-001", here)).Dial(ctx, "tcp", address)
			var op *net.OpError
			if !errors.Is(err, context.Canceled) || !errors.As(err, &op) || op.Timeout() {
				t.Errorf("%s: %v, want canceled", address, err)
			}
		}
	})
	for _, bad := range [][2]string{{"tcp", "ws-001:445"}, {"tcp", "10.77.0.101"}, {"udp", "10.77.0.101:445"}} {
		if _, err := NewNetwork().Dial(t.Context(), bad[0], bad[1]); err == nil {
			t.Errorf("Dial(%q, %q) worked", bad[0], bad[1])
		}
	}
}

func TestFailsThenServes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := Client("ws-001", here)
		h.Ports[445] = Port{Fate: NoResources, Fails: 2, Serve: Mute}
		n := NewNetwork(h)
		var got []bool
		for range 4 {
			c, err := n.Dial(t.Context(), "tcp", "10.77.0.101:445")
			if err == nil {
				c.Close()
			}
			got = append(got, err == nil)
		}
		if want := []bool{false, false, true, true}; !slices.Equal(got, want) {
			t.Errorf("connected: %v, want %v", got, want)
		}
	})
}

func TestTheNetworkRemembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := NewNetwork(Client("ws-001", here))
		for _, words := range []string{"one ", "two"} {
			c, err := n.Dial(t.Context(), "tcp", "10.77.0.101:5040")
			if err != nil {
				t.Fatal(err)
			}
			write(t, c, words)
			c.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = n.Dial(ctx, "tcp", "10.77.0.102:445") // nobody is there
		if got, want := n.Dialled(), []string{"10.77.0.101:5040", "10.77.0.102:445"}; !slices.Equal(got, want) {
			t.Errorf("Dialled = %v, want %v", got, want)
		}
		if n.Dials("10.77.0.101:5040") != 2 || n.Dials("10.77.0.101:135") != 0 {
			t.Errorf("Dials = %d and %d, want 2 and 0", n.Dials("10.77.0.101:5040"), n.Dials("10.77.0.101:135"))
		}
		if got := string(n.Sent("10.77.0.101:5040")); got != "one two" {
			t.Errorf("Sent = %q", got)
		}
		c, err := n.Dial(t.Context(), "tcp", "10.77.0.101:5040")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		write(t, c, string(make([]byte, 2*recorded)))
		if got := len(n.Sent("10.77.0.101:5040")); got != recorded {
			t.Errorf("%d bytes kept, want %d", got, recorded)
		}
	})
}

func TestLookup(t *testing.T) {
	n := NewNetwork(Client("WS-001.corp.example", here))
	broken := errors.New("server misbehaving")
	n.Names["broken.corp.example"] = Record{Err: broken}
	n.Names["slow.corp.example"] = Record{Addrs: []netip.Addr{here}, Delay: time.Minute}
	n.Names["empty.corp.example"] = Record{}
	type found struct {
		Addrs             []netip.Addr
		NotFound, Timeout bool
		Broken            bool
	}
	for name, want := range map[string]found{
		"ws-001.corp.example":  {Addrs: []netip.Addr{here}},
		"WS-001.Corp.Example.": {Addrs: []netip.Addr{here}},
		"ws-002.corp.example":  {NotFound: true},
		"slow.corp.example":    {Timeout: true},
		"broken.corp.example":  {Broken: true},
		"empty.corp.example":   {},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			addrs, err := n.Lookup(ctx, name)
			got := found{Addrs: addrs, Broken: errors.Is(err, broken)}
			if dns, ok := errors.AsType[*net.DNSError](err); ok {
				got.NotFound, got.Timeout = dns.IsNotFound, dns.IsTimeout && errors.Is(err, context.DeadlineExceeded)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("Lookup(%q): %v\n%s", name, err, diff)
			}
		})
	}
}
