package secure

import (
	"context"
	"crypto/rand"

	"github.com/oiweiwei/go-msrpc/ndr"
)

// The calls of [MS-DCOM] and [MS-WMI] that are made, as operations of our own for the
// reason that stands in evt.go.

const (
	opRemoteCreateInstance = 4 // of IRemoteSCMActivator
	opRemRelease           = 5 // of IRemUnknown2
	opNTLMLogin            = 6 // of IWbemLevel1Login

	maxObjref     = 16 << 10 // bytes of a marshaled object, of which Windows sends less than two thousand
	maxExtensions = 16       // of an ORPCTHAT
	maxExtension  = 4 << 10  // bytes of one
)

// A createInstance is RemoteCreateInstance of WMI's IWbemLevel1Login, [MS-DCOM]
// section 3.1.2.5.2.3.3.
type createInstance struct {
	operation
	properties []byte // ActivationPropertiesOut
	status     uint32
}

// OpNum returns the operation's number.
func (*createInstance) OpNum() int { return opRemoteCreateInstance }

// OpName returns the operation's name.
func (*createInstance) OpName() string { return "RemoteCreateInstance" }

// MarshalNDRRequest writes ORPCthis, pUnkOuter and pActProperties.
func (*createInstance) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	writeThis(w)
	properties := activationOfWMI()
	for _, n := range []uint32{0, referent, size(properties), size(properties)} {
		_ = w.WriteData(n)
	}
	_, _ = w.Write(properties)
	return w.Err()
}

// UnmarshalNDRResponse reads ORPCthat, ppActProperties and the return value.
func (c *createInstance) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return c.decode(r, func(in *reply) {
		in.that()
		c.properties = in.interfacePointer()
		c.status = in.uint32()
	})
}

// An ntlmLogin is NTLMLogin of a namespace, [MS-WMI] section 3.1.4.1.4. What it
// authenticates by is the logon of the association, not NTLM alone.
type ntlmLogin struct {
	operation
	namespace string

	services []byte // an OBJREF
	status   uint32
}

// OpNum returns the operation's number.
func (*ntlmLogin) OpNum() int { return opNTLMLogin }

// OpName returns the operation's name.
func (*ntlmLogin) OpName() string { return "NTLMLogin" }

// MarshalNDRRequest writes ORPCthis, wszNetworkResource, wszPreferredLocale, lFlags
// and pCtx.
func (l *ntlmLogin) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	writeThis(w)
	_ = w.WriteData(uint32(referent))
	writeString(w, "//./"+l.namespace)
	for range 3 {
		_ = w.WriteData(uint32(0))
	}
	return w.Err()
}

// UnmarshalNDRResponse reads ORPCthat, ppNamespace and the return value.
func (l *ntlmLogin) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return l.decode(r, func(in *reply) {
		in.that()
		l.services = in.interfacePointer()
		l.status = in.uint32()
	})
}

// A remRelease is RemRelease, [MS-DCOM] section 3.1.1.5.6.1.3.
type remRelease struct {
	operation
	references []reference
	status     uint32
}

// OpNum returns the operation's number.
func (*remRelease) OpNum() int { return opRemRelease }

// OpName returns the operation's name.
func (*remRelease) OpName() string { return "RemRelease" }

// MarshalNDRRequest writes ORPCthis, cInterfaceRefs and InterfaceRefs.
func (c *remRelease) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	writeThis(w)
	n := len(c.references)
	_ = w.WriteData(uint16(n)) //nolint:gosec // our own few
	_ = w.WriteData(uint32(n)) //nolint:gosec // our own few
	for _, ref := range c.references {
		_, _ = w.Write(ref.ipid[:])
		_ = w.WriteData(ref.refs)
		_ = w.WriteData(uint32(0)) // cPrivateRefs
	}
	return w.Err()
}

// UnmarshalNDRResponse reads ORPCthat and the return value.
func (c *remRelease) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return c.decode(r, func(in *reply) {
		in.that()
		c.status = in.uint32()
	})
}

// writeThis writes an ORPCTHIS, section 2.2.13.3, of a causality of its own.
func writeThis(w ndr.Writer) {
	var causality [16]byte
	_, _ = rand.Read(causality[:]) // never fails
	_ = w.WriteData(uint16(comMajor))
	_ = w.WriteData(uint16(comMinor))
	_ = w.WriteData(uint32(0)) // flags
	_ = w.WriteData(uint32(0)) // reserved1
	_, _ = w.Write(causality[:])
	_ = w.WriteData(uint32(0)) // extensions
}

// that reads an ORPCTHAT, section 2.2.13.4, with its extensions, of which none is
// looked at.
func (in *reply) that() {
	in.uint32() // flags
	if in.uint32() == 0 {
		return
	}
	n := in.uint32()
	in.uint32() // reserved
	if there := in.uint32(); there == 0 {
		return
	}
	slots := in.uint32()
	if n > maxExtensions || slots > maxExtensions+1 {
		in.fail("%d extensions in %d", n, slots)
		return
	}
	extensions := 0
	for range slots {
		if in.uint32() != 0 {
			extensions++
		}
	}
	for range extensions {
		room := in.uint32()
		in.bytes(16, 16) // id
		if size := in.uint32(); size > room {
			in.fail("extension of %d bytes in %d", size, room)
		}
		in.bytes(room, maxExtension)
	}
}

// interfacePointer reads the OBJREF in an MInterfacePointer, section 2.2.14, nil for a
// null pointer.
func (in *reply) interfacePointer() []byte {
	if in.uint32() == 0 {
		return nil
	}
	room, n := in.uint32(), in.uint32()
	if n != room {
		in.fail("object of %d bytes in %d", n, room)
	}
	return in.bytes(n, maxObjref)
}

// bytes reads so many bytes, which are at most so many.
func (in *reply) bytes(n, most uint32) []byte {
	if n > most {
		in.fail("%d bytes, of at most %d", n, most)
	}
	if in.ended() {
		return nil
	}
	b := make([]byte, n)
	if read, err := in.r.Read(b); err != nil || read != len(b) {
		in.short = true
		return nil
	}
	return b
}
