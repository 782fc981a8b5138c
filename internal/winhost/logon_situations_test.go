package winhost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oiweiwei/go-msrpc/dcerpc"
	rpcerrors "github.com/oiweiwei/go-msrpc/dcerpc/errors"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/iremotescmactivator/v0"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/wmi/iwbemlevel1login/v0"
	"github.com/oiweiwei/go-msrpc/msrpc/even6/ieventservice/v1"
	"github.com/oiweiwei/go-msrpc/msrpc/tsch/itaskschedulerservice/v1"
	"github.com/oiweiwei/gokrb5.fork/v9/credentials"

	"github.com/gpreach/gpreach/rpc"
)

// TestLogonFleet looks at what each host answers to the account beside its pipe. What
// the ladder makes of it, and the pipe, stand in package secure's TestLogonSituations.
func TestLogonFleet(t *testing.T) {
	const granted = "log ok, tasks ok, activation ok, rsop ok, cimv2 ok"
	const untried = ", rsop untried, cimv2 untried"
	change := func(old, new string) string { return strings.Replace(granted, old, new, 1) }
	want := map[string]string{
		"nobody":                   "log 0x5, tasks 0x80070005, activation 0x80070005" + untried,
		"channels denied":          change("log ok", "log 0x5"),
		"one channel denied":       change("log ok", "log channel 0x5"),
		"schedule denied":          change("tasks ok", "tasks 0x80070005"),
		"activation denied":        change("ok, rsop ok, cimv2 ok", "0x80070005"+untried),
		`root\rsop denied`:         change("rsop ok", "rsop 0x80041003"),
		`root\cimv2 denied`:        change("cimv2 ok", "cimv2 0x80041003"),
		`root\rsop missing`:        change("rsop ok", "rsop 0x8004100e"),
		"WMI's port dropped":       change("rsop ok, cimv2 ok", "rsop timeout, cimv2 timeout"),
		"WMI's port refused":       change("rsop ok, cimv2 ok", "rsop refused, cimv2 refused"),
		"WMI's port taken":         change("rsop ok, cimv2 ok", "rsop rejected, cimv2 rejected"),
		"WMI stopped":              change("ok, rsop ok, cimv2 ok", "0x80070422"+untried),
		"WMI not registered":       change("ok, rsop ok, cimv2 ok", "0x80040154"+untried),
		"WMI refuses the call":     change("rsop ok, cimv2 ok", "rsop fault 0x8001011b, cimv2 fault 0x8001011b"),
		"WMI hangs":                change("rsop ok, cimv2 ok", "rsop timeout, cimv2 timeout"),
		"WMI does not start":       change("ok, rsop ok, cimv2 ok", "0x80080005"+untried),
		"no bindings":              change("ok, rsop ok, cimv2 ok", "without a port"+untried),
		"hardened":                 change("ok, rsop ok, cimv2 ok", "fault 0x5"+untried),
		"activation without end":   change("ok, rsop ok, cimv2 ok", "timeout"+untried),
		"logon fails at the end":   change("log ok", "log fault 0x5"),
		"Schedule's logon fails":   change("tasks ok", "tasks fault 0x5"),
		"WMI's logon fails":        change("rsop ok, cimv2 ok", "rsop fault 0x5, cimv2 fault 0x5"),
		"bind_nak 8":               change("tasks ok", "tasks bind_nak 8"),
		"bind_nak 9":               change("tasks ok", "tasks bind_nak 9"),
		"NTLM refused":             "log bind_nak 8, tasks bind_nak 8, activation bind_nak 8" + untried,
		"all granted":              granted,
		"all granted by a server":  granted,
		"pipe denied":              granted,
		"pipe missing":             granted,
		"bindings of another host": granted,
		"slow activation":          granted,
	}
	for _, w := range []way{ways()[1], ways()[7]} {
		t.Run(w.name, func(t *testing.T) {
			if w.krb {
				want["NTLM refused"] = granted
			}
			got := map[string]string{}
			d := LogonFleet()
			for _, s := range d.Situations {
				if s.Name == "" || s.About == "" {
					t.Errorf("%+v", s)
				}
				synctest.Test(t, func(t *testing.T) { got[s.Name] = d.look(t, w, s.Host) })
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// The tickets for the fleet are for every host, and for no other.
func TestLogonFleetTickets(t *testing.T) {
	d := LogonFleet()
	file, err := d.Tickets(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var cache credentials.CCache
	if err := cache.Unmarshal(file); err != nil {
		t.Fatal(err)
	}
	if got, want := len(cache.Credentials), 2*len(d.Situations); got != want {
		t.Errorf("%d tickets, want %d", got, want)
	}
	if d.Host("elsewhere.demo.example") != nil {
		t.Error("a host that there is not")
	}
}

// look describes what a host answers to the account.
func (d *Domain) look(t *testing.T, w way, name string) string {
	h := d.Host(name)
	port := func(s rpc.Syntax) uint16 {
		for _, e := range h.Endpoints {
			if e.Interface == s && e.Port != 0 {
				return e.Port
			}
		}
		return 0
	}
	at := func(port uint16, ask func(context.Context, dcerpc.Conn, []dcerpc.Option) (string, error)) string {
		ctx, conn, options := dialAs(t, d.Network, h, port, w, d.User, d.Password)
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		answer, err := ask(ctx, conn, options)
		switch nak, isNak := errors.AsType[*dcerpc.BindNak](err); {
		case isNak:
			return fmt.Sprintf("bind_nak %d", nak.ProviderRejectReason)
		case answer != "":
			return answer
		}
		return said(err)
	}
	var login *dcom.IPID
	seen := "log " + at(port(rpc.EventLog), askLog) + ", tasks " + at(port(rpc.TaskScheduler), askTasks) + ", activation "
	seen += at(mapperPort, func(ctx context.Context, conn dcerpc.Conn, options []dcerpc.Option) (answer string, err error) {
		login, answer, err = askActivation(ctx, conn, options)
		return answer, err
	})
	for _, namespace := range []string{"rsop", "cimv2"} {
		seen += ", " + namespace + " "
		if login == nil {
			seen += "untried"
			continue
		}
		seen += at(h.WMI.Port, func(ctx context.Context, conn dcerpc.Conn, options []dcerpc.Option) (string, error) {
			return askNamespace(ctx, conn, append(options, dcom.WithIPID(login)), namespace)
		})
	}
	return seen
}

func hresult(status int32) string {
	if status == 0 || status == noMore {
		return "ok"
	}
	return fmt.Sprintf("%#x", uint32(status))
}

// said returns what an error says that is no return value.
func said(err error) string {
	if e, ok := errors.AsType[*rpcerrors.Error](err); ok {
		return fmt.Sprintf("fault %#x", e.Value)
	}
	for text, short := range map[string]string{"timeout": "timeout", "deadline": "timeout", "refused": "refused", "syntax not supported": "rejected"} {
		if strings.Contains(fmt.Sprint(err), text) {
			return short
		}
	}
	return fmt.Sprint(err)
}

func askLog(ctx context.Context, conn dcerpc.Conn, options []dcerpc.Option) (string, error) {
	c, err := ieventservice.NewEventServiceClient(ctx, conn, options...)
	if err != nil {
		return "", err
	}
	q, err := c.RegisterLogQuery(ctx, &ieventservice.RegisterLogQueryRequest{Path: channels[0], Query: "*", Flags: 0x101})
	switch {
	case q == nil:
		return "", err
	case len(q.QueryChannelInfo) == 1 && q.QueryChannelInfo[0].Status != 0:
		return fmt.Sprintf("channel %#x", q.QueryChannelInfo[0].Status), nil
	}
	return hresult(int32(q.Return)), nil
}

func askTasks(ctx context.Context, conn dcerpc.Conn, options []dcerpc.Option) (string, error) {
	c, err := itaskschedulerservice.NewTaskSchedulerServiceClient(ctx, conn, options...)
	if err != nil {
		return "", err
	}
	names, err := c.EnumTasks(ctx, &itaskschedulerservice.EnumTasksRequest{Path: `\`, RequestedCount: 10})
	if names == nil {
		return "", err
	}
	return hresult(names.Return), nil
}

func askActivation(ctx context.Context, conn dcerpc.Conn, options []dcerpc.Option) (login *dcom.IPID, answer string, err error) {
	c, err := iremotescmactivator.NewRemoteSCMActivatorClient(ctx, conn, options...)
	if err != nil {
		return nil, "", err
	}
	version := &dcom.COMVersion{MajorVersion: 5, MinorVersion: 7}
	in, err := activationProperties(version).ActivationPropertiesIn()
	if err != nil {
		return nil, "", err
	}
	out, err := c.RemoteCreateInstance(ctx, &iremotescmactivator.RemoteCreateInstanceRequest{ORPCThis: &dcom.ORPCThis{Version: version}, ActPropertiesIn: in})
	if out == nil {
		return nil, "", err
	}
	if out.Return != 0 {
		return nil, hresult(out.Return), nil
	}
	var properly dcom.ActivationProperties
	if err := properly.Parse(out.ActPropertiesOut); err != nil {
		return nil, "", err
	}
	answer = "without a port"
	for _, p := range properly.Properties {
		switch p := p.(type) {
		case *dcom.PropertiesOutInfo:
			login = p.InterfaceData[0].IPID()
		case *dcom.SCMReplyInfoData:
			if len(p.RemoteReply.OXIDBindings.EndpointsByProtocol("ncacn_ip_tcp")) > 0 {
				answer = "ok"
			}
		}
	}
	if answer != "ok" {
		login = nil
	}
	return login, answer, nil
}

func askNamespace(ctx context.Context, conn dcerpc.Conn, options []dcerpc.Option, namespace string) (string, error) {
	l, err := iwbemlevel1login.NewLevel1LoginClient(ctx, conn, options...)
	if err != nil {
		return "", err
	}
	out, err := l.NTLMLogin(ctx, &iwbemlevel1login.NTLMLoginRequest{
		This: &dcom.ORPCThis{Version: &dcom.COMVersion{MajorVersion: 5, MinorVersion: 7}}, NetworkResource: `\\.\root\` + namespace,
	})
	if out == nil {
		return "", err
	}
	return hresult(out.Return), nil
}
