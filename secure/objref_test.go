package secure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/oiweiwei/go-msrpc/ndr"

	"github.com/gpreach/gpreach/internal/transcript"
	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/rpc"
)

const (
	someIPID = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
	someOXID = "\x3e\x3e\xdc\x0e\x37\x2b\x98\x0f"
)

// objref is a standard OBJREF of five references.
func objref(iid string) []byte {
	var b le
	b.u32(objrefSignature, objrefStandard)
	b.text(iid)
	b.u32(0, 5)
	b.text(someOXID + someOXID + someIPID)
	return append(b, dualStrings("\x07", "WS-001")...)
}

// dualStrings is a DUALSTRINGARRAY of bindings, each behind its protocol sequence.
func dualStrings(bindings ...string) []byte {
	var entries le
	for i := 0; i+1 < len(bindings); i += 2 {
		entries.u16(uint16(bindings[i][0]))
		for _, c := range []byte(bindings[i+1]) {
			entries.u16(uint16(c))
		}
		entries.u16(0)
	}
	entries.u16(0)
	security := len(entries) / 2
	entries.u16(10, 0xffff, 0, 0)
	var b le
	b.u16(uint16(len(entries)/2), uint16(security))
	return append(b, entries...)
}

// propsOut is a PropsOutInfo of one interface.
func propsOut(iid string, status uint32, ref []byte) []byte {
	var b le
	b.u32(1, referent, referent, referent, 1)
	b.text(iid)
	b.u32(1, status, 1)
	if ref == nil {
		b.u32(0)
		return serialize(b)
	}
	b.u32(referent, size(ref), size(ref))
	return serialize(append(b, ref...))
}

// scmReply is a ScmReplyInfoData.
func scmReply(bindings []byte) []byte {
	var b le
	b.u32(0, referent)
	b.text(someOXID)
	b.u32(referent)
	b.text(someIPID)
	b.u32(5)
	b.u16(5, 7)
	b.u32(uint32(len(bindings)/2 - 2))
	return serialize(append(b, bindings...))
}

// activationAnswer is an ActivationPropertiesOut of properties, each behind its class.
func activationAnswer(properties ...string) []byte {
	n := uint32(len(properties) / 2)
	var header, rest le
	headerSize := serializedLen + customHeaderLen + 4 + 16*n + 4 + 4*n
	header.u32(0, headerSize+-headerSize&7, 0, 2, n)
	header.text(string(make([]byte, 16)))
	header.u32(referent, referent, 0, n)
	for i := range n {
		header.text(properties[2*i])
		rest.text(properties[2*i+1])
	}
	header.u32(n)
	for i := range n {
		header.u32(uint32(len(properties[2*i+1])))
	}
	blob := append(serialize(header), rest...)
	var b le
	b.u32(objrefSignature, objrefCustom)
	b.text(iidPropertiesOut + clsidPropsOut)
	b.u32(0, size(blob)+16, size(blob), 0)
	return append(b, blob...)
}

