package winhost

import "github.com/gpreach/gpreach/rpc"

// eventLogPipe is [MS-EVEN] section 3.1.4 as it is behind the pipe, of the calls that
// open and close a log, for who may open it or may not. Who calls is known from SMB. A
// log of whatever name is opened, since Windows takes Application for one that it does
// not know.
func (h *Host) eventLogPipe(allowed bool) Interface {
	given := handles{}
	return Interface{Syntax: rpc.EventLogPipe, calls: map[uint16]call{
		7: func(_ *reader, out *writer) uint32 { // ElfrOpenELW
			if !allowed {
				out.bytes(make([]byte, contextHandleLen)...)
				out.u32(deniedStatus)
				return 0
			}
			given.open(h, out)
			out.u32(0)
			return 0
		},
		2: func(in *reader, out *writer) uint32 { // ElfrCloseEL
			return given.close(h, in, out)
		},
	}}
}
