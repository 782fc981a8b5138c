package targets_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/probe"
	"github.com/gpreach/gpreach/targets"
)

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"10.0.0.0/29", "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6"},
		{"10.0.0.0/30", "10.0.0.1 10.0.0.2"},
		{"10.0.0.0/31", "10.0.0.0 10.0.0.1"},
		{"10.0.0.7/32", "10.0.0.7"},
		{"10.0.0.6/30", "10.0.0.5 10.0.0.6"}, // host bits are masked
		{"::ffff:10.0.0.4/126", "10.0.0.5 10.0.0.6"},
		{"2001:db8::/126", "2001:db8:: 2001:db8::1 2001:db8::2 2001:db8::3"},
		{"2001:db8::1/128", "2001:db8::1"},
		{"10.0.0.255-10.0.1.1", "10.0.0.255 10.0.1.0 10.0.1.1"}, // nothing is left out of a-b
		{"10.0.0.0-1", "10.0.0.0 10.0.0.1"},
		{"10.0.0.5-5", "10.0.0.5"},
		{"::ffff:10.0.0.1-::ffff:10.0.0.2", "10.0.0.1 10.0.0.2"},
		{"2001:db8::f-2001:db8::11", "2001:db8::f 2001:db8::10 2001:db8::11"},
		{"255.255.255.254-255 ::1", "255.255.255.254 255.255.255.255 ::1"},
		{"255.255.255.252/30", "255.255.255.253 255.255.255.254"},
		{"255.255.255.254/31 ::1", "255.255.255.254 255.255.255.255 ::1"},
		{
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127 10.0.0.1",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 10.0.0.1",
		},

		// An address belongs to what named it first.
		{"10.0.0.2 10.0.0.1-3 10.0.0.0/29", "10.0.0.2 10.0.0.1 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6"},
		{"10.0.0.1-3 10.0.0.2 10.0.0.3-4 10.0.0.1", "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4"},
		{"10.0.0.0/30 10.0.0.0-3", "10.0.0.1 10.0.0.2 10.0.0.0 10.0.0.3"},
	} {
		t.Run(test.args, func(t *testing.T) {
			got := names(t, parse(t, targets.Options{}, strings.Fields(test.args)...))
			if diff := cmp.Diff(strings.Fields(test.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRangesAgainstWalk compares with what walking address by address gives.
func TestRangesAgainstWalk(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func() (from, to int) {
		from = random.IntN(64)
		return from, from + random.IntN(min(16, 64-from))
	}
	for range 2000 {
		var args, exclude, want []string
		seen := map[int]bool{}
		for range random.IntN(3) {
			from, to := draw()
			exclude = append(exclude, fmt.Sprintf("10.0.0.%d-%d", from, to))
			for i := from; i <= to; i++ {
				seen[i] = true
			}
		}
		for range random.IntN(12) {
			from, to := draw()
			args = append(args, fmt.Sprintf("10.0.0.%d-%d", from, to))
			for i := from; i <= to; i++ {
				if !seen[i] {
					want = append(want, fmt.Sprintf("10.0.0.%d", i))
				}
				seen[i] = true
			}
		}
		got := names(t, parse(t, targets.Options{Exclude: exclude}, args...))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q without %q: %s", args, exclude, diff)
		}
	}
}

func TestLimits(t *testing.T) {
	const needsYes, refused = "add --yes", "too many"
	for _, test := range []struct {
		args, exclude string
		yes           bool
		len           int
		err           string
	}{
		{args: "10.0.0.0/16", len: 65534},
		{args: "10.0.0.0-10.0.255.255", len: 65536},
		{args: "10.0.0.0-10.0.255.255 a 10.1.0.0", len: 65538}, // only ranges count
		{args: "10.0.0.0-10.1.0.0", err: "the ranges hold 65537 addresses: add --yes"},
		{args: "10.0.0.0-10.1.0.0", yes: true, len: 65537},
		{args: "10.0.0.0/16 11.0.0.0/16", err: needsYes},
		{args: "10.0.0.0/16 10.0.0.0/16", len: 65534}, // once is meant
		{args: "10.0.0.0/15", exclude: "10.0.0.0/16", len: 65535},
		{args: "2001:db8::/112", len: 65536},
		{args: "2001:db8::/111", err: needsYes},
		{args: "2001:db8::/104", yes: true, len: 1 << 24},
		{args: "2001:db8::/103", yes: true, err: refused},
		{args: "2001:db8::/104 10.0.0.0/31", yes: true, err: refused},
		{args: "2001:db8::/64", yes: true, err: refused},
		{args: "2001:db8::/32", yes: true, err: refused},
		{args: "::/0", yes: true, err: refused},
		{args: "::/0 0.0.0.0/0", err: refused},
		{args: "10.0.0.0/8", yes: true, len: 1<<24 - 2},
		{args: "0.0.0.0/0", yes: true, err: refused},
		{args: "0.0.0.0/0", exclude: "0.0.0.0/1 128.0.0.0/2 192.0.0.0/3 224.0.0.0/4 240.0.0.1-255.255.255.255", len: 1},
		{args: "::/0", exclude: "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd", len: 2},
	} {
		t.Run(test.args, func(t *testing.T) {
			l, err := targets.Parse(strings.Fields(test.args), targets.Options{Exclude: strings.Fields(test.exclude), Yes: test.yes})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("the error is %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if l.Len() != test.len {
				t.Errorf("Len() = %d, want %d", l.Len(), test.len)
			}
		})
	}
}

// TestSixteenMillion shows that ranges are expanded as they are asked for.
func TestSixteenMillion(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := parse(t, targets.Options{Exclude: []string{"10.0.0.2", "10.128.0.0/16"}, Yes: true}, "a", "10.0.0.0/8")
	var got []probe.Target
	for target := range l.All() {
		if got = append(got, target); len(got) == 3 {
			break
		}
	}
	last, ok := l.Find("10.255.255.254")
	runtime.ReadMemStats(&after)

	want := []probe.Target{
		{Name: "a", Source: probe.FromArgument},
		{Name: "10.0.0.1", Source: probe.FromArgument, Index: 1},
		{Name: "10.0.0.3", Source: probe.FromArgument, Index: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if size := 1 + 1<<24 - 2 - 1 - 1<<16; l.Len() != size || !ok || last.Index != size-1 {
		t.Errorf("Len() = %d, and the last target is %+v; want %d", l.Len(), last, size)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes were allocated for three targets", used)
	}
}

// TestHundredThousand stays quick only where single addresses, in no order and
// inside and outside of ranges, cost no more than a search each.
func TestHundredThousand(t *testing.T) {
	const n = 100_000
	var file, exclude strings.Builder
	address := func(i int) netip.Addr { // a permutation of 10.0.0.0 to 10.1.255.255
		i = i * 40503 % (1 << 17)
		return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	for i := range n {
		fmt.Fprintf(&file, "%s\nws%d\n%s\n", address(i), i, address(i))
		if i%2 == 0 {
			fmt.Fprintf(&exclude, "%s\nWS%d.\n", address(i), i)
		}
	}
	file.WriteString("10.0.0.0-10.1.255.255\n")
	o := targets.Options{Stdin: strings.NewReader(file.String()), Exclude: []string{"@" + write(t, "exclude.txt", exclude.String())}}
	l := parse(t, o, "-")
	if want := n + 1<<17 - n; l.Len() != want { // half of each, and what of the range is left
		t.Errorf("Len() = %d, want %d", l.Len(), want)
	}
	if got := names(t, l); got[0] != address(1).String() || got[1] != "ws1" {
		t.Errorf("the first targets are %q", got[:2])
	}
}
