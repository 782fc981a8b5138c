//go:build lab && linux

package lab_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gpreach/gpreach/internal/auth"
	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/rpc"
	"github.com/gpreach/gpreach/secure"
)

// admitEnv makes the simulated host admit accounts of the lab's domain.
const admitEnv = "GPREACH_LAB_ADMIT"

const echoPort = 49999

// admit makes a host a member of the lab's domain: it has the keys of its account, so that it takes the tickets of the
// real KDC, and knows the passwords of three users. Samba's own client tries it by rpcecho,
// 60a15ec5-4de8-11d7-a637-005056a20182 v1.0, on a port of its own.
func admit(h *winhost.Host) error {
	h.Admit(
		winhost.Account{Name: "Administrator", Password: os.Getenv("GPREACH_LAB_PASSWORD_ADMINISTRATOR"), Rights: winhost.Administrator},
		winhost.Account{Name: "gpadmin", Password: os.Getenv("GPREACH_LAB_PASSWORD_GPADMIN"), Rights: winhost.Administrator},
		winhost.Account{Name: "lowpriv", Password: os.Getenv("GPREACH_LAB_PASSWORD_LOWPRIV")},
	)
	h.Ports[echoPort] = winhost.Port{Serve: h.RPC(winhost.Interface{Raw: echo, Syntax: rpc.Syntax{
		UUID: rpc.UUID{0xc5, 0x5e, 0xa1, 0x60, 0xe8, 0x4d, 0xd7, 0x11, 0xa6, 0x37, 0x00, 0x50, 0x56, 0xa2, 0x01, 0x82}, Major: 1,
	}}).Serve}
	keytab, err := os.ReadFile(labFile("keys", "hosts.keytab"))
	if err != nil {
		return err
	}
	return h.UseKeytab(keytab)
}

// echo is AddOne and EchoData.
func echo(opnum uint16, stub []byte) ([]byte, uint32) {
	switch {
	case opnum == 0 && len(stub) >= 4:
		return binary.LittleEndian.AppendUint32(nil, binary.LittleEndian.Uint32(stub)+1), 0
	case opnum == 1 && len(stub) >= 8:
		n := binary.LittleEndian.Uint32(stub)
		if uint64(len(stub)) >= 8+uint64(n) {
			return stub[4 : 8+n], 0
		}
	}
	return nil, 0x6f7 // RPC_X_BAD_STUB_DATA
}

