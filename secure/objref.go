package secure

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/gpreach/gpreach/internal/wire"
	"github.com/gpreach/gpreach/rpc"
)

// What DCOM marshals outside of a call's own fields, [MS-DCOM] section 2.2: decoders
// that bound all that a host says, and follow none of it but a port.

const (
	objrefSignature = 0x574f454d // "MEOW"
	objrefStandard  = 1
	objrefHandler   = 2
	objrefCustom    = 4
	objrefExtended  = 8

	protseqTCP    = 7  // ncacn_ip_tcp
	serializedLen = 16 // of the headers before a serialized type, [MS-RPCE] section 2.2.6
	maxProperties = 16 // of an activation, which has two in its answer
	maxInterfaces = 4  // of an activation, which asks for one
)

// Classes and interfaces, [MS-DCOM] section 1.9 and [MS-WMI] section 1.9.
const (
	dcomClass = "\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46" // how all UUIDs of DCOM end

	iidPropertiesIn    = "\xa2\x01" + dcomClass // IActivationPropertiesIn
	iidPropertiesOut   = "\xa3\x01" + dcomClass // IActivationPropertiesOut
	clsidPropertiesIn  = "\x38\x03" + dcomClass // CLSID_ActivationPropertiesIn
	clsidPropsOut      = "\x39\x03" + dcomClass // CLSID_PropsOutInfo, and CLSID_ActivationPropertiesOut
	clsidLocation      = "\xa4\x01" + dcomClass // CLSID_ServerLocationInfo
	clsidContext       = "\xa5\x01" + dcomClass // CLSID_ActivationContextInfo
	clsidScmRequest    = "\xaa\x01" + dcomClass // CLSID_ScmRequestInfo
	clsidInstantiation = "\xab\x01" + dcomClass // CLSID_InstantiationInfo
	clsidScmReply      = "\xb6\x01" + dcomClass // CLSID_ScmReplyInfo

	// clsidWMILogin is WbemLevel1Login, 8bc3f05e-d86b-11d0-a075-00c04fb68820.
	clsidWMILogin = "\x5e\xf0\xc3\x8b\x6b\xd8\xd0\x11\xa0\x75\x00\xc0\x4f\xb6\x88\x20"
	// iidServices is IWbemServices, 9556dc99-828c-11cf-a37e-00aa003240c7.
	iidServices = "\x99\xdc\x56\x95\x8c\x82\xcf\x11\xa3\x7e\x00\xaa\x00\x32\x40\xc7"
)

// A reference is what a host has given of an object. The zero reference is none.
type reference struct {
	ipid rpc.UUID
	refs uint32 // public references, which are to be released
}

// readObjref reads an OBJREF, section 2.2.18, of an interface. One that is marshaled
// in a way of its own has no reference that could be released.
func readObjref(b []byte, iid string) (ref reference, err error) {
	r := wire.NewReader(b, binary.LittleEndian)
	signature, flags, of := r.Uint32(), r.Uint32(), r.Bytes(16)
	switch {
	case r.Err() != nil:
		return reference{}, r.Err()
	case signature != objrefSignature || string(of) != iid:
		return reference{}, wire.Garbled("reference 0x%08X to an interface %x", signature, of)
	case flags == objrefCustom:
		return reference{}, nil
	case flags != objrefStandard && flags != objrefHandler && flags != objrefExtended:
		return reference{}, wire.Garbled("reference with flags %#x", flags)
	}
	r.Uint32() // flags
	ref.refs = r.Uint32()
	r.Bytes(8 + 8) // OXID, OID
	copy(ref.ipid[:], r.Bytes(16))
	return ref, r.Err() // what follows are addresses, which are of no interest
}

// readPort reads a DUALSTRINGARRAY, section 2.2.19, and returns the port of the first
// TCP binding that has one, 0 for none. The addresses are not looked at.
func readPort(r *wire.Reader) (port uint16) {
	entries, security := int(r.Uint16()), int(r.Uint16())
	all := r.Bytes(2 * entries)
	if r.Err() != nil || security > entries {
		r.Fail("security bindings at %d of %d", security, entries)
		return 0
	}
	bindings := wire.NewReader(all[:2*security], binary.LittleEndian)
	for bindings.Len() > 0 {
		protseq := bindings.Uint16()
		if protseq == 0 {
			break
		}
		address := bindings.Rest()
		n := 0
		for n+2 <= len(address) && (address[n] != 0 || address[n+1] != 0) {
			n += 2
		}
		if n+2 > len(address) {
			r.Fail("binding without an end")
			return 0
		}
		if port == 0 && protseq == protseqTCP {
			port = portIn(wire.UTF16(address[:n]))
		}
		bindings = wire.NewReader(address[n+2:], binary.LittleEndian)
	}
	return port
}

// portIn returns the port of a string binding such as WS-001[52419], 0 for none.
func portIn(binding string) uint16 {
	_, endpoint, _ := strings.Cut(binding, "[")
	digits, ok := strings.CutSuffix(endpoint, "]")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil {
		return 0
	}
	return uint16(n)
}

// An activated object is what a host answers to an activation.
type activated struct {
	login   reference // IWbemLevel1Login
	status  uint32    // why there is none
	unknown rpc.UUID  // IRemUnknown of WMI's process, by which references are released
	port    uint16    // of the process, 0 where it has none
}

