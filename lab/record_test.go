//go:build lab && linux

package lab_test

import (
	"errors"
	"flag"
	"net"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/gpreach/gpreach/internal/transcript"
	"github.com/gpreach/gpreach/rpc"
	"github.com/gpreach/gpreach/smb"
)

var record = flag.Bool("record", false, "write what was said to testdata/conversations, which rpc and smb replay")

// converse connects to the domain controller, talks, and with -record writes what was said into a file:
//
//	lab/samba-dc.sh exec go test -tags lab -count=1 -run TestConversations ./lab -record
func converse(t *testing.T, file, comment string, port uint16, talk func(*transcript.Recorder)) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort(dcAddr, strconv.Itoa(int(port))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	recorder := &transcript.Recorder{ReadWriter: conn}
	talk(recorder)
	if t.Failed() || !*record {
		return
	}
	version, err := exec.CommandContext(t.Context(), "samba", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	comment += "\nRecorded by lab/record_test.go from Samba, " + string(version)
	if err := transcript.WriteFile(filepath.Join("../testdata/conversations", file), comment, recorder.Turns); err != nil {
		t.Fatal(err)
	}
}

func TestConversations(t *testing.T) {
	var eventLog uint16
	converse(t, "mapper.txt", "The endpoint mapper: EventLog is registered, Task Scheduler is not, IObjectExporter is not served.", 135,
		func(r *transcript.Recorder) {
			c := rpc.NewConn(r)
			if err := c.Bind(rpc.EndpointMapper); err != nil {
				t.Fatal("bind to the mapper:", err)
			}
			ports, err := c.Map(rpc.EventLog)
			if err != nil || len(ports) != 1 {
				t.Fatalf("EventLog: ports %d, error %v; want one", ports, err)
			}
			eventLog = ports[0]
			if ports, err := c.Map(rpc.TaskScheduler); !errors.Is(err, rpc.ErrNotRegistered) {
				t.Errorf("Task Scheduler: ports %d, error %v; want ErrNotRegistered", ports, err)
			}
			if err := c.Bind(rpc.ObjectExporter); !reflect.DeepEqual(err, &rpc.Rejected{Result: 2, Reason: 1}) {
				t.Errorf("IObjectExporter: %v; want provider rejection, abstract syntax not supported", err)
			}
		})
	converse(t, "eventlog.txt", "EventLog at the port that the mapper gave.", eventLog, func(r *transcript.Recorder) {
		if err := rpc.NewConn(r).Bind(rpc.EventLog); err != nil {
			t.Error("bind to EventLog:", err)
		}
	})
	converse(t, "identify.txt", "An NTLM challenge at the endpoint mapper.", 135, func(r *transcript.Recorder) {
		c, err := rpc.NewConn(r).Challenge(rpc.EndpointMapper)
		if err != nil || c.DNSComputer != dcName {
			t.Errorf("challenge %+v, error %v; want one of %s", c, err, dcName)
		}
	})
	converse(t, "negotiate.txt", "SMB2 NEGOTIATE.", 445, func(r *transcript.Recorder) {
		s, err := smb.Negotiate(r)
		if err != nil || s.Dialect != smb.Dialect311 || !s.SigningRequired {
			t.Errorf("server %+v, error %v; want 3.1.1 with signing required", s, err)
		}
	})
}
