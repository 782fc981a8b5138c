package sspi

import (
	"syscall"
	"unsafe"

	"github.com/alexbrainman/sspi"
	"golang.org/x/sys/windows"
)

const (
	maxToken      = 64 << 10 // more than Windows makes: MaxTokenSize is 48,000 unless an administrator says otherwise
	maxSessionKey = 1 << 10

	attrSizes      = 0 // SECPKG_ATTR_SIZES
	attrSessionKey = 9 // SECPKG_ATTR_SESSION_KEY
)

// System returns the calls of Windows, nil elsewhere.
func System() *Calls {
	return &Calls{
		User: user, Saved: saved, DomainController: domainController,
		Acquire: acquire, Initialize: initialize, Sizes: sizes, SessionKey: sessionKey, Protect: protect, Delete: remove,
	}
}

func acquire(p Package) (Handle, Status) {
	c, err := sspi.AcquireCredentials("", string(p), sspi.SECPKG_CRED_OUTBOUND, nil)
	if err != nil {
		return Handle{}, statusOf(err)
	}
	return Handle(c.Handle), OK
}

// statusOf returns the status behind an error of the library, which has one always.
func statusOf(err error) Status {
	if code, ok := err.(syscall.Errno); ok { //nolint:errorlint // as the library returns it, unwrapped
		return Status(code) //nolint:gosec // 32 bits
	}
	return InternalError
}

func initialize(s Step) (Progress, Status) {
	target, err := windows.UTF16PtrFromString(s.Target)
	if err != nil {
		return Progress{}, TargetUnknown
	}
	room := make([]byte, maxToken)
	out := describe([]sspi.SecBuffer{secBuffer(Token, room)})
	var in *sspi.SecBufferDesc
	if s.Token != nil {
		in = describe([]sspi.SecBuffer{secBuffer(Token, s.Token), {BufferType: sspi.SECBUFFER_EMPTY}})
	}
	var p Progress
	made := (*sspi.CtxtHandle)(&p.Context)
	if s.Context != nil {
		*made = sspi.CtxtHandle(*s.Context)
	}
	code := sspi.InitializeSecurityContext((*sspi.CredHandle)(&s.Credential), (*sspi.CtxtHandle)(s.Context), target, s.Flags,
		0, sspi.SECURITY_NATIVE_DREP, in, 0, made, out, &p.Granted, new(syscall.Filetime))
	if n := out.Buffers.BufferSize; int(n) <= len(room) {
		p.Token = append([]byte(nil), room[:n]...)
	}
	return p, Status(code) //nolint:gosec // 32 bits
}

// sizes asks for SECPKG_ATTR_SIZES.
func sizes(context Handle) (Sizes, Status) {
	var s struct{ MaxToken, MaxSignature, BlockSize, SecurityTrailer uint32 }
	//nolint:gosec // a SecPkgContext_Sizes, which the call fills
	code := sspi.QueryContextAttributes((*sspi.CtxtHandle)(&context), attrSizes, (*byte)(unsafe.Pointer(&s)))
	return Sizes{Signature: int(s.MaxSignature), Sealing: int(s.SecurityTrailer)}, Status(code) //nolint:gosec // 32 bits
}

// sessionKey asks for SECPKG_ATTR_SESSION_KEY.
func sessionKey(context Handle) ([]byte, Status) {
	var k struct {
		Length uint32
		Key    *byte
	}
	//nolint:gosec // a SecPkgContext_SessionKey, which the call fills
	code := sspi.QueryContextAttributes((*sspi.CtxtHandle)(&context), attrSessionKey, (*byte)(unsafe.Pointer(&k)))
	if code != sspi.SEC_E_OK || k.Key == nil {
		return nil, Status(code) //nolint:gosec // 32 bits
	}
	defer func() { _ = sspi.FreeContextBuffer(k.Key) }()
	if k.Length > maxSessionKey {
		return nil, InternalError
	}
	return append([]byte(nil), unsafe.Slice(k.Key, k.Length)...), OK //nolint:gosec // as long as the call says
}

// protect works in the buffers' own memory, as the calls do.
func protect(context Handle, p Protection, buffers []Buffer) Status {
	all := make([]sspi.SecBuffer, len(buffers))
	for i, b := range buffers {
		all[i] = secBuffer(b.Type, b.Data)
	}
	message, handle := describe(all), (*sspi.CtxtHandle)(&context)
	var code syscall.Errno
	var quality uint32
	switch p { // the packages count the messages themselves
	case Sign:
		code = sspi.MakeSignature(handle, 0, message, 0)
	case Verify:
		code = sspi.VerifySignature(handle, message, 0, &quality)
	case Seal:
		code = sspi.EncryptMessage(handle, 0, message, 0)
	case Unseal:
		code = sspi.DecryptMessage(handle, message, 0, &quality)
	}
	const signedAlone = 0x80000001 // SECQOP_WRAP_NO_ENCRYPT
	if p == Unseal && code == sspi.SEC_E_OK && quality == signedAlone {
		return MessageAltered
	}
	for i, b := range all {
		if n := int(b.BufferSize); n <= len(buffers[i].Data) {
			buffers[i].Data = buffers[i].Data[:n]
		}
	}
	return Status(code)
}

func secBuffer(kind uint32, data []byte) sspi.SecBuffer {
	return sspi.SecBuffer{BufferType: kind, BufferSize: uint32(len(data)), Buffer: unsafe.SliceData(data)} //nolint:gosec // bounded by who made it
}

func describe(buffers []sspi.SecBuffer) *sspi.SecBufferDesc { return sspi.NewSecBufferDesc(buffers) }

func remove(credential Handle, context *Handle) {
	if context != nil {
		_ = sspi.DeleteSecurityContext((*sspi.CtxtHandle)(context))
	}
	_ = sspi.FreeCredentialsHandle((*sspi.CredHandle)(&credential))
}
