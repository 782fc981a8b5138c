package winhost

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gpreach/gpreach/rpc"
)

// Win32 error codes that [MS-EVEN6] returns.
const (
	errorChannelNotFound = 15007
	contextMismatch      = 0x1c00001a // nca_s_fault_context_mismatch: no such handle
	maxText              = 32 << 10   // characters of a string
)

// channels are those that Group Policy Results reads, and two that are always there.
var channels = [...]string{"Microsoft-Windows-GroupPolicy/Operational", "System", "Application", "Security"}

// eventService is IEventService, [MS-EVEN6] section 3.1.4, of the calls that query.
func eventService() Interface {
	return Interface{Syntax: rpc.EventLog, secured: map[uint16]secured{5: registerLogQuery, 13: closeHandle}}
}

// registerLogQuery is EvtRpcRegisterLogQuery, section 3.1.4.12. A caller without the
// right gets no handle; of a channel that is denied by itself he gets one, and its status.
func registerLogQuery(by *caller, in *reader, out *writer) uint32 {
	path := in.unique(in.text)
	in.text() // query
	in.u32()  // flags
	if in.err != nil {
		return badStubData
	}
	status, denied := uint32(0), uint32(0)
	switch is := func(c string) bool { return strings.EqualFold(c, path) }; {
	case !by.may(ReadLogs):
		status = accessDenied
	case !slices.ContainsFunc(channels[:], is):
		status = errorChannelNotFound
	case slices.ContainsFunc(by.Host.Denied, is):
		denied = accessDenied
	}
	if status != 0 {
		out.bytes(make([]byte, 2*contextHandleLen)...)
		out.u32(0, 0) // no channel, and no pointer to any
	} else {
		by.openHandle(out) // of the query
		by.openHandle(out) // of its control
		out.u32(1, 0x20000, 1, 0x20004, denied)
		out.text(path)
	}
	out.u32(0, 0, 0, status) // RpcInfo, return value
	return 0
}

// closeHandle is EvtRpcClose, section 3.1.4.33.
func closeHandle(by *caller, in *reader, out *writer) uint32 {
	if fault := by.closeHandle(in); fault != 0 {
		return fault
	}
	out.bytes(make([]byte, contextHandleLen)...)
	out.u32(0)
	return 0
}

// contextHandleLen is the length of a context handle, C706 section 14.3.7.
const contextHandleLen = 20

// openHandle gives out a context handle.
func (v *session) openHandle(out *writer) {
	id := v.Host.number()
	v.handles[id] = true
	v.Host.count(func(l *Left) { l.Handles++ })
	out.u32(0)
	out.uuid(rpc.UUID(binary.LittleEndian.AppendUint32(make([]byte, 12), id)))
}

// closeHandle takes a context handle back.
func (v *session) closeHandle(in *reader) (fault uint32) {
	in.u32()
	u := in.uuid()
	id := binary.LittleEndian.Uint32(u[12:])
	switch {
	case in.err != nil:
		return badStubData
	case !v.handles[id]:
		return contextMismatch
	}
	delete(v.handles, id)
	v.Host.count(func(l *Left) { l.Handles-- })
	return 0
}