// readActivated reads the OBJREF_CUSTOM of an ActivationPropertiesOut, section 2.2.22.
func readActivated(b []byte) (found activated, err error) {
	r := wire.NewReader(b, binary.LittleEndian)
	signature, flags, iid, clsid := r.Uint32(), r.Uint32(), string(r.Bytes(16)), string(r.Bytes(16))
	r.Bytes(4 + 4) // cbExtension, reserved
	size := int(r.Uint32())
	r.Uint32() // dwReserved
	blob := r.Bytes(size)
	switch {
	case r.Err() != nil:
		return activated{}, r.Err()
	case signature != objrefSignature || flags != objrefCustom || iid != iidPropertiesOut || clsid != clsidPropsOut:
		return activated{}, wire.Garbled("activation properties 0x%08X with flags %#x of class %x", signature, flags, clsid)
	}
	outs, replies := 0, 0
	err = eachProperty(blob, func(class string, p *wire.Reader) {
		switch class {
		case clsidPropsOut:
			outs++
			found.login, found.status = readPropsOut(p)
		case clsidScmReply:
			replies++
			found.unknown, found.port = readScmReply(p)
		}
	})
	switch {
	case err != nil:
	case outs != 1 || replies != 1:
		err = wire.Garbled("activation with %d results and %d replies", outs, replies)
	case found.status == 0 && found.login == (reference{}):
		err = wire.Garbled("activation without an object")
	}
	return found, err
}

// eachProperty reads a CustomHeader, section 2.2.22.1, and hands on the properties
// that it tells of.
func eachProperty(blob []byte, read func(class string, p *wire.Reader)) error {
	h := unserialize(blob)
	h.Uint32() // totalSize
	headerSize := int(h.Uint32())
	h.Bytes(4 + 4) // dwReserved, destCtx
	n := h.Uint32()
	h.Bytes(16 + 3*4) // classInfoClsid; pclsid, pSizes, pdwReserved
	if n > maxProperties || h.Uint32() != n {
		h.Fail("%d properties", n)
		return h.Err()
	}
	classes := h.Bytes(16 * int(n))
	if h.Uint32() != n {
		h.Fail("sizes of other than %d properties", n)
	}
	properties := wire.NewReader(blob, binary.LittleEndian)
	properties.Bytes(headerSize)
	for i := range n {
		p := properties.Bytes(int(h.Uint32()))
		if h.Err() != nil || properties.Err() != nil {
			break
		}
		r := unserialize(p)
		read(string(classes[16*i:16*i+16]), r)
		if r.Err() != nil {
			return r.Err()
		}
	}
	if h.Err() != nil {
		return h.Err()
	}
	return properties.Err()
}

// unserialize returns a Reader of a type that was serialized for itself, [MS-RPCE]
// section 2.2.6, whose headers are a multiple of its alignment.
func unserialize(b []byte) *wire.Reader {
	r := wire.NewReader(b, binary.LittleEndian)
	version, endianness, length := r.Uint8(), r.Uint8(), r.Uint16()
	r.Bytes(serializedLen - 4) // fillers, and a length that the property has too
	if r.Err() == nil && (version != 1 || endianness != 0x10 || length != 8) {
		r.Fail("serialized type with header %d, %#x, %d", version, endianness, length)
	}
	if r.Err() != nil {
		return r
	}
	return wire.NewReader(r.Rest(), binary.LittleEndian)
}

// readPropsOut reads a PropsOutInfo, section 2.2.22.2.9, of the one interface that was
// asked for.
func readPropsOut(r *wire.Reader) (login reference, status uint32) {
	n := r.Uint32()
	r.Bytes(3 * 4) // piid, phresults, ppIntfData
	if n == 0 || n > maxInterfaces || r.Uint32() != n {
		r.Fail("results of %d interfaces", n)
		return reference{}, 0
	}
	iid := string(r.Bytes(16))
	r.Bytes(16 * int(n-1))
	r.Uint32() // conformance
	status = r.Uint32()
	r.Bytes(4 * int(n-1))
	r.Uint32() // conformance
	there := r.Uint32()
	r.Bytes(4 * int(n-1))
	if r.Err() != nil || status != 0 || there == 0 {
		return reference{}, status
	}
	r.Uint32() // conformance
	login, err := readObjref(r.Bytes(int(r.Uint32())), iid)
	if err != nil || iid != string(rpc.WMILogin.UUID[:]) {
		r.Fail("no reference to IWbemLevel1Login")
	}
	return login, 0
}

// readScmReply reads a ScmReplyInfoData, section 2.2.22.2.8.
func readScmReply(r *wire.Reader) (unknown rpc.UUID, port uint16) {
	reserved, reply := r.Uint32(), r.Uint32()
	if reserved != 0 || reply == 0 {
		r.Fail("no remote reply")
		return unknown, 0
	}
	r.Uint64() // OXID
	bindings := r.Uint32()
	copy(unknown[:], r.Bytes(16))
	r.Bytes(4 + 4) // authnHint, serverVersion
	if bindings == 0 {
		return unknown, 0
	}
	r.Uint32() // conformance
	return unknown, readPort(r)
}
