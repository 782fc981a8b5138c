package winhost

import (
	"encoding/binary"

	"github.com/gpreach/gpreach/rpc"
)

// eventLogPipe is [MS-EVEN] section 3.1.4 as it is behind the pipe, of the calls that
// open and close a log, for who may open it or may not. Who calls is known from SMB. A
// log of whatever name is opened, since Windows takes Application for one that it does
// not know.
func (h *Host) eventLogPipe(allowed bool) Interface {
	open := map[uint32]bool{}
	return Interface{Syntax: rpc.EventLogPipe, calls: map[uint16]call{
		7: func(_ *reader, out *writer) uint32 { // ElfrOpenELW
			if !allowed {
				out.bytes(make([]byte, contextHandleLen)...)
				out.u32(deniedStatus)
				return 0
			}
			id := h.number()
			open[id] = true
			h.count(func(l *Left) { l.Handles++ })
			out.u32(0)
			out.uuid(rpc.UUID(binary.LittleEndian.AppendUint32(make([]byte, 12), id)))
			out.u32(0)
			return 0
		},
		2: func(in *reader, out *writer) uint32 { // ElfrCloseEL
			in.u32()
			u := in.uuid()
			id := binary.LittleEndian.Uint32(u[12:])
			if in.err != nil || !open[id] {
				return contextMismatch
			}
			delete(open, id)
			h.count(func(l *Left) { l.Handles-- })
			out.bytes(make([]byte, contextHandleLen)...)
			out.u32(0)
			return 0
		},
	}}
}
