package winhost

import (
	"bytes"
	"encoding/binary"

	"github.com/gpreach/gpreach/rpc"
)

// An Endpoint is an entry of the endpoint mapper: an interface, and the TCP
// port, the pipe or the local name where it is found.
type Endpoint struct {
	Interface  rpc.Syntax
	Annotation string
	Port       uint16
	Pipe       string
	Local      string // ncalrpc
}

// Interfaces that a real mapper lists beside those that gpreach asks for. The
// scheduler's second one, 3a9ef155-691d-4449-8d05-09ad57031823, shares its TCP
// port; SASec, 378e52b0-c0a9-11cf-822d-00aa0051e40f, never has one; nor has
// Group Policy's, 2eb08e3e-639f-4fba-97b1-14f878961076.
var (
	scheduleToo = rpc.Syntax{UUID: rpc.UUID{0x55, 0xf1, 0x9e, 0x3a, 0x1d, 0x69, 0x49, 0x44, 0x8d, 0x05, 0x09, 0xad, 0x57, 0x03, 0x18, 0x23}, Major: 1}
	saSec       = rpc.Syntax{UUID: rpc.UUID{0xb0, 0x52, 0x8e, 0x37, 0xa9, 0xc0, 0xcf, 0x11, 0x82, 0x2d, 0x00, 0xaa, 0x00, 0x51, 0xe4, 0x0f}, Major: 1}
	groupPolicy = rpc.Syntax{UUID: rpc.UUID{0x3e, 0x8e, 0xb0, 0x2e, 0x9f, 0x63, 0xba, 0x4f, 0x97, 0xb1, 0x14, 0xf8, 0x78, 0x96, 0x10, 0x76}, Major: 1}
)

// endpoints returns what the mapper of a healthy host lists.
func endpoints(eventLog, schedule uint16) []Endpoint {
	const log, policy = "Event log TCPIP", "Group Policy RPC Interface"
	return []Endpoint{
		{Interface: rpc.EventLog, Annotation: log, Local: "eventlog"},
		{Interface: rpc.EventLog, Annotation: log, Pipe: `\pipe\eventlog`},
		{Interface: rpc.EventLog, Annotation: log, Port: eventLog},
		{Interface: groupPolicy, Annotation: policy, Local: "LRPC-161528d893b78cd181"},
		{Interface: saSec, Pipe: `\PIPE\atsvc`},
		{Interface: rpc.TaskScheduler, Pipe: `\PIPE\atsvc`},
		{Interface: rpc.TaskScheduler, Port: schedule},
		{Interface: scheduleToo, Port: schedule},
	}
}

// notRegistered is ept_s_not_registered: no, or no more, such endpoints.
const notRegistered = 0x16c9a0d6

// Protocol identifiers of tower floors, C706 appendix I.
const (
	floorPort    = 0x07
	floorAddress = 0x09
	floorRPC     = 0x0b
	floorLRPC    = 0x0c
	floorUUID    = 0x0d
	floorPipe    = 0x0f
	floorLocal   = 0x10
	floorNetBIOS = 0x11
)

func (h *Host) mapper() Interface {
	return Interface{Syntax: rpc.EndpointMapper, calls: map[uint16]call{2: h.lookup, 3: h.mapTower, 4: freeHandle}}
}

// lookup is ept_lookup, C706 appendix O, with every entry whatever the inquiry.
func (h *Host) lookup(in *reader, out *writer) uint32 {
	in.u32() // inquiry_type
	if in.u32() != 0 {
		in.bytes(16) // object
	}
	if in.u32() != 0 {
		in.bytes(20) // interface id
	}
	in.u32() // vers_option
	at, most := in.handle(), in.u32()
	if in.err != nil {
		return badStubData
	}
	entries := page(h.Endpoints, at, most, out)
	out.u32(uint32(len(entries)), most, 0, uint32(len(entries)))
	for i, e := range entries {
		out.bytes(make([]byte, 16)...) // object
		out.u32(uint32(i+3), 0, uint32(len(e.Annotation)+1))
		out.bytes(append([]byte(e.Annotation), 0)...)
		out.align(4)
	}
	for _, e := range entries {
		out.tower(h.tower(e))
	}
	out.u32(found(len(entries)))
	return 0
}

