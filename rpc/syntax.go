package rpc

import (
	"encoding/binary"
	"fmt"
)

// A UUID is a C706 appendix A UUID in the little-endian form in which NDR puts
// it on the wire: the first three fields byte-swapped.
type UUID [16]byte

// String returns the UUID in the usual text form.
func (u UUID) String() string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(u[0:]), le.Uint16(u[4:]), le.Uint16(u[6:]), u[8:10], u[10:])
}

// A Syntax is a p_syntax_id_t, C706 section 12.6.3.1: an interface or a
// transfer syntax, and its version.
type Syntax struct {
	UUID         UUID
	Major, Minor uint16
}

// String returns the UUID and version, as in "86d35949-… v1.0".
func (s Syntax) String() string { return fmt.Sprintf("%s v%d.%d", s.UUID, s.Major, s.Minor) }

// The interfaces that gpreach asks for, and the one transfer syntax it speaks.
var (
	// EndpointMapper is the endpoint mapper, [MS-RPCE] section 2.2.1.2:
	// e1af8308-5d1f-11c9-91a4-08002b14a0fa.
	EndpointMapper = Syntax{UUID: UUID{0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa}, Major: 3}
	// EventLog is IEventService, [MS-EVEN6]: the event log over TCP:
	// f6beaff7-1e19-4fbb-9f8f-b89e2018337c.
	EventLog = Syntax{UUID: UUID{0xf7, 0xaf, 0xbe, 0xf6, 0x19, 0x1e, 0xbb, 0x4f, 0x9f, 0x8f, 0xb8, 0x9e, 0x20, 0x18, 0x33, 0x7c}, Major: 1}
	// EventLogPipe is eventlog, [MS-EVEN]: the event log over a named pipe:
	// 82273fdc-e32a-18c3-3f78-827929dc23ea.
	EventLogPipe = Syntax{UUID: UUID{0xdc, 0x3f, 0x27, 0x82, 0x2a, 0xe3, 0xc3, 0x18, 0x3f, 0x78, 0x82, 0x79, 0x29, 0xdc, 0x23, 0xea}, Major: 0}
	// TaskScheduler is ITaskSchedulerService, [MS-TSCH]:
	// 86d35949-83c9-4044-b424-db363231fd0c.
	TaskScheduler = Syntax{UUID: UUID{0x49, 0x59, 0xd3, 0x86, 0xc9, 0x83, 0x44, 0x40, 0xb4, 0x24, 0xdb, 0x36, 0x32, 0x31, 0xfd, 0x0c}, Major: 1}
	// ObjectExporter is IObjectExporter, [MS-DCOM] section 1.9:
	// 99fcfec4-5260-101b-bbcb-00aa0021347a.
	ObjectExporter = Syntax{UUID: UUID{0xc4, 0xfe, 0xfc, 0x99, 0x60, 0x52, 0x1b, 0x10, 0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a}, Major: 0}
	// RemUnknown2 is IRemUnknown2, [MS-DCOM] section 1.9: served by every DCOM server process:
	// 00000143-0000-0000-c000-000000000046.
	RemUnknown2 = Syntax{UUID: UUID{0x43, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46}, Major: 0}
	// RemoteActivator is IRemoteSCMActivator, [MS-DCOM] section 1.9, on the mapper's port:
	// 000001a0-0000-0000-c000-000000000046.
	RemoteActivator = Syntax{UUID: UUID{0xa0, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46}, Major: 0}
	// WMILogin is IWbemLevel1Login, [MS-WMI] section 1.9, at the port of WMI's process:
	// f309ad18-d86a-11d0-a075-00c04fb68820.
	WMILogin = Syntax{UUID: UUID{0x18, 0xad, 0x09, 0xf3, 0x6a, 0xd8, 0xd0, 0x11, 0xa0, 0x75, 0x00, 0xc0, 0x4f, 0xb6, 0x88, 0x20}, Major: 0}
	// NDR20 is NDR 2.0, the transfer syntax of C706 chapter 14:
	// 8a885d04-1ceb-11c9-9fe8-08002b104860.
	NDR20 = Syntax{UUID: UUID{0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}, Major: 2}
)
