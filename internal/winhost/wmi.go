package winhost

import (
	"slices"
	"strings"
	"time"

	"github.com/gpreach/gpreach/rpc"
)

// A WMI is how WMI, and DCOM before it, are on a host that admits accounts.
type WMI struct {
	Port       uint16        // of its process, where its bindings lead
	Result     uint32        // HRESULT of every activation of it
	Fault      uint32        // to every activation, of whatever class
	Delay      time.Duration // before the answer to an activation
	Bindings   []string      // in the place of NAME[port] and ADDRESS[port]
	NoBindings bool
	Missing    []string      // namespaces, such as root\rsop
	LoginFault uint32        // to every NTLMLogin
	LoginDelay time.Duration // before the answer to every NTLMLogin
	LoginOf    string        // the namespace that these two are of, all if empty
}

const (
	wbemDenied           = 0x80041003 // WBEM_E_ACCESS_DENIED
	wbemInvalidNamespace = 0x8004100e // WBEM_E_INVALID_NAMESPACE
	maxReferences        = 64
)

// Classes and interfaces of WMI, [MS-WMI] section 1.9, and of DCOM.
var (
	wbemLevel1Login    = uuidOf("8bc3f05e-d86b-11d0-a075-00c04fb68820") // the class
	wbemLevel1LoginIID = uuidOf("f309ad18-d86a-11d0-a075-00c04fb68820")
	wbemServices       = uuidOf("9556dc99-828c-11cf-a37e-00aa003240c7")
	unknownInterface   = uuidOf("00000000-0000-0000-c000-000000000046") // IUnknown
	remUnknown         = uuidOf("00000131-0000-0000-c000-000000000046")
	remUnknownIPID     = uuidOf("0000cc00-0bf0-0000-0022-6e0773191bc1")
)

// Winmgmt returns the service on WMI's port: DCOM's remote unknown, in both versions,
// and IWbemLevel1Login.
func (h *Host) Winmgmt() *RPC {
	refs := map[uint16]secured{3: queryInterface, 4: addRef, 5: release}
	return h.RPC(
		Interface{Syntax: rpc.RemUnknown2, secured: refs},
		Interface{Syntax: interfaceOf(remUnknown), secured: refs},
		Interface{Syntax: interfaceOf(wbemLevel1LoginIID), secured: map[uint16]secured{3: establishPosition, 6: ntlmLogin}},
	)
}

func servedByLogin(iid rpc.UUID) bool { return iid == wbemLevel1LoginIID || iid == unknownInterface }

// establishPosition is IWbemLevel1Login's, [MS-WMI] section 3.1.4.1.1.
func establishPosition(by *caller, in *reader, out *writer) uint32 {
	if !by.Host.is(by.object, wbemLevel1LoginIID) {
		return disconnected
	}
	if in.orpcThis(); in.err != nil {
		return in.fault()
	}
	out.orpcThat()
	out.u32(0, 0) // LocaleVersion, return value
	return 0
}

// ntlmLogin is IWbemLevel1Login's, section 3.1.4.1.4, by which a client gets the
// services of a namespace. What it authenticates by is not NTLM alone.
func ntlmLogin(by *caller, in *reader, out *writer) uint32 {
	h := by.Host
	if !h.is(by.object, wbemLevel1LoginIID) {
		return disconnected
	}
	in.orpcThis()
	namespace := namespaceOf(in.unique(in.text))
	in.unique(in.text) // wszPreferredLocale
	in.u32()           // lFlags
	sick := h.WMI.LoginOf == "" || h.WMI.LoginOf == namespace
	switch {
	case sick && !by.pause(h.WMI.LoginDelay):
		return accessDenied // nobody waits for it
	case in.err != nil:
		return in.fault()
	case sick && h.WMI.LoginFault != 0:
		return h.WMI.LoginFault
	}
	right := map[string]Rights{`root\rsop`: ReadRSoP, `root\cimv2`: ReadCIMV2}[namespace]
	status := uint32(0)
	switch {
	case right == 0 || slices.Contains(h.WMI.Missing, namespace):
		status = wbemInvalidNamespace
	case !by.may(right):
		status = wbemDenied
	}
	out.orpcThat()
	if status != 0 {
		out.u32(0, status)
		return 0
	}
	out.interfacePointer(h.objref(wbemServices, h.newObject(wbemServices)))
	out.u32(0)
	return 0
}

// namespaceOf returns the namespace in a path such as //./root/cimv2.
func namespaceOf(path string) string {
	path = strings.ToLower(strings.ReplaceAll(path, "/", `\`))
	if server, ok := strings.CutPrefix(path, `\\`); ok {
		_, path, _ = strings.Cut(server, `\`)
	}
	return path
}

// queryInterface is IRemUnknown's RemQueryInterface, [MS-DCOM] section 3.1.1.5.6.
// An object has only the interface that it was made for.
func queryInterface(by *caller, in *reader, out *writer) uint32 {
	h := by.Host
	in.orpcThis()
	ipid, refs, count := in.uuid(), in.u32(), in.u16()
	in.align(4)
	in.u32() // conformance
	var interfaces []rpc.UUID
	for range min(count, mostInterfaces) {
		interfaces = append(interfaces, in.uuid())
	}
	switch {
	case by.object != remUnknownIPID:
		return disconnected
	case in.err != nil:
		return in.fault()
	case refs > maxReferences || count == 0:
		return badStubData
	}
	out.orpcThat()
	out.u32(0x20000, uint32(len(interfaces)))
	status := uint32(0)
	for _, iid := range interfaces {
		out.align(8)
		if !h.is(ipid, iid) || !h.refer(ipid, publicRefs) {
			status = noInterface
			out.u32(noInterface, 0)
			out.bytes(make([]byte, 40)...)
			continue
		}
		out.u32(0, 0)
		out.stdObjref(ipid)
	}
	out.u32(status)
	return 0
}

// addRef is RemAddRef, of the same section.
func addRef(by *caller, in *reader, out *writer) uint32 {
	counts, fault := by.references(in)
	if fault != 0 {
		return fault
	}
	out.orpcThat()
	out.u32(uint32(len(counts)))
	for _, c := range counts {
		if by.Host.refer(c.ipid, c.refs) {
			out.u32(0)
		} else {
			out.u32(disconnected)
		}
	}
	out.u32(0)
	return 0
}

// release is RemRelease, of the same section.
func release(by *caller, in *reader, out *writer) uint32 {
	counts, fault := by.references(in)
	if fault != 0 {
		return fault
	}
	status := uint32(0)
	for _, c := range counts {
		if !by.Host.refer(c.ipid, -c.refs) {
			status = disconnected
		}
	}
	out.orpcThat()
	out.u32(status)
	return 0
}

// A reference is a REMINTERFACEREF of [MS-DCOM].
type reference struct {
	ipid rpc.UUID
	refs int
}

func (c *caller) references(in *reader) (counts []reference, fault uint32) {
	in.orpcThis()
	n := in.u16()
	in.align(4)
	in.u32() // conformance
	for range min(n, mostInterfaces) {
		r := reference{ipid: in.uuid()}
		public := in.u32()
		in.u32() // private
		r.refs = int(min(public, maxReferences))
		counts = append(counts, r)
	}
	switch {
	case c.object != remUnknownIPID:
		return nil, disconnected
	case in.err != nil:
		return nil, in.fault()
	}
	return counts, 0
}
