package winhost

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gpreach/gpreach/rpc"
)

// Classes and interfaces of an activation, [MS-DCOM] section 1.9.
var (
	remoteActivator   = uuidOf("000001a0-0000-0000-c000-000000000046") // IRemoteSCMActivator
	propertiesOut     = uuidOf("000001a3-0000-0000-c000-000000000046")
	propsOutInfo      = uuidOf("00000339-0000-0000-c000-000000000046")
	scmReplyInfo      = uuidOf("000001b6-0000-0000-c000-000000000046")
	instantiationInfo = uuidOf("000001ab-0000-0000-c000-000000000046")
)

const (
	classNotRegistered = 0x80040154 // REGDB_E_CLASSNOTREG
	mostProperties     = 16
	mostInterfaces     = 16
	serializedLen      = 16 // of the headers before a serialized type, [MS-RPCE] section 2.2.6
)

// activator is IRemoteSCMActivator, [MS-DCOM] section 3.1.2.5.2.3. Since the hardening of
// KB5004442 it wants packet integrity.
func activator() Interface {
	return Interface{Syntax: interfaceOf(remoteActivator), secured: map[uint16]secured{4: createInstance}}
}

// createInstance is RemoteCreateInstance, section 3.1.2.5.2.3.3.
func createInstance(by *caller, in *reader, out *writer) uint32 {
	in.orpcThis()
	in.interfacePointer() // pUnkOuter
	asked, err := readInstantiation(in.interfacePointer())
	h := by.Host
	switch {
	case !by.pause(h.WMI.Delay):
		return accessDenied // nobody waits for it
	case h.WMI.Fault != 0:
		return h.WMI.Fault
	case in.err != nil || err != nil:
		return badStubData
	}
	status := uint32(0)
	switch {
	case !by.may(Activate):
		status = notAllowed
	case asked.class != wbemLevel1Login:
		status = classNotRegistered
	case h.WMI.Result != 0:
		status = h.WMI.Result
	case !slices.ContainsFunc(asked.interfaces, servedByLogin):
		status = noInterface
	}
	out.orpcThat()
	if status != 0 {
		out.u32(0, status)
		return 0
	}
	out.interfacePointer(h.activated(asked.interfaces))
	out.u32(0)
	return 0
}

// An instantiation is what a client asks for: InstantiationInfoData, section 2.2.22.2.1.
type instantiation struct {
	class      rpc.UUID
	interfaces []rpc.UUID
}

// readInstantiation finds it in an OBJREF_CUSTOM of activation properties, section
// 2.2.22, whose header says which properties follow, and how long they are.
func readInstantiation(objref []byte) (instantiation, error) {
	r := &reader{order: binary.LittleEndian, b: objref, size: len(objref)}
	signature, flags := r.u32(), r.u32()
	r.bytes(16 + 16) // iid, clsid
	r.u32()          // cbExtension
	r.u32()          // reserved
	r.u32()          // dwSize
	r.u32()          // dwReserved
	properties := r.b
	r.bytes(serializedLen)
	r.u32() // totalSize
	headerSize := int(r.u32())
	r.u32() // dwReserved
	r.u32() // destCtx
	count := int(r.u32())
	r.bytes(16) // classInfoClsid
	r.u32()     // pclsid
	r.u32()     // pSizes
	r.u32()     // pdwReserved
	if signature != objrefSignature || flags != objrefCustom || count > mostProperties || headerSize > len(properties) {
		return instantiation{}, fmt.Errorf("no activation properties")
	}
	r.u32() // conformance
	classes := make([]rpc.UUID, count)
	for i := range classes {
		classes[i] = r.uuid()
	}
	r.u32() // conformance
	properties = properties[headerSize:]
	for _, class := range classes {
		size := int(r.u32())
		if r.err != nil || size > len(properties) {
			break
		}
		if class == instantiationInfo {
			return readInstantiationInfo(properties[:size])
		}
		properties = properties[size:]
	}
	return instantiation{}, fmt.Errorf("no InstantiationInfoData")
}

