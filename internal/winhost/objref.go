package winhost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/gpreach/gpreach/rpc"
)

// Objects, [MS-DCOM] section 2.2.18.
const (
	objrefSignature = 0x574f454d // "MEOW"
	objrefStandard  = 1
	objrefCustom    = 4
	publicRefs      = 5 // that a reference stands for, as Windows gives them
	noInterface     = 0x80004002
	disconnected    = 0x80010108 // RPC_E_DISCONNECTED: the fault for an object that is not there
	versionMismatch = 0x80010110 // RPC_E_VERSION_MISMATCH

	comMajor, comMinor = 5, 7 // the version, [MS-DCOM] section 2.2.11
)

// An object is what a reference leads to.
type object struct {
	kind rpc.UUID // the interface
	refs int      // public references that are given out
}

// newObject makes an object and gives out references to it.
func (h *Host) newObject(kind rpc.UUID) (ipid rpc.UUID) {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	h.ledger.last++
	ipid = rpc.UUID(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 0xbf000008013<<20), uint64(h.ledger.last)))
	if h.ledger.objects == nil {
		h.ledger.objects = map[rpc.UUID]object{}
	}
	h.ledger.objects[ipid] = object{kind: kind, refs: publicRefs}
	h.ledger.left.References += publicRefs
	return ipid
}

// refer adds references to an object, or takes some back; with the last one it ends.
// It reports whether the object was there and had as many.
func (h *Host) refer(ipid rpc.UUID, refs int) bool {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	o, ok := h.ledger.objects[ipid]
	if !ok || o.refs+refs < 0 {
		return false
	}
	o.refs += refs
	h.ledger.left.References += refs
	if h.ledger.objects[ipid] = o; o.refs == 0 {
		delete(h.ledger.objects, ipid)
	}
	return true
}

// is reports whether there is an object of this kind.
func (h *Host) is(ipid, kind rpc.UUID) bool {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	o, ok := h.ledger.objects[ipid]
	return ok && o.kind == kind
}

// objref returns a standard OBJREF.
func (h *Host) objref(iid, ipid rpc.UUID) []byte {
	w := &writer{order: binary.LittleEndian}
	w.u32(objrefSignature, objrefStandard)
	w.uuid(iid)
	w.stdObjref(ipid)
	w.dualStrings(h.Name, h.inner().String())
	w.align(4)
	return w.b
}

// stdObjref writes a STDOBJREF.
func (w *writer) stdObjref(ipid rpc.UUID) {
	w.u32(0, publicRefs)
	w.oxid()
	w.bytes(ipid[8:]...) // OID
	w.uuid(ipid)
}

// oxid writes the identifier of the one object exporter, WMI's.
func (w *writer) oxid() { w.bytes(0x3e, 0x3e, 0xdc, 0x0e, 0x37, 0x2b, 0x98, 0x0f) }

// dualStrings writes a DUALSTRINGARRAY, section 2.2.19, with TCP addresses.
func (w *writer) dualStrings(addresses ...string) {
	entries, security := dualStrings(addresses)
	w.u16(uint16(len(entries)), uint16(security))
	w.u16(entries...)
}

// dualStrings returns the entries of a DUALSTRINGARRAY, and where the security
// bindings begin.
func dualStrings(addresses []string) (entries []uint16, security int) {
	const noPrincipal = 0xffff
	for _, address := range addresses {
		entries = append(append(append(entries, protseqTCP), utf16.Encode([]rune(address))...), 0)
	}
	entries = append(entries, 0)
	security = len(entries)
	for _, service := range []uint16{0x09, 0x1e, 0x10, 0x0a, 0x16, 0x1f, 0x0e} {
		entries = append(entries, service, noPrincipal, 0)
	}
	return append(entries, 0), security
}

var errVersion = errors.New("another COM version")

// comVersion reads a COMVERSION, section 2.2.11: of our major version, and not newer.
func (r *reader) comVersion() {
	if major, minor := r.u16(), r.u16(); r.err == nil && (major != comMajor || minor > comMinor) {
		r.b, r.err = nil, errVersion
	}
}

// fault returns the fault of a call whose arguments cannot be read.
func (r *reader) fault() uint32 {
	if errors.Is(r.err, errVersion) {
		return versionMismatch
	}
	return badStubData
}

// orpcThis reads an ORPCTHIS, section 2.2.13.3, which must have no extensions.
func (r *reader) orpcThis() {
	r.comVersion()
	r.u32() // flags
	r.u32() // reserved
	r.uuid()
	if r.u32() != 0 {
		r.b, r.err = nil, errArgument
	}
}

// orpcThat writes an ORPCTHAT, section 2.2.13.4.
func (w *writer) orpcThat() { w.u32(0, 0) }

// interfacePointer writes an MInterfacePointer, section 2.2.14, and the pointer to it.
func (w *writer) interfacePointer(objref []byte) {
	w.u32(0x20000, uint32(len(objref)), uint32(len(objref)))
	w.bytes(objref...)
	w.align(4)
}

// interfacePointer reads the OBJREF in an MInterfacePointer, nil for a null pointer.
func (r *reader) interfacePointer() []byte {
	r.align(4)
	if r.u32() == 0 {
		return nil
	}
	r.u32() // conformance
	n := r.u32()
	if n > maxStub {
		r.b, r.err = nil, fmt.Errorf("reference of %d bytes", n)
		return nil
	}
	return r.bytes(int(n))
}

// uuidOf returns a UUID that is written as usual, of this package's own.
func uuidOf(text string) rpc.UUID {
	b := unhex(strings.ReplaceAll(text, "-", ""))
	for _, swap := range [][2]int{{0, 3}, {1, 2}, {4, 5}, {6, 7}} {
		b[swap[0]], b[swap[1]] = b[swap[1]], b[swap[0]]
	}
	return rpc.UUID(b)
}

// interfaceOf returns the interface with a UUID, which has version 0.0 as DCOM's have.
func interfaceOf(u rpc.UUID) rpc.Syntax { return rpc.Syntax{UUID: u} }
