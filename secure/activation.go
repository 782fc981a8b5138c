package secure

import (
	"encoding/binary"
	"slices"

	"github.com/gpreach/gpreach/rpc"
)

const (
	comMajor, comMinor = 5, 7
	differentMachine   = 2 // destCtx, [MS-DCOM] section 2.2.22.1
	identify           = 2 // RPC_C_IMP_LEVEL_IDENTIFY, which hosts ignore: section 2.2.22.2.4.1
	referent           = 0x20000
	customHeaderLen    = 48 // without its arrays
)

// le writes little-endian fields.
type le []byte

func (b *le) u16(values ...uint16) {
	for _, v := range values {
		*b = binary.LittleEndian.AppendUint16(*b, v)
	}
}

func (b *le) u32(values ...uint32) {
	for _, v := range values {
		*b = binary.LittleEndian.AppendUint32(*b, v)
	}
}

func (b *le) text(s string) { *b = append(*b, s...) }

// activationOfWMI returns the OBJREF_CUSTOM of an ActivationPropertiesIn, [MS-DCOM]
// section 2.2.22, that asks for WMI's IWbemLevel1Login and TCP.
func activationOfWMI() []byte {
	classes := [...]string{clsidInstantiation, clsidContext, clsidLocation, clsidScmRequest}
	properties := [...][]byte{instantiationInfo(), contextInfo(), locationInfo(), scmRequestInfo()}
	n := uint32(len(classes))
	headerSize := serializedLen + customHeaderLen + 4 + 16*n + 4 + 4*n
	total := headerSize
	for _, p := range properties {
		total += size(p)
	}
	var header le
	header.u32(total, headerSize, 0, differentMachine, n)
	header.text(string(make([]byte, 16))) // classInfoClsid
	header.u32(referent, referent+4, 0)   // pclsid, pSizes, pdwReserved
	header.u32(n)
	for _, class := range classes {
		header.text(class)
	}
	header.u32(n)
	for _, p := range properties {
		header.u32(size(p))
	}
	var b le
	b.u32(objrefSignature, objrefCustom)
	b.text(iidPropertiesIn + clsidPropertiesIn)
	b.u32(0, total+16, total, 0) // cbExtension, reserved, dwSize, dwReserved
	return append(b, slices.Concat(serialize(header), slices.Concat(properties[:]...))...)
}

func size(b []byte) uint32 { return uint32(len(b)) } //nolint:gosec // our own few bytes

// serialize puts the headers of [MS-RPCE] section 2.2.6 before a type, and pads it.
func serialize(b le) []byte {
	b = append(b, make([]byte, -len(b)&7)...)
	var headers le
	headers.text("\x01\x10\x08\x00\xcc\xcc\xcc\xcc")
	headers.u32(size(b), 0)
	return append(headers, b...)
}

// instantiationInfo is an InstantiationInfoData, section 2.2.22.2.1.
func instantiationInfo() []byte {
	const length = serializedLen + 48 + 4 + 16 + 4 // with padding
	var b le
	b.text(clsidWMILogin)
	b.u32(0, 0, 0, 1, 0)      // classCtx, actvflags, fIsSurrogate, cIID, instFlag
	b.u32(referent, length)   // pIID, thisSize
	b.u16(comMajor, comMinor) // clientCOMVersion
	b.u32(1)
	b.text(string(rpc.WMILogin.UUID[:]))
	return serialize(b)
}

// contextInfo is an ActivationContextInfoData without a context, section 2.2.22.2.5.
func contextInfo() []byte {
	var b le
	b.u32(0, 0, 0, 0, 0, 0) // clientOK, bReserved1, dwReserved1, dwReserved2, pIFDClientCtx, pIFDPrototypeCtx
	return serialize(b)
}

// locationInfo is a LocationInfoData, section 2.2.22.2.6, which has nothing to say.
func locationInfo() []byte {
	var b le
	b.u32(0, 0, 0, 0) // machineName, processId, apartmentId, contextId
	return serialize(b)
}

// scmRequestInfo is a ScmRequestInfoData, section 2.2.22.2.4.
func scmRequestInfo() []byte {
	var b le
	b.u32(0, referent)   // pdwReserved, remoteRequest
	b.u32(identify)      // ClientImpLevel
	b.u16(1, 0)          // cRequestedProtseqs
	b.u32(referent+4, 1) // pRequestedProtseqs
	b.u16(protseqTCP)
	return serialize(b)
}
