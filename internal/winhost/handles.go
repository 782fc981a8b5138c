package winhost

import (
	"encoding/binary"

	"github.com/gpreach/gpreach/rpc"
)

// contextHandleLen is the length of a context handle, C706 section 14.3.7.
const contextHandleLen = 20

// handles are the context handles that are open on one connection.
type handles map[uint32]bool

// open gives out a context handle.
func (o handles) open(h *Host, out *writer) {
	id := h.number()
	o[id] = true
	h.count(func(l *Left) { l.Handles++ })
	out.u32(0)
	out.uuid(rpc.UUID(binary.LittleEndian.AppendUint32(make([]byte, 12), id)))
}

// close takes a context handle back, and writes the null handle and a status of success.
func (o handles) close(h *Host, in *reader, out *writer) (fault uint32) {
	in.u32()
	u := in.uuid()
	id := binary.LittleEndian.Uint32(u[12:])
	switch {
	case in.err != nil:
		return badStubData
	case !o[id]:
		return contextMismatch
	}
	delete(o, id)
	h.count(func(l *Left) { l.Handles-- })
	out.bytes(make([]byte, contextHandleLen)...)
	out.u32(0)
	return 0
}