// Samba's RPC runtime, which verifies the signature of every reply, logs on to the simulated host in every way that it
// has: small calls, and one whose stub of 20 kB is cut in fragments both ways.
func TestSambaLogsOnToSimulatedHost(t *testing.T) {
	simulated(t, admitEnv+"=1")
	const script = `
import sys
from samba.dcerpc import echo
from samba import param, credentials
from samba.credentials import MUST_USE_KERBEROS, DONT_USE_KERBEROS
name, address, port, password = sys.argv[1:]
lp = param.LoadParm(); lp.load_default()
lp.set("realm", "CORP.EXAMPLE"); lp.set("workgroup", "CORP")
big = list(bytes(range(256)) * 80)
for options in ("ntlm,sign", "ntlm,seal", "spnego,ntlm,sign", "spnego,ntlm,seal", "krb5,sign", "krb5,seal", "spnego,krb5,sign", "spnego,krb5,seal"):
    c = credentials.Credentials(); c.guess(lp)
    c.set_username("gpadmin"); c.set_password(password); c.set_domain("CORP"); c.set_realm("CORP.EXAMPLE")
    kerberos = "ntlm" not in options
    c.set_kerberos_state(MUST_USE_KERBEROS if kerberos else DONT_USE_KERBEROS)
    try:
        e = echo.rpcecho("ncacn_ip_tcp:%s[%s,%s]" % (name if kerberos else address, port, options), lp, c)
        print(options, e.AddOne(41), bytes(e.EchoData(big)) == bytes(big), e.AddOne(99))
    except Exception as x:
        print(options, type(x).__name__, x)`
	var want string
	for _, options := range []string{
		"ntlm,sign", "ntlm,seal", "spnego,ntlm,sign", "spnego,ntlm,seal",
		"krb5,sign", "krb5,seal", "spnego,krb5,sign", "spnego,krb5,seal",
	} {
		want += options + " 42 True 100\n"
	}
	if got := python(t, "-c", script, "ws-001.corp.example", idleAddr, fmt.Sprint(echoPort), password(t, "GPADMIN")); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

// impacket's clients of the services that gpreach asks: by NTLM signed and sealed, by Kerberos with a ticket of the real
// KDC sealed, which is all that impacket can do.
func TestImpacketLogsOnToSimulatedHost(t *testing.T) {
	simulated(t, admitEnv+"=1")
	captured := startCapture(t)
	cache := kinit(t, "host/ws-001.corp.example", "cifs/ws-001.corp.example")
	const calls = `
import os, sys
from impacket.dcerpc.v5 import transport, tsch, even6
from impacket.dcerpc.v5.rpcrt import *
name, address, user, password, cache = sys.argv[1:]
def run(port, uuid, call, level, kerberos):
    t = transport.DCERPCTransportFactory("ncacn_ip_tcp:%s[%d]" % (name if kerberos else address, port))
    t.setRemoteHost(address)
    if kerberos:
        os.environ["KRB5CCNAME"] = cache
        t.set_credentials(user, "", "CORP.EXAMPLE"); t.set_kerberos(True)
    else:
        t.set_credentials(user, password, "CORP")
    d = t.get_dce_rpc()
    d.set_auth_level(level)
    d.set_auth_type(RPC_C_AUTHN_GSS_NEGOTIATE if kerberos else RPC_C_AUTHN_WINNT)
    try:
        d.connect(); d.bind(uuid)
        return call(d)
    except Exception as e:
        return "%s %s" % (type(e).__name__, e)
    finally:
        d.disconnect()
def tasks(d):
    version = tsch.hSchRpcHighestVersion(d)["pVersion"]
    try:
        names = tsch.hSchRpcEnumTasks(d, "\\")
    except tsch.DCERPCSessionError as e:
        names = e.get_packet()
    return "0x%x, %d tasks" % (version, names["pcNames"])
def channel(d):
    r = even6.hEvtRpcRegisterLogQuery(d, "System\x00", 0x101, "*\x00")
    return "%d channel, status %d" % (r["QueryChannelInfoSize"], r["QueryChannelInfo"][0]["Status"])
for what, kerberos, level in (("NTLM signed", False, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY), ("NTLM sealed", False, RPC_C_AUTHN_LEVEL_PKT_PRIVACY), ("Kerberos sealed", True, RPC_C_AUTHN_LEVEL_PKT_PRIVACY)):
    print(what, "tasks:", run(49668, tsch.MSRPC_UUID_TSCHS, tasks, level, kerberos))
    print(what, "log:", run(49667, even6.MSRPC_UUID_EVEN6, channel, level, kerberos))`
	t.Run("calls", func(t *testing.T) {
		got := python(t, "-c", calls, "ws-001.corp.example", idleAddr, "gpadmin", password(t, "GPADMIN"), cache)
		const want = `NTLM signed tasks: DCERPCException rpc_s_access_denied
NTLM signed log: 1 channel, status 0
NTLM sealed tasks: 0x10006, 2 tasks
NTLM sealed log: 1 channel, status 0
Kerberos sealed tasks: 0x10006, 2 tasks
Kerberos sealed log: 1 channel, status 0
`
		if got != want {
			t.Errorf("%s\nwant:\n%s", got, want)
		}
	})
	t.Run("who has no right", func(t *testing.T) {
		got := python(t, "-c", calls, "ws-001.corp.example", idleAddr, "lowpriv", password(t, "LOWPRIV"), cache)
		// The ticket is another user's than who says that he has it.
		const want = `NTLM signed tasks: DCERPCException rpc_s_access_denied
NTLM signed log: DCERPCException DCERPC Runtime Error: code: 0x5 - rpc_s_access_denied 
NTLM sealed tasks: 0x10006, 0 tasks
NTLM sealed log: DCERPCException DCERPC Runtime Error: code: 0x5 - rpc_s_access_denied 
Kerberos sealed tasks: DCERPCException Bind context rejected: invalid_checksum
Kerberos sealed log: DCERPCException Bind context rejected: invalid_checksum
`
		if got != want {
			t.Errorf("%s\nwant:\n%s", got, want)
		}
	})

	const dcom = `
import os, sys
from impacket.dcerpc.v5.dcomrt import DCOMConnection
from impacket.dcerpc.v5.dcom import wmi
from impacket.dcerpc.v5.dtypes import NULL
target, user, password, kerberos, namespace, cache = sys.argv[1:]
os.environ["KRB5CCNAME"] = cache
kerberos = kerberos == "kerberos"
d = None
try:
    d = DCOMConnection(target, user, "" if kerberos else password, "CORP.EXAMPLE" if kerberos else "CORP", oxidResolver=True, doKerberos=kerberos)
    login = wmi.IWbemLevel1Login(d.CoCreateInstanceEx(wmi.CLSID_WbemLevel1Login, wmi.IID_IWbemLevel1Login))
    services = login.NTLMLogin(namespace, NULL, NULL)
    login.RemRelease()
    services.RemRelease()
    print("released")
except Exception as e:
    print(type(e).__name__, e)
finally:
    if d: d.disconnect()`
	for _, tt := range []struct{ name, target, user, secret, by, namespace, want string }{
		{"WMI by NTLM", idleAddr, "gpadmin", "GPADMIN", "ntlm", "//./root/rsop", "released"},
		{"WMI by Kerberos", "ws-001.corp.example", "gpadmin", "GPADMIN", "kerberos", "//./root/cimv2", "released"},
		{"a namespace that there is not", idleAddr, "gpadmin", "GPADMIN", "ntlm", "//./root/nowhere", "WBEM_E_INVALID_NAMESPACE"},
		{"who may not activate", idleAddr, "lowpriv", "LOWPRIV", "ntlm", "//./root/rsop", "0x80070005"},
		{"a wrong password", idleAddr, "gpadmin", "", "ntlm", "//./root/rsop", "rpc_s_access_denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := "not the password"
			if tt.secret != "" {
				secret = password(t, tt.secret)
			}
			if got := python(t, "-c", dcom, tt.target, tt.user, secret, tt.by, tt.namespace, cache); !strings.Contains(got, tt.want) {
				t.Errorf("%s\nwant: %s", got, tt.want)
			}
		})
	}
	file := captured.stop(t)
	if n, shown := frames(t, file, "dcerpc.auth_type"); n < 40 {
		t.Errorf("tshark sees %d frames with a verifier\n%s", n, shown)
	}
	if n, shown := frames(t, file, "_ws.malformed || _ws.unreassembled"); n > 0 {
		t.Errorf("tshark finds %d malformed frames:\n%s", n, shown)
	}
}

