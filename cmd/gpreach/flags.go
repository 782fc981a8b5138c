package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gpreach/gpreach/probe"
)

// refuseEmpty refuses a flag whose value is empty: most often a variable is behind it
// that is not set, and without --user, say, less would be asked than was meant.
func refuseEmpty(c *cobra.Command, _ []string) error {
	var err error
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && err == nil {
			err = fmt.Errorf("--%s is empty", f.Name)
		}
	})
	return err
}

// complete has a shell complete the values of flags that take no others.
func complete(c *cobra.Command) {
	for name, values := range map[string][]string{
		"for": {"rsop", "refresh", "all"}, "output": {"table", "ndjson", "json", "html"}, "accept": {"unproven", "silent"},
		"log-level": {"debug", "info", "warn", "error"}, "log-format": {"logfmt", "json"},
	} {
		if c.Flags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// plain says what is wrong with a flag's value without the words of Go.
func plain(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	want := "want " + map[string]string{
		"duration": "a time such as 2s or 1m30s", "uint16": "a port, 1 to 65535", "int": "a whole number", "float64": "a number", "bool": "true or false",
	}[wrong.GetFlag().Value.Type()]
	return fmt.Errorf("--%s: %q will not do: %s", wrong.GetFlag().Name, wrong.GetValue(), want)
}

// askFlags say what is asked, and how.
type askFlags struct {
	operations          string
	timeout, deadline   time.Duration
	concurrency         int
	rate                float64
	smbPort, mapperPort uint16
	liveness            string
	noIdentify, noWMI   bool
}

const usageFor = "the `OPERATION` that must work: rsop (Group Policy Results), refresh (remote gpupdate) or all"

func (a *askFlags) register(f *pflag.FlagSet, operations string) {
	f.StringVar(&a.operations, "for", operations, usageFor)
	f.DurationVar(&a.timeout, "timeout", 2*time.Second, "the longest `TIME` for each stage, such as connecting")
	f.DurationVar(&a.deadline, "deadline", 15*time.Second, "the longest `TIME` for each host, from its first dial")
	f.IntVar(&a.concurrency, "concurrency", 512, "`HOSTS` at a time")
	f.Float64Var(&a.rate, "rate", 500, "`HOSTS` begun a second; 0 is unlimited")
	f.Uint16Var(&a.smbPort, "smb-port", 445, "`PORT` of SMB")
	f.Uint16Var(&a.mapperPort, "epmap-port", 135, "`PORT` of the endpoint mapper")
	f.StringVar(&a.liveness, "liveness-ports", "7680,5040,3389,5985", "`PORTS` tried on hosts that answer on neither, to tell blocked from silent; or none")
	f.BoolVar(&a.noIdentify, "no-identify", false, "do not ask hosts who they are")
	f.BoolVar(&a.noWMI, "no-wmi-port", false, "do not try WMI's documented fixed port, TCP 24158")
}

// prober checks the flags and returns the prober they describe, without its
// network, and the operations.
func (a *askFlags) prober() (*probe.Prober, []probe.Operation, error) {
	asked, err := probe.ParseOperations(a.operations)
	if err != nil {
		return nil, nil, fmt.Errorf("--for: %w", err)
	}
	p := &probe.Prober{
		Timeout: a.timeout, Deadline: a.deadline,
		SMBPort: a.smbPort, MapperPort: a.mapperPort,
		NoIdentify: a.noIdentify, NoWMIPort: a.noWMI,
	}
	switch {
	case a.timeout <= 0:
		return nil, nil, fmt.Errorf("--timeout: %v is no time; want such as 2s", a.timeout)
	case a.deadline <= 0:
		return nil, nil, fmt.Errorf("--deadline: %v is no time; want such as 15s", a.deadline)
	case a.concurrency < 1:
		return nil, nil, fmt.Errorf("--concurrency: %d is too few; at least 1", a.concurrency)
	case a.rate < 0 || math.IsNaN(a.rate) || math.IsInf(a.rate, 0):
		return nil, nil, fmt.Errorf("--rate: %v is no rate; 0 is unlimited", a.rate)
	case a.smbPort == 0 || a.mapperPort == 0:
		return nil, nil, fmt.Errorf("--smb-port, --epmap-port: 0 is no port")
	case a.smbPort == a.mapperPort:
		return nil, nil, fmt.Errorf("--smb-port and --epmap-port are both %d", a.smbPort)
	}
	if p.LivenessPorts, err = parsePorts(a.liveness); err != nil {
		return nil, nil, fmt.Errorf("--liveness-ports: %w", err)
	}
	return p, asked, nil
}

func parsePorts(s string) ([]uint16, error) {
	if s == "none" {
		return nil, nil
	}
	const most = 16
	var ports []uint16
	for text := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not a port; want ports with commas between, or none", text)
		}
		if !slices.Contains(ports, uint16(n)) {
			ports = append(ports, uint16(n))
		}
	}
	if len(ports) > most {
		return nil, fmt.Errorf("%d ports are too many; at most %d", len(ports), most)
	}
	return ports, nil
}

