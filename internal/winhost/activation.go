package winhost

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gpreach/gpreach/rpc"
)

// Classes and interfaces of an activation, [MS-DCOM] section 1.9.
var (
	remoteActivator = uuidOf("000001a0-0000-0000-c000-000000000046") // IRemoteSCMActivator
	propertiesOut   = uuidOf("000001a3-0000-0000-c000-000000000046")
	propsOutInfo    = uuidOf("00000339-0000-0000-c000-000000000046")
	scmReplyInfo    = uuidOf("000001b6-0000-0000-c000-000000000046")
)

const (
	classNotRegistered = 0x80040154 // REGDB_E_CLASSNOTREG
	invalidArgument    = 0x80070057 // E_INVALIDARG
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
	asked := readActivation(in.interfacePointer())
	h := by.Host
	switch {
	case !by.pause(h.WMI.Delay):
		return accessDenied // nobody waits for it
	case h.WMI.Fault != 0:
		return h.WMI.Fault
	case in.err != nil:
		return in.fault()
	}
	status := asked.status
	switch {
	case !by.may(Activate):
		status = notAllowed
	case status != 0:
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
	out.interfacePointer(h.activated(asked))
	out.u32(0)
	return 0
}

// activated returns the answer to an activation: an OBJREF_CUSTOM with a reference to
// WMI's object for each interface, and where its process is found, section 2.2.22.
func (h *Host) activated(asked activation) []byte {
	props, reply := serialized(h.propsOut(asked.interfaces)), serialized(h.scmReply(asked.protseqs))
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
// bindings of the protocols that the client has asked for, its IRemUnknown, the level
// that it asks for, and COM's version.
func (h *Host) scmReply(protseqs []uint16) []byte {
	bindings := h.bindings()
	if !slices.Contains(protseqs, protseqTCP) {
		bindings = nil // there is nothing but TCP
	}
	w := &writer{order: binary.LittleEndian}
	w.u32(0, 0x20000)
	w.oxid()
	w.u32(0x20004)
	w.uuid(remUnknownIPID)
	w.u32(levelIntegrity)
	w.u16(comMajor, comMinor)
	entries, _ := dualStrings(bindings)
	w.u32(uint32(len(entries)))
	w.dualStrings(bindings...)
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
