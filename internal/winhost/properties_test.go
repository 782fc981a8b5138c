package winhost

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oiweiwei/go-msrpc/msrpc/dcom"
	"github.com/oiweiwei/go-msrpc/msrpc/dcom/iremotescmactivator/v0"

	"github.com/gpreach/gpreach/rpc"
)

// asking is the OBJREF of a request for an activation, with its properties changed.
func asking(t *testing.T, change func(*dcom.ActivationProperties)) []byte {
	t.Helper()
	properties := activationProperties(&dcom.COMVersion{MajorVersion: 5, MinorVersion: 7})
	if change != nil {
		change(properties)
	}
	in, err := properties.ActivationPropertiesIn()
	if err != nil {
		t.Fatal(err)
	}
	return in.Data
}

// An activation has four properties, of a version that the host speaks, in an OBJREF of
// their own class.
func TestActivationProperties(t *testing.T) {
	at := func(i int, property dcom.ActivationProperty) func(*dcom.ActivationProperties) {
		return func(p *dcom.ActivationProperties) {
			if property == nil {
				p.Properties = slices.Delete(p.Properties, i, i+1)
				return
			}
			p.Properties[i] = property
		}
	}
	version := func(major, minor uint16) func(*dcom.ActivationProperties) {
		return func(p *dcom.ActivationProperties) {
			if i, ok := p.Properties[0].(*dcom.InstantiationInfoData); ok {
				i.ClientCOMVersion = &dcom.COMVersion{MajorVersion: major, MinorVersion: minor}
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*dcom.ActivationProperties)
		spoil  int // the byte of the OBJREF that is changed, 0 for none
		want   uint32
	}{
		{"all that there must be", nil, 0, 0},
		{"an older minor version", version(5, 1), 0, 0},
		{"a newer minor version", version(5, 8), 0, versionMismatch},
		{"another major version", version(6, 0), 0, versionMismatch},
		{"without InstantiationInfoData", at(0, nil), 0, invalidArgument},
		{"without ActivationContextInfoData", at(1, nil), 0, invalidArgument},
		{"without LocationInfoData", at(2, nil), 0, invalidArgument},
		{"without ScmRequestInfoData", at(3, nil), 0, invalidArgument},
		{"a ScmRequestInfoData that asks for nothing", at(3, &dcom.SCMRequestInfoData{}), 0, invalidArgument},
		{"within a machine", func(p *dcom.ActivationProperties) { p.DestinationContext = 1 }, 0, invalidArgument},
		{"another OBJREF", nil, 4, invalidArgument},
		{"another interface", nil, 8, invalidArgument},
		{"another class", nil, 24, invalidArgument},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := asking(t, tt.change)
			if tt.spoil > 0 {
				b[tt.spoil] ^= 1
			}
			a := readActivation(b)
			if a.status != tt.want {
				t.Errorf("status %#x, want %#x", a.status, tt.want)
			}
			if tt.want == 0 && (a.class != wbemLevel1Login || !slices.Equal(a.interfaces, []rpc.UUID{wbemLevel1LoginIID}) || !slices.Equal(a.protseqs, []uint16{protseqTCP})) {
				t.Errorf("%+v", a)
			}
		})
	}
	whole := asking(t, nil)
	for n := range whole {
		if a := readActivation(whole[:n]); a.status == 0 && n < len(whole)-16 { // the last is padding
			t.Errorf("%d of %d bytes: %+v", n, len(whole), a)
		}
	}
}