func readInstantiationInfo(b []byte) (i instantiation, err error) {
	r := &reader{order: binary.LittleEndian, b: b, size: len(b)}
	r.bytes(serializedLen)
	i.class = r.uuid()
	r.u32() // classCtx
	r.u32() // actvflags
	r.u32() // fIsSurrogate
	count := r.u32()
	r.u32() // instFlag
	r.u32() // pIID
	r.u32() // thisSize
	r.u32() // clientCOMVersion
	r.u32() // conformance
	for range min(count, mostInterfaces) {
		i.interfaces = append(i.interfaces, r.uuid())
	}
	return i, r.err
}

// activated returns the answer to an activation: an OBJREF_CUSTOM with a reference to
// WMI's object for each interface, and where its process is found, section 2.2.22.
func (h *Host) activated(interfaces []rpc.UUID) []byte {
	props, reply := serialized(h.propsOut(interfaces)), serialized(h.scmReply())
	header := &writer{order: binary.LittleEndian}
	const headerSize = 0x70
	header.u32(uint32(headerSize+len(props)+len(reply)), headerSize, 0, 2, 2)
	header.bytes(make([]byte, 16)...) // classInfoClsid
	header.u32(0x20000, 0x20004, 0, 2)
	header.uuid(propsOutInfo)
	header.uuid(scmReplyInfo)
	header.u32(2, uint32(len(props)), uint32(len(reply)))
	blob := slices.Concat(serialized(header.b), props, reply)

	w := &writer{order: binary.LittleEndian}
	w.u32(objrefSignature, objrefCustom)
	w.uuid(propertiesOut)
	w.uuid(propsOutInfo) // the class of an ActivationPropertiesOut is the same
	w.u32(0, uint32(len(blob)+16), uint32(len(blob)), 0)
	w.bytes(blob...)
	return w.b
}

// propsOut returns a PropsOutInfo, section 2.2.22.2.9.
func (h *Host) propsOut(interfaces []rpc.UUID) []byte {
	n := uint32(len(interfaces))
	w := &writer{order: binary.LittleEndian}
	w.u32(n, 0x20000, 0x20004, 0x20008, n)
	for _, iid := range interfaces {
		w.uuid(iid)
	}
	w.u32(n)
	var objrefs [][]byte
	for _, iid := range interfaces {
		if !servedByLogin(iid) {
			w.u32(noInterface)
			objrefs = append(objrefs, nil)
			continue
		}
		w.u32(0)
		objrefs = append(objrefs, h.objref(iid, h.newObject(wbemLevel1LoginIID)))
	}
	w.u32(n)
	for i, o := range objrefs {
		if o == nil {
			w.u32(0)
		} else {
			w.u32(0x2000c + 4*uint32(i))
		}
	}
	for _, o := range objrefs {
		if o != nil {
			w.u32(uint32(len(o)), uint32(len(o)))
			w.bytes(o...)
			w.align(4)
		}
	}
	return w.b
}

// scmReply returns a ScmReplyInfoData, section 2.2.22.2.8: the object exporter, its
// bindings, its IRemUnknown, the level that it asks for, and COM's version.
func (h *Host) scmReply() []byte {
	w := &writer{order: binary.LittleEndian}
	w.u32(0, 0x20000)
	w.oxid()
	w.u32(0x20004)
	w.uuid(remUnknownIPID)
	w.u32(levelIntegrity)
	w.u16(5, 7)
	entries, _ := dualStrings(h.bindings())
	w.u32(uint32(len(entries)))
	w.dualStrings(h.bindings()...)
	return w.b
}

// bindings returns the string bindings of WMI's process.
func (h *Host) bindings() []string {
	switch {
	case h.WMI.NoBindings:
		return nil
	case h.WMI.Bindings != nil:
		return h.WMI.Bindings
	}
	return []string{fmt.Sprintf("%s[%d]", h.Name, h.WMI.Port), fmt.Sprintf("%s[%d]", h.inner(), h.WMI.Port)}
}

// serialized puts headers of [MS-RPCE] section 2.2.6 before a type, which is padded
// to eight bytes.
func serialized(b []byte) []byte {
	b = append(b, make([]byte, -len(b)&7)...)
	w := &writer{order: binary.LittleEndian}
	w.bytes(1, 0x10, 8, 0)
	w.u32(0xcccccccc, uint32(len(b)), 0)
	return append(w.b, b...)
}
