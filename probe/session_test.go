package probe_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

var sessions = flag.Int("sessions", 2000, "how many mutated sessions TestSessions plays")

// A session is a host that answers from the takes, and how it is asked.
type session struct {
	answers map[string]*answer
	order   []string // the questions, always in one order
	host    *winhost.Host
	target  probe.Target
	asked   []probe.Operation

	deadline time.Duration
}

// newSession makes a session of the answers that pick picks.
func newSession(all []take, pick func(all []take, question string) []byte) *session {
	s := &session{
		answers: map[string]*answer{}, order: slices.Sorted(maps.Keys(all[0])),
		host:   winhost.Client("ws-001.corp.example", hostAddr),
		target: probe.Target{Name: hostAddr.String()}, deadline: 15 * time.Second,
	}
	for i, q := range s.order { // no two in one instant, so that a session goes the same way each time
		s.answers[q] = &answer{pdus: split(pick(all, q)), pause: time.Duration(i) * 137 * time.Microsecond}
	}
	for _, port := range []uint16{445, 135, 24158, 49153, 49666, 49667, 49668} {
		s.host.Ports[port] = winhost.Port{Serve: s.serve}
	}
	return s
}

// mutated makes session number seed and mutates it by a program.
func mutated(all []take, seed uint64, program []byte) *session {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newSession(all, func(all []take, q string) []byte {
		if said := all[rng.IntN(len(all))][q]; said != nil {
			return said
		}
		return all[0][q]
	})
	s.host.RTT = []time.Duration{0, 2 * time.Millisecond, 301 * time.Millisecond, 1300 * time.Millisecond}[rng.IntN(4)]
	s.host.Undeclared = []winhost.Fate{winhost.Drop, winhost.Refuse, winhost.ICMP}[rng.IntN(3)]
	s.asked = [][]probe.Operation{nil, nil, {probe.RSoP}, {probe.Refresh}}[rng.IntN(4)]
	if rng.IntN(4) == 0 {
		s.deadline = 1400*time.Millisecond + time.Duration(rng.Int64N(int64(5*time.Second))) // it connects in time
	}
	if rng.IntN(2) == 0 {
		s.target = probe.Target{Name: s.host.DNSName, Source: probe.FromDirectory, DNSHostName: s.host.DNSName}
	}
	s.mutate(program)
	return s
}

// serve answers every question that it knows, at whatever port.
func (s *session) serve(c net.Conn) {
	buf := make([]byte, 512)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if a := s.answers[question(buf[:n])]; a != nil && !a.send(c) {
			return
		}
	}
}

// A watch counts the connections that are open or being opened, and keeps the
// addresses that were dialled.
type watch struct {
	net     *winhost.Network
	open    atomic.Int64
	strange atomic.Pointer[string]
}

func (w *watch) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if to, err := netip.ParseAddrPort(address); err != nil || to.Addr() != hostAddr || to.Port() == 0 {
		w.strange.Store(&address)
	}
	w.open.Add(1)
	conn, err := w.net.Dial(ctx, network, address)
	if err != nil {
		w.open.Add(-1)
		return nil, err
	}
	return &watched{Conn: conn, gone: sync.OnceFunc(func() { w.open.Add(-1) })}, nil
}

type watched struct {
	net.Conn
	gone func()
}

func (c *watched) Close() error {
	c.gone()
	return c.Conn.Close()
}

