package winhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	rpcerrors "github.com/oiweiwei/go-msrpc/dcerpc/errors"
	"github.com/oiweiwei/go-msrpc/msrpc/dcetypes"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/iremotescmactivator/v0"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/iremunknown/v0"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/iremunknown2/v0"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/wmi"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/wmi/iwbemlevel1login/v0"
	"github.com/oiweiwei/go-msrpc/msrpc/even6/ieventservice/v1"
	"github.com/oiweiwei/go-msrpc/msrpc/tsch/itaskschedulerservice/v1"
	"github.com/oiweiwei/go-msrpc/ssp"
	"github.com/oiweiwei/go-msrpc/ssp/credential"
	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
	"github.com/oiweiwei/go-msrpc/ssp/krb5"
	krbconfig "github.com/oiweiwei/gokrb5.fork/v9/config"
	"github.com/oiweiwei/gokrb5.fork/v9/credentials"
)

const testPassword = "Linnet-Of-The-Tests!"

// admitting returns a client of the domain with accounts of every role, and its network.
func admitting(t *testing.T) (*Host, *Network) {
	t.Helper()
	h := Client("ws-001.corp.example", here)
	h.RTT = 0
	h.Admit(
		Account{"admin", testPassword, Administrator},
		Account{"reader", testPassword, EventLogReader},
		Account{"dcom", testPassword, DCOMUser},
		Account{"nobody", testPassword, Nobody},
	)
	return h, NewNetwork(h)
}

// A way is one of those in which go-msrpc logs on.
type way struct {
	name string
	kind dcerpc.AuthType
	krb  bool
	seal bool
}

func ways() []way {
	return []way{
		{"NTLM, signed", dcerpc.AuthTypeWinNT, false, false},
		{"NTLM, sealed", dcerpc.AuthTypeWinNT, false, true},
		{"SPNEGO with NTLM, signed", dcerpc.AuthTypeGSSNegotiate, false, false},
		{"SPNEGO with NTLM, sealed", dcerpc.AuthTypeGSSNegotiate, false, true},
		{"Kerberos, signed", dcerpc.AuthTypeKerberos, true, false},
		{"Kerberos, sealed", dcerpc.AuthTypeKerberos, true, true},
		{"SPNEGO with Kerberos, signed", dcerpc.AuthTypeGSSNegotiate, true, false},
		{"SPNEGO with Kerberos, sealed", dcerpc.AuthTypeGSSNegotiate, true, true},
	}
}

