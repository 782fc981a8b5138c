package winhost

import (
	"encoding/binary"
	"errors"

	"github.com/gpreach/gpreach/rpc"
)

// Classes of the properties in a request for an activation, [MS-DCOM] section 2.2.22.2.
var (
	propertiesIn      = uuidOf("000001a2-0000-0000-c000-000000000046") // the interface
	propertiesInClass = uuidOf("00000338-0000-0000-c000-000000000046")
	instantiationInfo = uuidOf("000001ab-0000-0000-c000-000000000046")
	scmRequestInfo    = uuidOf("000001aa-0000-0000-c000-000000000046")
	contextInfo       = uuidOf("000001a5-0000-0000-c000-000000000046")
	locationInfo      = uuidOf("000001a4-0000-0000-c000-000000000046")
)

const (
	mostProperties = 16
	mostProtseqs   = 16
	protseqTCP     = 7 // ncacn_ip_tcp
	otherMachine   = 2 // MSHCTX_DIFFERENTMACHINE
)

var errArgument = errors.New("not what the method takes")

// An activation is what a client asks for.
type activation struct {
	class      rpc.UUID
	interfaces []rpc.UUID
	protseqs   []uint16
	status     uint32 // why it cannot be had: it is not asked for as it must be
}

// readActivation reads an OBJREF_CUSTOM of activation properties, section 2.2.22. Four of
// them there must be.
func readActivation(objref []byte) (a activation) {
	properties, err := readProperties(objref)
	for _, class := range []rpc.UUID{contextInfo, locationInfo} {
		if _, ok := properties[class]; !ok {
			err = errArgument
		}
	}
	if err == nil {
		err = errors.Join(a.readInstantiation(properties[instantiationInfo]), a.readScmRequest(properties[scmRequestInfo]))
	}
	switch {
	case errors.Is(err, errVersion):
		a.status = versionMismatch
	case err != nil:
		a.status = invalidArgument
	}
	return a
}

// readProperties returns the properties by their class. The header before them says
// which there are, and how long they are.
func readProperties(objref []byte) (map[rpc.UUID]*reader, error) {
	r := &reader{order: binary.LittleEndian, b: objref, size: len(objref)}
	signature, flags, iid, class := r.u32(), r.u32(), r.uuid(), r.uuid()
	r.u32() // cbExtension
	r.u32() // reserved
	r.u32() // dwSize
	r.u32() // dwReserved
	blob := r.b
	r.bytes(serializedLen)
	r.u32() // totalSize
	headerSize := int(r.u32())
	r.u32() // dwReserved
	destination := r.u32()
	count := int(r.u32())
	r.bytes(16) // classInfoClsid
	r.u32()     // pclsid
	r.u32()     // pSizes
	r.u32()     // pdwReserved
	if signature != objrefSignature || flags != objrefCustom || iid != propertiesIn || class != propertiesInClass ||
		destination != otherMachine || count > mostProperties || headerSize > len(blob) {
		return nil, errArgument
	}
	r.u32() // conformance
	classes := make([]rpc.UUID, count)
	for i := range classes {
		classes[i] = r.uuid()
	}
	r.u32() // conformance
	all := map[rpc.UUID]*reader{}
	rest := blob[headerSize:]
	for _, class := range classes {
		size := int(r.u32())
		if r.err != nil || size > len(rest) {
			return nil, errArgument
		}
		all[class] = &reader{order: r.order, b: rest[:size], size: size}
		rest = rest[size:]
	}
	return all, r.err
}

// readInstantiation reads an InstantiationInfoData, section 2.2.22.2.1.
func (a *activation) readInstantiation(r *reader) error {
	if r == nil {
		return errArgument
	}
	r.bytes(serializedLen)
	a.class = r.uuid()
	r.u32() // classCtx
	r.u32() // actvflags
	r.u32() // fIsSurrogate
	count := r.u32()
	r.u32() // instFlag
	r.u32() // pIID
	r.u32() // thisSize
	r.comVersion()
	r.u32() // conformance
	for range min(count, mostInterfaces) {
		a.interfaces = append(a.interfaces, r.uuid())
	}
	return r.err
}

// readScmRequest reads a ScmRequestInfoData, section 2.2.22.2.4.
func (a *activation) readScmRequest(r *reader) error {
	if r == nil {
		return errArgument
	}
	r.bytes(serializedLen)
	r.u32() // pdwReserved
	if r.u32() == 0 {
		return errArgument // no remoteRequest
	}
	r.u32() // ClientImpLevel
	count := r.u16()
	r.u16() // padding
	r.u32() // pRequestedProtseqs
	if r.u32() != uint32(count) || count > mostProtseqs {
		return errArgument
	}
	for range count {
		a.protseqs = append(a.protseqs, r.u16())
	}
	return r.err
}
