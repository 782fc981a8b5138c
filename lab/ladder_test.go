//go:build lab && linux

package lab_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The whole ladder with a credential, by the program itself, against the simulated host in the lab's domain: by tickets
// of the real KDC and by NTLM an administrator is let in everywhere, so that the host is ready, and who has no right is
// denied. Windows' protocols are what tshark takes them for, and a host costs two TGS exchanges.
func TestLadder(t *testing.T) {
	simulated(t, admitEnv+"=1")
	const (
		host    = "ws-001.corp.example"
		wmi     = " connect bind activate connect bind call call"
		logOn   = " connect authenticate"
		granted = "rsop ready\nrefresh ready\n"
	)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string
		tgs  int
	}{
		{"by Kerberos", append([]string{host, "--rehearse"}, as(t, "gpadmin")...), 0, []string{granted, "WMI-WINMGMT-In-TCP reachable:", "authenticate" + wmi + "\n", "authenticate connect bind call call call\n"}, 2},
		{"by Kerberos, refresh alone", append([]string{host, "--for", "refresh"}, as(t, "gpadmin")...), 0, []string{"refresh ready\n"}, 1},
		{"by NTLM", append([]string{idleAddr, "--allow-ntlm"}, as(t, "gpadmin")...), 0, []string{granted, wmi + "\n"}, 0},
		{"by NTLM, refresh alone", append([]string{idleAddr, "--allow-ntlm", "--for", "refresh"}, as(t, "gpadmin")...), 0, []string{"refresh ready\n", logOn + strings.TrimSuffix(wmi, " call") + "\n"}, 0},
		{"without a right", append([]string{host}, as(t, "lowpriv")...), 1, []string{"rsop denied\nrefresh denied\n", "activate=denied\n", "bind call call=denied"}, 2},
		{"without a right, by NTLM", append([]string{idleAddr, "--allow-ntlm"}, as(t, "lowpriv")...), 1, []string{"rsop denied\nrefresh denied\n", "activate=denied\n"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cable := startCapture(t)
			code, sketch, _ := check(t, tt.args[0], tt.args[1:]...)
			file := cable.stop(t)
			if code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(sketch+"\n", want) {
					t.Errorf("lacks %q:\n%s", want, sketch)
				}
			}
			if n, shown := frames(t, file, "_ws.malformed || _ws.unreassembled"); n > 0 {
				t.Errorf("tshark finds %d malformed frames:\n%s", n, shown)
			}
			if n, shown := frames(t, file, "kerberos.msg_type == 12"); n != tt.tgs {
				t.Errorf("%d TGS exchanges, want %d:\n%s", n, tt.tgs, shown)
			}
			if n, shown := frames(t, file, "isystemactivator || dcerpc.cn_bind_to_uuid == 000001a0-0000-0000-c000-000000000046"); n < 2 {
				t.Errorf("tshark sees %d frames of an activation\n%s", n, shown)
			}
			if tt.code == 0 && tt.tgs == 0 {
				unsealed(t, file, password(t, "GPADMIN"))
			}
		})
	}
}

// unsealed lets tshark unseal what NTLM sealed and judge the calls in it. Of a request without a stub, which
// SchRpcHighestVersion is, it says that it is malformed.
func unsealed(t *testing.T, file, password string) {
	t.Helper()
	show := func(filter string) string {
		out, err := exec.CommandContext(t.Context(), "tshark", "-n", "-r", file, "-o", "ntlmssp.nt_password:"+password, "-Y", filter).Output()
		if err != nil {
			t.Fatalf("tshark: %v", err)
		}
		return string(out)
	}
	calls := show("dcerpc")
	for _, want := range []string{"RemoteCreateInstance request", "RemoteCreateInstance response", "RemRelease request Cnt=", "-> S_OK", "SchRpcEnumTasks request"} {
		if !strings.Contains(calls, want) {
			t.Errorf("tshark sees no %q in\n%s", want, calls)
		}
	}
	if bad := show("_ws.malformed && !(dcerpc.opnum == 0)"); bad != "" {
		t.Errorf("tshark finds malformed calls:\n%s", bad)
	}
}