// probe probes the session's host and holds the report to what must be true of
// any. The bubble ends only when nothing is left running.
func (s *session) probe(t *testing.T) (r *probe.Report) {
	bubble(t, func(t *testing.T) {
		w := &watch{net: winhost.NewNetwork(s.host)}
		p := prober(w.net)
		p.Dial, p.Deadline = w.dial, s.deadline
		r = p.Probe(t.Context(), s.target, s.asked)
		if open := w.open.Load(); open != 0 {
			t.Errorf("%d connections are left open", open)
		}
		if address := w.strange.Load(); address != nil {
			t.Errorf("%s was dialled", *address)
		}
		if r.Elapsed > p.Deadline+p.Timeout {
			t.Errorf("it took %v", r.Elapsed)
		}
		checkReport(t, r)
		for _, f := range r.Findings {
			for _, step := range f.Trail {
				if step.Elapsed > p.Timeout && step.Stage != probe.Identify { // which is a connect and a bind
					t.Errorf("%s %s took %v", step.Stage, step.Outcome, step.Elapsed)
				}
			}
		}
	})
	return r
}

// play makes a session, probes it and tells how to play it again. Where Probe
// panics in a goroutine of its own, or never ends, the trace's labels tell.
func play(t *testing.T, all []take, seed uint64, program []byte) {
	t.Helper()
	defer func() {
		if leak := recover(); leak != nil {
			panic(fmt.Sprintf("seed %d, program %q: %v", seed, program, leak))
		}
	}()
	labels := pprof.Labels("seed", strconv.FormatUint(seed, 10), "program", strconv.QuoteToASCII(string(program)))
	pprof.Do(t.Context(), labels, func(context.Context) {
		if r := mutated(all, seed, program).probe(t); t.Failed() {
			t.Fatalf("seed %d, program %q:\n%s", seed, program, sketch(r))
		}
	})
}

// What is recorded and not mutated comes out as it did: the ladder gets as deep.
func TestReplay(t *testing.T) {
	all := takes(t)
	dynamic := func(port string) string { return "reachable: [135] connect bind map [" + port + "] connect bind" }
	const fixed = "WMI reachable: [135] connect bind bind call [24158] connect bind"
	ready := lines("rsop ready", "refresh ready", np, log, mapp, fixed, task, map2)
	tests := []struct {
		name string
		take take
		want string
	}{
		{"client", all[0], ready},
		{"big-endian", all[1], ready},
		{"in fragments of eight bytes", all[2], ready},
		{"server", all[3], lines("rsop ready", "refresh ready", np,
			"LOG reachable: [135] connect bind map [50002] connect=timeout [50001] connect=timeout [49666] connect bind", mapp, fixed, "TASK "+dynamic("49667"), map2)},
		{"impossible names", all[4], ready},
		{"Samba", all[5], lines("rsop unreachable", "refresh unreachable", np, "LOG "+dynamic("49153"), mapp,
			"WMI unreachable: [135] connect bind bind=unsupported", "TASK unreachable: [135] connect bind map=not-registered", map2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSession(all, func(_ []take, q string) []byte { return tt.take[q] })
			r := s.probe(t)
			if got := sketch(r); got != tt.want || r.Identity == nil {
				t.Errorf("identity %v, got:\n%s\nwant:\n%s", r.Identity, got, tt.want)
			}
		})
	}
}

// A host may say anything, at any pace, instead of what a real one says.
//
//	go test ./probe -run TestSessions -sessions 100000
func TestSessions(t *testing.T) {
	t.Setenv("GODEBUG", "tracebacklabels=1")
	all := takes(t)
	for seed := range uint64(*sessions) {
		rng := rand.New(rand.NewPCG(seed, 1))
		program := make([]byte, mutationLen*(1+rng.IntN(4)))
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		play(t, all, seed, program)
	}
}

func FuzzSession(f *testing.F) {
	f.Setenv("GODEBUG", "tracebacklabels=1")
	f.Add(uint64(0), []byte{})
	for kind := range mutations {
		f.Add(uint64(kind), []byte{byte(kind), byte(kind), 0, 2, 0, 0, 0, 20})
	}
	var once sync.Once
	var all []take
	f.Fuzz(func(t *testing.T, seed uint64, program []byte) {
		once.Do(func() { all = takes(t) })
		play(t, all, seed, program)
	})
}

