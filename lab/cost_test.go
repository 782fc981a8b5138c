//go:build lab && linux

package lab_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var crowd = flag.Int("crowd", 50, "names of the domain controller, at most 1000, that TestCostOfLogons logs on to")

// Hosts that are logged on to cost one AS exchange a run and two TGS exchanges a
// host, and no more, by what is on the cable, of which tshark may miss some.
func TestCostOfLogons(t *testing.T) {
	var names strings.Builder
	for i := 1; i <= *crowd; i++ {
		fmt.Fprintf(&names, "crowd-%04d.corp.example\n", i)
	}
	list, results := secretFile(t, []byte(names.String())), filepath.Join(t.TempDir(), "results")
	flags := append(as(t, "administrator"), "--file", list, "--for", "rsop", "--no-identify", "--rate", "0", "--concurrency", "16",
		"--timeout", "20s", "--deadline", "60s", "-o", "ndjson", "--output-file", results, "--quiet")
	cable := startCapture(t)
	cmd := exec.CommandContext(t.Context(), gpreach, append([]string{"check"}, flags...)...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Fatalf("exit %d, %v\n%s", code, err, out)
	}
	file := cable.stop(t)
	const asReq, tgsReq = "kerberos.msg_type == 10", "kerberos.msg_type == 12"
	lines, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(lines), `"access":"granted"`); n != 2**crowd {
		t.Errorf("%d of %d rules are granted", n, 2**crowd)
	}
	if n, _ := frames(t, file, asReq); n != 2 { // without proof, and with it
		t.Errorf("%d messages of AS exchanges, want 2", n)
	}
	if n, _ := frames(t, file, tgsReq); n == 0 || n > 2**crowd {
		t.Errorf("%d TGS exchanges, want at most %d", n, 2**crowd)
	}
	usage := cmd.ProcessState
	t.Logf("%d hosts in %.1f s: %v of processor time and %d KiB at most", *crowd, took.Seconds(), usage.UserTime()+usage.SystemTime(), usage.SysUsage().(*syscall.Rusage).Maxrss)
}