func TestReadActivated(t *testing.T) {
	login := string(rpc.WMILogin.UUID[:])
	props := string(propsOut(login, 0, objref(login)))
	reply := string(scmReply(dualStrings("\x07", "WS-001[52419]")))
	good := activationAnswer(clsidPropsOut, props, clsidScmReply, reply)
	tests := []struct {
		name   string
		answer []byte
		port   uint16
		refs   uint32
		status uint32
		err    bool
	}{
		{"as Windows answers", good, 52419, 5, 0, false},
		{"the other way round, and a property that is not known", activationAnswer(clsidScmReply, reply, clsidLocation, string(locationInfo()), clsidPropsOut, props), 52419, 5, 0, false},
		{"no interface", activationAnswer(clsidPropsOut, string(propsOut(login, 0x80004002, nil)), clsidScmReply, reply), 52419, 0, 0x80004002, false},
		{"an interface without a reference", activationAnswer(clsidPropsOut, string(propsOut(login, 0, nil)), clsidScmReply, reply), 0, 0, 0, true},
		{"another interface", activationAnswer(clsidPropsOut, string(propsOut(iidServices, 0, objref(iidServices))), clsidScmReply, reply), 0, 0, 0, true},
		{"a pipe before TCP, and addresses of others", activationAnswer(clsidPropsOut, props, clsidScmReply, string(scmReply(dualStrings("\x0f", `\\WS[\pipe\x]`, "\x07", "10.9.9.9[50000]", "\x07", "x[1]")))), 50000, 5, 0, false},
		{"no port in it", activationAnswer(clsidPropsOut, props, clsidScmReply, string(scmReply(dualStrings("\x07", "WS-001", "\x07", "x[0]", "\x07", "x[65536]", "\x07", "x[-1]", "\x07", "x[12")))), 0, 5, 0, false},
		{"no bindings", activationAnswer(clsidPropsOut, props, clsidScmReply, string(scmReply(dualStrings()))), 0, 5, 0, false},
		{"no reply", activationAnswer(clsidPropsOut, props), 0, 0, 0, true},
		{"no result", activationAnswer(clsidScmReply, reply), 0, 0, 0, true},
		{"two replies", activationAnswer(clsidPropsOut, props, clsidScmReply, reply, clsidScmReply, reply), 0, 0, 0, true},
		{"nothing", nil, 0, 0, 0, true},
		{"a question", activationOfWMI(), 0, 0, 0, true},
	}
	for _, tt := range tests {
		found, err := readActivated(tt.answer)
		if (err != nil) != tt.err || err != nil && !errors.Is(err, wire.ErrGarbled) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil && (found.port != tt.port || found.login.refs != tt.refs || found.status != tt.status || string(found.unknown[:]) != someIPID) {
			t.Errorf("%s: %+v", tt.name, found)
		}
	}
	for n := range good { // cut short anywhere
		if found, err := readActivated(good[:n]); err == nil {
			t.Errorf("%d bytes of %d: %+v", n, len(good), found)
		}
	}
}

// What a real Windows 10 answered to a real client is read as it was meant.
func TestWindowsAnswers(t *testing.T) {
	pdus, ok := transcript.Windows10(t)
	if !ok {
		return
	}
	c := &createInstance{}
	stub := pdus["win10_scm_RemoteCreateInstance_response"][24:]
	if err := c.failed(c.UnmarshalNDRResponse(t.Context(), ndr.NDR20(stub))); err != nil || c.status != 0 {
		t.Fatalf("%#x, %v", c.status, err)
	}
	found, err := readActivated(c.properties)
	if err != nil || found.port != 50937 || found.login.refs != 5 || found.status != 0 ||
		fmt.Sprintf("%x %x", found.login.ipid[:], found.unknown[:]) != "13800000f00b0000eb1e714a35318a20 00cc0000f00b000000226e0773191bc1" {
		t.Errorf("%+v, %v", found, err)
	}
}

// What is sent is what a real Windows 10 sends, but for what is left out: the caller's
// context, its name, and where it would run the class (CLSCTX_LOCAL_SERVER alone is
// asked for by the one, and 0 by us).
func TestAsWindowsAsks(t *testing.T) {
	pdus, ok := transcript.Windows10(t)
	if !ok {
		return
	}
	const orpcThis, pointers, header = 32, 16, 48 + 8
	read := func(objref []byte) map[string][]byte {
		properties := map[string][]byte{}
		if err := eachProperty(objref[header:], func(class string, p *wire.Reader) { properties[class] = bytes.Clone(p.Rest()) }); err != nil {
			t.Fatal(err)
		}
		return properties
	}
	theirs := pdus["win10_scm_RemoteCreateInstance_request"][24+orpcThis+pointers:]
	windows, ours := read(theirs), read(activationOfWMI())
	if !bytes.Equal(theirs[:40], activationOfWMI()[:40]) {
		t.Errorf("%x, not %x", activationOfWMI()[:40], theirs[:40])
	}
	const classContext = 16
	if at := windows[clsidInstantiation][classContext:]; at[0] != 0x14 {
		t.Errorf("the class context of Windows is %x", at[:4])
	} else {
		at[0] = 0
	}
	for class, want := range map[string][]byte{clsidInstantiation: windows[clsidInstantiation], clsidScmRequest: windows[clsidScmRequest], clsidLocation: windows[clsidLocation]} {
		if !bytes.Equal(ours[class], want) {
			t.Errorf("of class %x\n%x\n%x", class, ours[class], want)
		}
	}
}

