package winhost

import "github.com/gpreach/gpreach/rpc"

// objectExporter is IObjectExporter, [MS-DCOM] section 3.1.2.5.1. All that
// resolves an OXID wants a logon.
func (h *Host) objectExporter() Interface {
	denied := func(*reader, *writer) uint32 { return accessDenied }
	alive := func(_ *reader, out *writer) uint32 {
		out.u32(0)
		return 0
	}
	return Interface{Syntax: rpc.ObjectExporter, calls: map[uint16]call{
		0: denied, 1: denied, 2: denied, 3: alive, 4: denied, 5: h.serverAlive2,
	}}
}

// serverAlive2 says which COM version, names and security providers RPCSS has.
func (h *Host) serverAlive2(_ *reader, out *writer) uint32 {
	bindings, security := dualStrings([]string{h.Name, h.inner().String()})
	out.u16(comMajor, comMinor)
	out.u32(0x20000, uint32(len(bindings)))
	out.u16(uint16(len(bindings)), uint16(security))
	out.u16(bindings...)
	out.align(4)
	out.u32(0, 0) // reserved, status
	return 0
}