// checkReport holds a report to what CONTRACT.md says of any.
func checkReport(t *testing.T, r *probe.Report) {
	t.Helper()
	if r.Identity == nil || !strings.ContainsAny(r.Identity.DNS, "{}") { // a host may call itself so
		checkWording(t, r)
	}
	texts := slices.Clone(r.Warnings)
	if id := r.Identity; id != nil {
		texts = append(texts, id.Computer, id.DNS, id.Domain, id.Build)
	}
	for _, o := range r.Operations {
		texts = append(texts, o.Reason)
		if want := statusOf(r, o.Operation); o.Status != want {
			t.Errorf("%s is %s, want %s", o.Operation, o.Status, want)
		}
	}
	var mapper probe.Verdict
	for _, f := range r.Findings {
		if f.Rule.Route == probe.ByMapper {
			mapper = f.Verdict
		}
	}
	for _, f := range r.Findings {
		texts = append(texts, f.Reason, f.Fix, f.Cause.String())
		for _, s := range f.Trail {
			texts = append(texts, s.Peer, s.Detail)
			if len(s.Detail) > 200 {
				t.Errorf("a detail of %d bytes: %q", len(s.Detail), s.Detail)
			}
			if !slices.Contains(stages, s.Stage) || !slices.Contains(outcomes, s.Outcome) {
				t.Errorf("no such step: %s %s", s.Stage, s.Outcome)
			}
		}
		checkVerdict(t, f, mapper)
	}
	for _, s := range texts {
		if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("not printable ASCII: %q", s)
		}
	}
}

// What an anonymous climb of a host that answers at one address can hold.
var (
	stages   = []probe.Stage{probe.Resolve, probe.Connect, probe.Negotiate, probe.Identify, probe.Bind, probe.Map, probe.Call}
	outcomes = []probe.Outcome{
		probe.OK, probe.Timeout, probe.Refused, probe.Unroutable, probe.Reset, probe.Hangup, probe.Garbled,
		probe.NotRegistered, probe.Unsupported, probe.AccessDenied, probe.WrongHost,
	}
)

// checkVerdict holds a finding to CONTRACT.md section 2, written down anew for
// what these sessions can meet. mapper is the verdict of the mapper rules.
func checkVerdict(t *testing.T, f probe.Finding, mapper probe.Verdict) {
	t.Helper()
	last := f.Trail[len(f.Trail)-1]
	proof := probe.Bind
	if f.Rule.Route == probe.ByPipe {
		proof = probe.Negotiate
	}
	want := probe.Unreachable
	switch {
	case last.Outcome == probe.WrongHost:
	case f.Rule.Route != probe.ByPipe && f.Rule.Route != probe.ByMapper && mapper == probe.Unreachable:
	case f.Rule.Route == probe.ByDCOM:
		refused := slices.ContainsFunc(f.Trail, func(s probe.Step) bool { return s.Stage == probe.Bind && s.Outcome == probe.Unsupported })
		switch {
		case refused:
		case last.Stage == probe.Bind && last.Outcome == probe.OK && strings.HasSuffix(last.Peer, ":24158"):
			want = probe.Reachable
		default:
			want = probe.Unknown
		}
	case last.Stage == proof && last.Outcome == probe.OK:
		want = probe.Reachable
	case f.Rule.Route != probe.ByPipe && last.Outcome == probe.AccessDenied:
		want = probe.Unknown
	}
	if f.Verdict != want {
		t.Errorf("%s is %s after %s %s, want %s", f.Rule.ID, f.Verdict, last.Stage, last.Outcome, want)
	}
}

// statusOf sums up the findings of a host that answers.
func statusOf(r *probe.Report, op probe.Operation) probe.Status {
	status := probe.StatusReady
	for _, f := range r.Findings {
		switch {
		case !f.Rule.Needed(op):
		case f.Verdict == probe.Unreachable:
			return probe.StatusUnreachable
		case f.Verdict == probe.Unknown:
			status = probe.StatusUnproven
		}
	}
	return status
}