// gateFlags say which fleet is good enough.
type gateFlags struct {
	minReady string
	accept   []string
}

func (g *gateFlags) register(f *pflag.FlagSet) {
	f.StringVar(&g.minReady, "min-ready", "100%", "the `SHARE` or number of hosts that must be ready or accepted")
	f.StringSliceVar(&g.accept, "accept", nil, "`STATUSES` that are good enough beside ready: unproven, silent")
}

// A gate decides over a finished run.
type gate struct {
	share  float64 // of the hosts, 0 to 1; or
	count  int     // this many
	accept []probe.Status
}

func (g *gateFlags) gate() (gate, error) {
	var out gate
	for _, s := range g.accept {
		status := probe.Status(strings.TrimSpace(s))
		if status != probe.StatusUnproven && status != probe.StatusSilent {
			return gate{}, fmt.Errorf("--accept: %q cannot be accepted; want unproven or silent", s)
		}
		out.accept = append(out.accept, status)
	}
	if text, ok := strings.CutSuffix(g.minReady, "%"); ok {
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return gate{}, fmt.Errorf("--min-ready: %q is not a share; want 0%% to 100%%", g.minReady)
		}
		out.share = percent / 100
		return out, nil
	}
	n, err := strconv.Atoi(g.minReady)
	if err != nil || n < 0 {
		return gate{}, fmt.Errorf("--min-ready: %q is neither a share, such as 98%%, nor a count", g.minReady)
	}
	out.count = n
	return out, nil
}

// met reports whether enough of n hosts were accepted.
func (g gate) met(accepted, n int) bool {
	return accepted >= g.count && float64(accepted) >= g.share*float64(n)-1e-6
}

// A shard is a part of the targets: those whose place modulo n is i.
type shard struct{ i, n int }

// parseShard reads "i/n". i may be counted from 1 or from 0: n/n and 0/n are
// the same shard.
func parseShard(s string) (shard, error) {
	if s == "" {
		return shard{0, 1}, nil
	}
	left, right, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(left)
	n, err2 := strconv.Atoi(right)
	if !ok || err1 != nil || err2 != nil || n < 1 || i < 0 || i > n {
		return shard{}, fmt.Errorf("--shard: %q is not i/n with i from 1 (or 0) to n", s)
	}
	return shard{i % n, n}, nil
}

// logFlags say what is logged, to standard error.
type logFlags struct{ level, format string }

func (l *logFlags) register(f *pflag.FlagSet) {
	f.StringVar(&l.level, "log-level", "info", "`LEVEL` of the log: debug, info, warn or error")
	f.StringVar(&l.format, "log-format", "logfmt", "`FORMAT` of the log: logfmt or json")
}

func (l *logFlags) logger(c *cobra.Command) (*slog.Logger, error) {
	level, format := promslog.NewLevel(), promslog.NewFormat()
	if err := level.Set(l.level); err != nil {
		return nil, fmt.Errorf("--log-level: %q is not debug, info, warn or error", l.level)
	}
	if err := format.Set(l.format); err != nil {
		return nil, fmt.Errorf("--log-format: %q is neither logfmt nor json", l.format)
	}
	return promslog.New(&promslog.Config{Level: level, Format: format, Writer: c.ErrOrStderr()}), nil
}