// mapTower is ept_map, C706 appendix O, for towers that end in a TCP port.
func (h *Host) mapTower(in *reader, out *writer) uint32 {
	if in.u32() != 0 {
		in.bytes(16) // object
	}
	in.u32() // referent of map_tower
	in.u32() // its conformance
	n := int(min(in.u32(), maxFrag))
	asked := in.bytes(n)
	in.bytes(-n & 3)
	at, most := in.handle(), in.u32()
	if in.err != nil {
		return badStubData
	}
	var towers [][]byte
	for _, e := range h.Endpoints {
		if t := h.tower(e); h.MapStatus == 0 && e.Port != 0 && sameFloors(t, asked) {
			towers = append(towers, t)
		}
	}
	towers = page(towers, at, most, out)
	out.u32(uint32(len(towers)), most, 0, uint32(len(towers)))
	for i := range towers {
		out.u32(uint32(i + 3))
	}
	for _, t := range towers {
		out.tower(t)
	}
	if h.MapStatus != 0 {
		out.u32(h.MapStatus)
	} else {
		out.u32(found(len(towers)))
	}
	return 0
}

// freeHandle is ept_lookup_handle_free: it returns the null handle.
func freeHandle(in *reader, out *writer) uint32 {
	in.handle()
	out.handle(0)
	out.u32(0)
	return 0
}

// page writes the handle to go on with and returns the entries from at on. As
// on Windows the handle is null unless there were as many as asked for.
func page[E any](entries []E, at, most uint32, out *writer) []E {
	entries = entries[min(at, uint32(len(entries))):]
	if uint32(len(entries)) < most {
		out.handle(0)
		return entries
	}
	out.handle(at + most)
	return entries[:most]
}

func found(n int) uint32 {
	if n == 0 {
		return notRegistered
	}
	return 0
}

// A handle is ept_lookup_handle_t; ours holds the place to go on from.
func (w *writer) handle(at uint32) {
	w.u32(0, at)
	w.bytes(make([]byte, 12)...)
}

func (r *reader) handle() (at uint32) {
	r.u32()
	at = r.u32()
	r.bytes(12)
	return at
}

// tower writes a twr_t: conformance, length, octets.
func (w *writer) tower(t []byte) {
	w.u32(uint32(len(t)), uint32(len(t)))
	w.bytes(t...)
	w.align(4)
}

// tower returns an entry's protocol tower, C706 appendix L, which is
// little-endian whatever the NDR around it is.
func (h *Host) tower(e Endpoint) []byte {
	w := &writer{order: binary.LittleEndian}
	protocol, count := byte(floorRPC), uint16(5)
	if e.Local != "" {
		protocol, count = floorLRPC, 4
	}
	w.u16(count)
	w.syntaxFloor(e.Interface)
	w.syntaxFloor(rpc.NDR20)
	w.floor(protocol, 0, 0)
	switch {
	case e.Local != "":
		w.floor(floorLocal, append([]byte(e.Local), 0)...)
	case e.Pipe != "":
		w.floor(floorPipe, append([]byte(e.Pipe), 0)...)
		w.floor(floorNetBIOS, append([]byte(`\\`+h.Name), 0)...)
	default:
		w.floor(floorPort, byte(e.Port>>8), byte(e.Port))
		var ip [4]byte
		if a := h.inner(); a.Is4() {
			ip = a.As4()
		}
		w.floor(floorAddress, ip[:]...)
	}
	return w.b
}

func (w *writer) floor(protocol byte, related ...byte) {
	w.u16(1)
	w.bytes(protocol)
	w.u16(uint16(len(related)))
	w.bytes(related...)
}

func (w *writer) syntaxFloor(s rpc.Syntax) {
	w.u16(19)
	w.bytes(floorUUID)
	w.bytes(s.UUID[:]...)
	w.u16(s.Major, 2, s.Minor)
}

// sameFloors reports whether two towers agree in interface, data
// representation and protocols: in all but port, address and minor version.
func sameFloors(a, b []byte) bool {
	const toMinor, toPort = 2 + 23, 2 + 25 + 25 + 7 + 5
	return len(a) == len(b) && bytes.Equal(a[:toMinor], b[:toMinor]) && bytes.Equal(a[toMinor+2:toPort], b[toMinor+2:toPort])
}