// A dialer closes what it dialled at the end of a test: go-msrpc does not always.
type dialer struct {
	*Network
	t *testing.T
}

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dial(ctx, network, address)
	if err == nil {
		d.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// dialAs returns a connection to a port, and a context and options with which a user logs on.
func dialAs(t *testing.T, n *Network, h *Host, port uint16, w way, user, password string) (context.Context, dcerpc.Conn, []dcerpc.Option) {
	t.Helper()
	realm := strings.ToUpper(h.Domain)
	options := []dcerpc.Option{dcerpc.WithSign(), dcerpc.WithSecurtyProvider(w.kind), dcerpc.WithTargetName("host/" + h.DNSName)}
	if w.seal {
		options[0] = dcerpc.WithSeal()
	}
	var ctx context.Context
	if w.krb {
		file, err := Tickets(user, time.Hour, h)
		if err != nil {
			t.Fatal(err)
		}
		cache := new(credentials.CCache)
		if err := cache.Unmarshal(file); err != nil {
			t.Fatal(err)
		}
		c := krbconfig.New()
		c.LibDefaults.DefaultRealm = realm
		config := &krb5.Config{
			KRB5Config: krb5.ParsedLibDefaults(c), DCEStyle: true, DisablePAFXFAST: true, SName: "host/" + h.DNSName,
			Flags: []int{int(gssapi.MutualAuthn), int(gssapi.Integrity), int(gssapi.Confidentiality)},
		}
		ctx = gssapi.NewSecurityContext(t.Context(), gssapi.WithMechanismFactory(ssp.SPNEGO), gssapi.WithMechanismFactory(ssp.KRB5, config),
			gssapi.WithCredential(credential.NewFromCCache(user+"@"+realm, cache)))
	} else {
		ctx = gssapi.NewSecurityContext(t.Context(), gssapi.WithMechanismFactory(ssp.SPNEGO), gssapi.WithMechanismFactory(ssp.NTLM),
			gssapi.WithCredential(credential.NewFromPassword(user, password, credential.Domain(h.netBIOSDomain()))))
	}
	conn, err := dcerpc.Dial(ctx, h.Addrs[0].String(), dcerpc.WithDialer(dialer{n, t}), dcerpc.WithTimeout(time.Minute),
		dcerpc.WithEndpoint(fmt.Sprintf("ncacn_ip_tcp:[%d]", port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(ctx)) })
	return ctx, conn, options
}

// tasksAs asks for the Task Scheduler's version and tasks.
func tasksAs(t *testing.T, n *Network, h *Host, w way, user, password string) (version, status uint32, err error) {
	t.Helper()
	ctx, conn, options := dialAs(t, n, h, clientSchedule, w, user, password)
	c, err := itaskschedulerservice.NewTaskSchedulerServiceClient(ctx, conn, options...)
	if err != nil {
		return 0, 0, err
	}
	v, err := c.HighestVersion(ctx, &itaskschedulerservice.HighestVersionRequest{})
	if err != nil {
		return 0, 0, err
	}
	names, err := c.EnumTasks(ctx, &itaskschedulerservice.EnumTasksRequest{Path: `\`, RequestedCount: 10})
	if names == nil {
		return v.Version, 0, err
	}
	return v.Version, uint32(names.Return), nil
}

func TestTasksByMSRPC(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			h, n := admitting(t)
			version, status, err := tasksAs(t, n, h, w, "admin", testPassword)
			if !w.seal {
				if _, ok := errors.AsType[*rpcerrors.Error](err); !ok {
					t.Errorf("only signed: %v", err)
				}
				return
			}
			if err != nil || version != 0x10006 || status != noMore {
				t.Errorf("version %#x, status %#x, %v", version, status, err)
			}
		})
	}
}

func TestChannelsByMSRPC(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			h, n := admitting(t)
			for _, user := range []string{"admin", "nobody"} {
				ctx, conn, options := dialAs(t, n, h, clientEventLog, w, user, testPassword)
				c, err := ieventservice.NewEventServiceClient(ctx, conn, options...)
				if err != nil {
					t.Fatal(err)
				}
				q, err := c.RegisterLogQuery(ctx, &ieventservice.RegisterLogQueryRequest{Path: "System", Query: "*", Flags: 0x101})
				if user == "nobody" {
					if q == nil || q.Return != accessDenied {
						t.Errorf("nobody: %+v, %v", q, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if len(q.QueryChannelInfo) != 1 || strings.TrimRight(q.QueryChannelInfo[0].Name, "\x00") != "System" || h.Left().Handles != 2 {
					t.Errorf("%+v, left %+v", q, h.Left())
				}
				for _, handle := range []*dcetypes.ContextHandle{(*dcetypes.ContextHandle)(q.Handle), (*dcetypes.ContextHandle)(q.OperationControl)} {
					if _, err := c.Close(ctx, &ieventservice.CloseRequest{Handle: handle}); err != nil {
						t.Error(err)
					}
				}
			}
			if left := h.Left(); left != (Left{}) {
				t.Errorf("left %+v", left)
			}
		})
	}
}

func TestWMIByMSRPC(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			h, n := admitting(t)
			login, unknown := activateAs(t, n, h, w, "admin")
			ctx, conn, options := dialAs(t, n, h, h.WMI.Port, w, "admin", testPassword)
			l, err := iwbemlevel1login.NewLevel1LoginClient(ctx, conn, append(options, dcom.WithIPID(login))...)
			if err != nil {
				t.Fatal(err)
			}
			this := &dcom.ORPCThis{Version: &dcom.COMVersion{MajorVersion: 5, MinorVersion: 7}}
			services, err := l.NTLMLogin(ctx, &iwbemlevel1login.NTLMLoginRequest{This: this, NetworkResource: "//./root/rsop"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.NTLMLogin(ctx, &iwbemlevel1login.NTLMLoginRequest{This: this, NetworkResource: "//./root/nowhere"}); err == nil {
				t.Error("logged on to a namespace that there is not")
			}
			r, err := iremunknown2.NewRemoteUnknown2Client(ctx, conn, dcom.WithIPID(unknown))
			if err != nil {
				t.Fatal(err)
			}
			if left := h.Left(); left.References != 10 {
				t.Errorf("left %+v", left)
			}
			var refs []*dcom.RemoteInterfaceReference
			for _, ipid := range []*dcom.IPID{login, services.Namespace.InterfacePointer().IPID()} {
				refs = append(refs, &dcom.RemoteInterfaceReference{IPID: ipid, PublicReferencesCount: 5})
			}
			if _, err := r.RemoteUnknown().RemoteRelease(ctx, &iremunknown.RemoteReleaseRequest{This: this, InterfaceReferencesCount: 2, InterfaceReferences: refs}); err != nil {
				t.Error(err)
			}
			if left := h.Left(); left != (Left{}) {
				t.Errorf("left %+v", left)
			}
		})
	}
}

// activationProperties ask for WMI.
func activationProperties(version *dcom.COMVersion) *dcom.ActivationProperties {
	return &dcom.ActivationProperties{DestinationContext: 2, Properties: []dcom.ActivationProperty{
		&dcom.InstantiationInfoData{ClassID: wmi.Level1LoginClassID, IID: []*dcom.IID{iwbemlevel1login.Level1LoginIID}, ClientCOMVersion: version},
		&dcom.ActivationContextInfoData{},
		&dcom.LocationInfoData{},
		&dcom.SCMRequestInfoData{RemoteRequest: &dcom.CustomRemoteRequestSCMInfo{RequestedProtocolSequences: []uint16{7}}},
	}}
}

// activateAs activates WMI and returns the objects to log in at and to release by.
func activateAs(t *testing.T, n *Network, h *Host, w way, user string) (login, unknown *dcom.IPID) {
	t.Helper()
	ctx, conn, options := dialAs(t, n, h, mapperPort, w, user, testPassword)
	c, err := iremotescmactivator.NewRemoteSCMActivatorClient(ctx, conn, options...)
	if err != nil {
		t.Fatal(err)
	}
	version := &dcom.COMVersion{MajorVersion: 5, MinorVersion: 7}
	in, err := activationProperties(version).ActivationPropertiesIn()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.RemoteCreateInstance(ctx, &iremotescmactivator.RemoteCreateInstanceRequest{ORPCThis: &dcom.ORPCThis{Version: version}, ActPropertiesIn: in})
	if err != nil {
		t.Fatal(err)
	}
	var answer dcom.ActivationProperties
	if err := answer.Parse(out.ActPropertiesOut); err != nil {
		t.Fatal(err)
	}
	for _, p := range answer.Properties {
		switch p := p.(type) {
		case *dcom.PropertiesOutInfo:
			login = p.InterfaceData[0].IPID()
		case *dcom.SCMReplyInfoData:
			unknown = p.RemoteReply.IPIDRemoteUnknown
			if got := p.RemoteReply.OXIDBindings.EndpointsByProtocol("ncacn_ip_tcp"); len(got) != 2 {
				t.Errorf("bindings: %v", got)
			}
		}
	}
	if login == nil || unknown == nil {
		t.Fatalf("%+v", answer)
	}
	return login, unknown
}
