package sspi

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/alexbrainman/sspi"
	"golang.org/x/sys/windows"
)

const (
	maxUserName   = 1 << 10
	maxToken      = 64 << 10 // more than Windows makes: MaxTokenSize is 48,000 unless an administrator says otherwise
	maxSessionKey = 1 << 10
	maxDCName     = 1 << 10 // UTF-16 units

	nameSamCompatible = 2 // EXTENDED_NAME_FORMAT
	dsKDCRequired     = 0x00000400
	dsReturnDNSName   = 0x40000000

	attrSizes      = 0 // SECPKG_ATTR_SIZES
	attrSessionKey = 9 // SECPKG_ATTR_SESSION_KEY
)

// System returns the calls of Windows, nil elsewhere.
func System() *Calls {
	return &Calls{
		User: user, DomainController: domainController,
		Acquire: acquire, Initialize: initialize, Sizes: sizes, SessionKey: sessionKey, Protect: protect, Delete: remove,
	}
}

// user asks for the name of this process's account, which needs no network.
func user() (string, error) {
	name, n := make([]uint16, maxUserName), uint32(maxUserName)
	if err := windows.GetUserNameEx(nameSamCompatible, &name[0], &n); err != nil {
		return "", fmt.Errorf("GetUserNameEx: %w", err)
	}
	return windows.UTF16ToString(name[:min(int(n), len(name))]), nil
}

// A controllerInfo begins as DOMAIN_CONTROLLER_INFOW does.
type controllerInfo struct{ name *uint16 }

// domainController asks the locator for a KDC: of the domain that the account logged
// on to, which services are not told of, and else of this machine's.
func domainController() (string, error) {
	if domain := os.Getenv("USERDNSDOMAIN"); domain != "" {
		if name, err := windows.UTF16PtrFromString(domain); err == nil {
			if controller, err := locate(name); err == nil {
				return controller, nil
			}
		}
	}
	return locate(nil)
}

func locate(domain *uint16) (string, error) {
	call := windows.NewLazySystemDLL("netapi32.dll").NewProc("DsGetDcNameW")
	if err := call.Find(); err != nil {
		return "", err
	}
	var info *controllerInfo
	//nolint:gosec // the addresses are what the call reads, and where it puts the result
	code, _, _ := call.Call(0, uintptr(unsafe.Pointer(domain)), 0, 0, dsKDCRequired|dsReturnDNSName, uintptr(unsafe.Pointer(&info)))
	if code != 0 {
		return "", fmt.Errorf("DsGetDcName: %w", syscall.Errno(code))
	}
	if info == nil || info.name == nil {
		return "", InternalError
	}
	defer func() { _ = windows.NetApiBufferFree((*byte)(unsafe.Pointer(info))) }() //nolint:gosec // as the call asks for
	return strings.TrimPrefix(textAt(info.name), `\\`), nil
}

// textAt reads a text that ends with a zero.
func textAt(p *uint16) string {
	var text []uint16
	for range maxDCName {
		if *p == 0 {
			break
		}
		text = append(text, *p)
		p = (*uint16)(unsafe.Add(unsafe.Pointer(p), 2)) //nolint:gosec // it has not ended yet
	}
	return windows.UTF16ToString(text)
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