// What is sent is read as it is meant by the decoders of the answer.
func TestActivationOfWMI(t *testing.T) {
	b := activationOfWMI()
	if signature := binary.LittleEndian.Uint32(b); signature != objrefSignature || len(b)%8 != 0 {
		t.Errorf("%x", b)
	}
	blob := b[48+8:]
	if n := binary.LittleEndian.Uint32(b[48:]); int(n) != len(blob) {
		t.Errorf("dwSize %d of %d", n, len(blob))
	}
	var classes []string
	err := eachProperty(blob, func(class string, p *wire.Reader) {
		classes = append(classes, class)
		if class == clsidInstantiation && string(p.Bytes(16)) != clsidWMILogin {
			t.Error("another class is asked for")
		}
	})
	if err != nil || len(classes) != 4 {
		t.Errorf("%q, %v", classes, err)
	}
	if !bytes.Contains(blob, rpc.WMILogin.UUID[:]) {
		t.Error("no interface is asked for")
	}
}

func TestReadObjref(t *testing.T) {
	handler := objref(iidServices)
	handler[4] = objrefHandler
	custom := objref(iidServices)
	custom[4] = objrefCustom
	for _, tt := range []struct {
		name string
		b    []byte
		refs uint32
		err  bool
	}{
		{"standard", objref(iidServices), 5, false},
		{"with a handler", handler, 5, false},
		{"marshaled in a way of its own", custom, 0, false},
		{"of another interface", objref(someIPID), 0, true},
		{"none", nil, 0, true},
		{"cut short", objref(iidServices)[:63], 0, true},
	} {
		if ref, err := readObjref(tt.b, iidServices); (err != nil) != tt.err || err == nil && ref.refs != tt.refs {
			t.Errorf("%s: %+v, %v", tt.name, ref, err)
		}
	}
}

// FuzzActivated reads what a host may answer to an activation. A port is one that
// stands in it, and an object of whose interface was asked for.
func FuzzActivated(f *testing.F) {
	login := string(rpc.WMILogin.UUID[:])
	f.Add(activationAnswer(clsidPropsOut, string(propsOut(login, 0, objref(login))), clsidScmReply, string(scmReply(dualStrings("\x07", "WS-001[52419]")))))
	f.Add(activationAnswer(clsidScmReply, string(scmReply(dualStrings())), clsidPropsOut, string(propsOut(login, 0x80004002, nil))))
	f.Add(activationOfWMI())
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := readActivated(b)
		if err == nil && found.login.refs != 0 && !bytes.Contains(b, found.login.ipid[:]) {
			t.Errorf("%+v", found)
		}
		var port le
		for _, c := range strconv.Itoa(int(found.port)) {
			port.u16(uint16(c))
		}
		if err == nil && found.port != 0 && !bytes.Contains(b, port) {
			t.Errorf("port %d does not stand there", found.port)
		}
	})
}

// FuzzObjref reads what a host may give of an object.
func FuzzObjref(f *testing.F) {
	f.Add(objref(iidServices))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ref, err := readObjref(b, iidServices); err == nil && ref != (reference{}) && !bytes.Contains(b, ref.ipid[:]) {
			t.Errorf("%+v", ref)
		}
	})
}