// What is wrong with the properties is the call's status, and with ORPCTHIS its fault.
func TestActivationRefused(t *testing.T) {
	for _, tt := range []struct {
		name          string
		user          string
		major         uint16
		change        func(*dcom.ActivationProperties)
		status, fault string
	}{
		{"right", "admin", 5, nil, "ok", ""},
		{"without ScmRequestInfoData", "admin", 5, func(p *dcom.ActivationProperties) { p.Properties = p.Properties[:3] }, "0x80070057", ""},
		{"and without the right", "nobody", 5, func(p *dcom.ActivationProperties) { p.Properties = p.Properties[:3] }, "0x80070005", ""},
		{"ORPCTHIS of another version", "admin", 6, nil, "", "fault 0x80010110"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, n := admitting(t)
			ctx, conn, options := dialAs(t, n, h, mapperPort, ways()[1], tt.user, testPassword)
			c, err := iremotescmactivator.NewRemoteSCMActivatorClient(ctx, conn, options...)
			if err != nil {
				t.Fatal(err)
			}
			out, err := c.RemoteCreateInstance(ctx, &iremotescmactivator.RemoteCreateInstanceRequest{
				ORPCThis: &dcom.ORPCThis{Version: &dcom.COMVersion{MajorVersion: tt.major, MinorVersion: 7}}, ActPropertiesIn: &dcom.InterfacePointer{Data: asking(t, tt.change)},
			})
			switch {
			case tt.fault != "":
				if said(err) != tt.fault {
					t.Errorf("%v, want %s", err, tt.fault)
				}
			case out == nil || hresult(out.Return) != tt.status:
				t.Errorf("%+v, %v, want %s", out, err, tt.status)
			}
		})
	}
}

// Bindings are of the protocols that the client has asked for.
func TestRequestedProtocols(t *testing.T) {
	h, _ := admitting(t)
	for _, tt := range []struct {
		asked []uint16
		want  bool
	}{{[]uint16{7}, true}, {[]uint16{8, 7}, true}, {[]uint16{8}, false}, {nil, false}} {
		a := readActivation(asking(t, func(p *dcom.ActivationProperties) {
			p.Properties[3] = &dcom.SCMRequestInfoData{RemoteRequest: &dcom.CustomRemoteRequestSCMInfo{RequestedProtocolSequences: tt.asked}}
		}))
		if !slices.Equal(a.protseqs, tt.asked) {
			t.Errorf("%v: read as %v", tt.asked, a.protseqs)
		}
		if got := strings.Contains(portsIn(h.scmReply(a.protseqs)), "52419"); got != tt.want {
			t.Errorf("%v: a TCP binding %t", tt.asked, got)
		}
	}
}

// portsIn is what a reply has of ASCII, without the zeros of UTF-16.
func portsIn(b []byte) string { return strings.ReplaceAll(string(b), "\x00", "") }

// With a port of its own WMI is bound to that, whichever comes first.
func TestStandaloneWMIBindings(t *testing.T) {
	for name, set := range map[string]func(*Host){
		"before":  func(h *Host) { h.StandaloneWMI(); h.Admit(Account{"admin", testPassword, Administrator}) },
		"after":   func(h *Host) { h.Admit(Account{"admin", testPassword, Administrator}); h.StandaloneWMI() },
		"without": func(h *Host) { h.Admit(Account{"admin", testPassword, Administrator}) },
	} {
		h := Client("ws-001.corp.example", here)
		h.RTT = 0
		set(h)
		port, other := uint16(WMIPort), uint16(dynamicWMI)
		if name == "without" {
			port, other = other, port
		}
		if got := h.bindings()[0]; got != fmt.Sprintf("WS-001[%d]", port) {
			t.Errorf("%s: %s", name, got)
		}
		if _, open := h.Ports[other]; open || h.Ports[port].Serve == nil {
			t.Errorf("%s: %d is open", name, other)
		}
		ctx, conn, options := dialAs(t, NewNetwork(h), h, mapperPort, ways()[1], "admin", testPassword)
		if _, got, err := askActivation(ctx, conn, options); got != "ok" {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// The host grants what is asked for and what it has, and no more.
func TestNTLMFlags(t *testing.T) {
	h, _ := admitting(t)
	for asked, want := range map[uint32]uint32{
		0xe2088297: 0xe2898215, // all but sealing, and an LM key
		0xe20882b7: 0xe2898235,
		0xa2088207: 0xa2898205, // neither signing nor a key exchange
		0:          targetFlags,
	} {
		m := binary.LittleEndian.AppendUint32([]byte("NTLMSSP\x00\x01\x00\x00\x00"), asked)
		if got := binary.LittleEndian.Uint32(h.challenge(m)[20:]); got != want {
			t.Errorf("asked for %#x: granted %#x, want %#x", asked, got, want)
		}
	}
}
