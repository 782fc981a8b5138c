package sspi

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/alexbrainman/sspi"
	"golang.org/x/sys/windows"
)

const (
	maxText  = 1 << 10 // UTF-16 units of a name
	maxSaved = 1 << 12

	nameSamCompatible = 2 // EXTENDED_NAME_FORMAT
	dsKDCRequired     = 0x00000400
	dsReturnDNSName   = 0x40000000

	credAttrNames = 1 // SECPKG_CRED_ATTR_NAMES

	domainPassword    = 2 // CRED_TYPE_DOMAIN_PASSWORD
	domainCertificate = 3
	allCredentials    = 1 // CRED_ENUMERATE_ALL_CREDENTIALS
)

// user asks for the name of the account that Kerberos logs on as, which after runas
// /netonly is not this process's, and else for the process's. Neither needs a network.
func user() (string, error) {
	if name := credentialName(Kerberos); strings.ContainsAny(name, `\@`) {
		return name, nil
	}
	name, n := make([]uint16, maxText), uint32(maxText)
	if err := windows.GetUserNameEx(nameSamCompatible, &name[0], &n); err != nil {
		return "", fmt.Errorf("GetUserNameEx: %w", err)
	}
	return windows.UTF16ToString(name[:min(int(n), len(name))]), nil
}

// credentialName asks for SECPKG_CRED_ATTR_NAMES of the credential that contexts are
// begun with. It is empty where Windows does not tell.
func credentialName(p Package) string {
	call := windows.NewLazySystemDLL("secur32.dll").NewProc("QueryCredentialsAttributesW")
	credential, status := acquire(p)
	if status != OK {
		return ""
	}
	defer remove(credential, nil)
	if call.Find() != nil {
		return ""
	}
	var name *uint16 // a SecPkgCredentials_NamesW
	//nolint:gosec // the addresses are what the call reads, and where it puts the result
	code, _, _ := call.Call(uintptr(unsafe.Pointer(&credential)), credAttrNames, uintptr(unsafe.Pointer(&name)))
	if code != 0 || name == nil {
		return ""
	}
	defer func() { _ = sspi.FreeContextBuffer((*byte)(unsafe.Pointer(name))) }() //nolint:gosec // as the call asks for
	return textAt(name)
}

// A savedCredential begins as CREDENTIALW does. What stands behind is not looked at.
type savedCredential struct {
	Flags, Type uint32
	TargetName  *uint16
}

// saved asks Credential Manager for the targets of domain credentials, by password or
// certificate, each with its kind before it, such as Domain:target=NAME. A Windows that
// does not tell kinds, as wine, is asked for the targets alone. A logon session that has
// no set of credentials has none.
func saved() ([]string, error) {
	targets, err := savedAs(allCredentials)
	if errors.Is(err, windows.ERROR_INVALID_FLAGS) {
		return savedAs(0)
	}
	return targets, err
}

func savedAs(flags uintptr) ([]string, error) {
	library := windows.NewLazySystemDLL("advapi32.dll")
	call, free := library.NewProc("CredEnumerateW"), library.NewProc("CredFree")
	if err := cmp.Or(call.Find(), free.Find()); err != nil {
		return nil, err
	}
	var n uint32
	var all **savedCredential
	//nolint:gosec // the addresses are where the call puts the result
	ok, _, err := call.Call(0, flags, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&all)))
	switch {
	case ok == 0 && (errors.Is(err, windows.ERROR_NOT_FOUND) || errors.Is(err, windows.ERROR_NO_SUCH_LOGON_SESSION)):
		return nil, nil
	case ok == 0:
		return nil, fmt.Errorf("CredEnumerate: %w", err)
	case all == nil:
		return nil, nil
	}
	defer func() { _, _, _ = free.Call(uintptr(unsafe.Pointer(all))) }() //nolint:gosec // as the call asks for
	if n > maxSaved {
		return nil, InternalError
	}
	var targets []string
	for _, c := range unsafe.Slice(all, n) { //nolint:gosec // as many as the call says
		if c.TargetName != nil && (c.Type == domainPassword || c.Type == domainCertificate) {
			targets = append(targets, textAt(c.TargetName))
		}
	}
	return targets, nil
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
	for range maxText {
		if *p == 0 {
			break
		}
		text = append(text, *p)
		p = (*uint16)(unsafe.Add(unsafe.Pointer(p), 2)) //nolint:gosec // it has not ended yet
	}
	return windows.UTF16ToString(text)
}