// gpreach itself, with tickets of the real KDC and by NTLM, reads the simulated host's event log by the pipe and by its
// own port.
func TestGpreachLogsOnToSimulatedHost(t *testing.T) {
	simulated(t, admitEnv+"=1")
	admin := password(t, "GPADMIN")
	for _, tt := range []struct {
		name, target, want string
		c                  *auth.Credential
	}{
		{"by Kerberos", "ws-001.corp.example", "kerberos pipe granted log granted", withPassword(t, "gpadmin@CORP.EXAMPLE", admin)},
		{"by ccache", "ws-001.corp.example", "kerberos pipe granted log granted", credential(t, auth.Source{CCache: kinit(t)})},
		{"by NTLM", idleAddr, "ntlm pipe granted log granted", withPassword(t, `CORP\gpadmin`, admin)},
		{
			"without a right", "ws-001.corp.example", "kerberos pipe denied [call denied ElfrOpenELW: status 0xC0000022 (STATUS_ACCESS_DENIED)] " +
				"log denied [call denied Microsoft-Windows-GroupPolicy/Operational: error 5 (ERROR_ACCESS_DENIED)]",
			withPassword(t, "lowpriv@CORP.EXAMPLE", password(t, "LOWPRIV")),
		},
		{
			"another host than the ticket's", "ws-002.corp.example",
			"kerberos pipe untested [authenticate wrong-host Kerberos error 35: the host does not know the key that the ticket is for] " +
				"log untested [bind wrong-host Kerberos error 35: the host does not know the key that the ticket is for]",
			withPassword(t, "gpadmin@CORP.EXAMPLE", admin),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := climber(secure.New(verified(t, tt.c), secure.Options{AllowNTLM: true}))
			p.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr(idleAddr)}, nil
			}
			if got := climb(t, p, tt.target); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// impacket opens the event log by its pipe, without signing as it does; in SMB 3 it insists on encryption, which is not
// here. smbclient logs on in SMB 3.1.1, by NTLM and by Kerberos, and verifies the signatures of all answers.
func TestOthersLogOnToSimulatedHostBySMB(t *testing.T) {
	simulated(t, admitEnv+"=1")
	const script = `
import sys
from impacket.smbconnection import SMBConnection, SMB2_DIALECT_002, SMB2_DIALECT_21
from impacket.dcerpc.v5 import transport, even
address, password = sys.argv[1:]
for dialect in (SMB2_DIALECT_002, SMB2_DIALECT_21):
    s = SMBConnection(address, address, preferredDialect=dialect)
    s.login("gpadmin", password, "CORP")
    t = transport.SMBTransport(address, 445, "eventlog", smb_connection=s)
    d = t.get_dce_rpc(); d.connect(); d.bind(even.MSRPC_UUID_EVEN)
    r = even.hElfrOpenELW(d, "System")
    print("0x%x" % s.getDialect(), r["ErrorCode"])
    even.hElfrCloseEL(d, r["LogHandle"]); d.disconnect(); s.logoff()`
	if got, want := python(t, "-c", script, idleAddr, password(t, "GPADMIN")), "0x202 0\n0x210 0\n"; got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
	for _, by := range [][]string{
		{"-U", `CORP\gpadmin%` + password(t, "GPADMIN"), "//" + idleAddr + "/IPC$"},
		{"--use-kerberos=required", "-U", "gpadmin@CORP.EXAMPLE%" + password(t, "GPADMIN"), "//ws-001.corp.example/IPC$"},
	} {
		args := append([]string{"--option=client min protocol=SMB3_11", "--option=client signing=required", "--realm=CORP.EXAMPLE", "-c", "exit"}, by...)
		if out, err := exec.CommandContext(t.Context(), "smbclient", args...).CombinedOutput(); err != nil {
			t.Errorf("smbclient: %v\n%s", err, out)
		}
	}
}
