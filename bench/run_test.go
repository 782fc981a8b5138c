//go:build bench && linux

package bench_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A run is a process that asked a crowd, what it cost and what it said.
type run struct {
	hosts        int
	wall         time.Duration
	user, system time.Duration
	peak         int64 // KiB

	wrong    int // hosts with a verdict that they do not deserve
	unsure   int // hosts of which this machine could not learn all
	missing  int // hosts without a report
	dropped  int // packets that the fleet or the loopback had no room for
	examples map[string]int
}

func (r run) processor() time.Duration { return r.user + r.system }

func (r run) peakMiB() float64 { return float64(r.peak) / 1024 }

// cheaper returns the run that took less processor time; the zero run is none.
func (r run) cheaper(other run) run {
	if r.hosts == 0 || other.processor() < r.processor() {
		return other
	}
	return r
}

func (r run) cpu() string {
	each := func(d time.Duration) int64 { return (d / time.Duration(r.hosts)).Microseconds() }
	return fmt.Sprintf("%d µs (user %d, system %d)", each(r.processor()), each(r.user), each(r.system))
}

// wrongVerdicts is the figure that no host was misjudged.
func (r run) wrongVerdicts(what string) figure {
	text := fmt.Sprintf("%d wrong, %d unsure, of %d; %.1f s", r.wrong, r.unsure, r.hosts, r.wall.Seconds())
	if r.missing > 0 {
		text += fmt.Sprintf("; %d without a report", r.missing)
	}
	if r.dropped > 0 {
		text += fmt.Sprintf("; the fleet or the loopback had no room for %d packets", r.dropped)
	}
	for _, how := range slices.Sorted(maps.Keys(r.examples)) {
		text += fmt.Sprintf("; %s ×%d", how, r.examples[how])
	}
	return figure{what + ": healthy hosts misjudged", text, "0 wrong", r.wrong == 0 && r.missing == 0}
}

// measure runs a command to its end.
func measure(t *testing.T, hosts int, cmd *exec.Cmd) run {
	t.Helper()
	before, start := dropped(t), time.Now()
	err := cmd.Run()
	r := run{hosts: hosts, wall: time.Since(start), dropped: dropped(t) - before}
	// 1 and 3 say that hosts are not ready, which is for the caller to judge.
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 && exit.ExitCode() != 3) {
		t.Fatalf("%s: %v", cmd, err)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	// The kernel counts the image before exec too, which is this process; it stays far smaller than what it measures.
	r.user, r.system, r.peak = cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime(), usage.Maxrss
	return r
}

// yardstick runs the yardstick, whose every host must answer.
func yardstick(t *testing.T, whom crowd, alive bool) run {
	t.Helper()
	cmd := self(t, "yardstick", strconv.Itoa(whom.healthy), strconv.FormatBool(alive))
	r := measure(t, whom.len(), cmd)
	if !cmd.ProcessState.Success() {
		t.Fatal("the yardstick is no measure")
	}
	t.Logf("yardstick, ServerAlive2 %v: %s; %.1f s", alive, r.cpu(), r.wall.Seconds())
	return r
}

// descriptorLimit is how many descriptors the machine allows a process.
func descriptorLimit(t *testing.T) int {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	return int(min(l.Max, 1<<20))
}

// gpreach runs the program with that many descriptors, and judges its verdicts.
func gpreach(t *testing.T, whom crowd, descriptors int, flags ...string) run {
	t.Helper()
	var r run
	check(t, whom, descriptors, flags, func(ended run, results string) {
		r = ended
		r.judge(t, results)
	})
	t.Logf("gpreach, %+v, %d descriptors, %s: %s, %.1f s, %.0f MiB; %s", whom, descriptors, strings.Join(flags, " "),
		r.cpu(), r.wall.Seconds(), r.peakMiB(), r.wrongVerdicts("").measured)
	return r
}

// check runs the program with that many descriptors, and hands on its file of
// results before that is deleted.
func check(t *testing.T, whom crowd, descriptors int, flags []string, look func(r run, results string)) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gpreach-bench-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) // at once: the results are large
	var list bytes.Buffer
	for addr := range whom.all {
		fmt.Fprintln(&list, addr)
	}
	targets, results := filepath.Join(dir, "targets"), filepath.Join(dir, "results")
	if err := os.WriteFile(targets, list.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	limit := strconv.Itoa(descriptors)
	args := []string{
		"--nofile=" + limit + ":" + limit, os.Getenv(programEnv), "check", "--file", targets,
		"--rate", "0", "--quiet", "--accept", "unproven", "-o", "ndjson", "--output-file", results,
	}
	cmd := exec.CommandContext(t.Context(), "prlimit", append(args, flags...)...)
	cmd.Stderr = os.Stderr
	look(measure(t, whom.len(), cmd), results)
}

// judge reads the reports, each a line.
func (r *run) judge(t *testing.T, results string) {
	t.Helper()
	f, err := os.Open(results)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r.examples = map[string]int{}
	r.missing = r.hosts
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.missing--
		r.judgeHost(t, lines.Bytes())
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
}

// judgeHost looks for a healthy host's five reachable rules, WMI being unknown,
// or for a silent host's two statuses. The rest is counted with what went wrong.
func (r *run) judgeHost(t *testing.T, line []byte) {
	count := func(s string) int { return bytes.Count(line, []byte(s)) }
	shouldBeSilent := count(`"target":"10.255.`) == 1
	switch {
	case shouldBeSilent && count(`"status":"silent"`) == 2:
	case shouldBeSilent:
		r.wrong++
		r.examples["not silent"]++
	case count(`"verdict":"reachable"`) == 5 && count(`"verdict":"unknown"`) == 1:
	case count(`"verdict":"unreachable"`) > 0:
		r.wrong++
		r.examples[worst(t, line)]++
	default:
		r.unsure++
		r.examples[worst(t, line)]++
	}
}

// worst tells the last step of the first rule that should be reachable and is not.
func worst(t *testing.T, line []byte) string {
	var host struct {
		Findings []struct {
			Verdict string
			Trail   []struct{ Stage, Peer, Outcome string }
		}
	}
	if err := json.Unmarshal(line, &host); err != nil {
		t.Fatal(err)
	}
	for _, f := range host.Findings {
		if f.Verdict == "reachable" {
			continue
		}
		if len(f.Trail) == 0 {
			return "nothing tried"
		}
		if last := f.Trail[len(f.Trail)-1]; last.Outcome != "ok" {
			return last.Stage + " " + last.Peer[strings.LastIndexByte(last.Peer, ':')+1:] + " " + last.Outcome
		}
	}
	return "other"
}
