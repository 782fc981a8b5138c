package auth

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// readRights are the rights by which a file's contents can be read, or a right to
// read can be had.
const readRights = windows.FILE_READ_DATA | windows.GENERIC_READ | windows.GENERIC_ALL | windows.WRITE_DAC | windows.WRITE_OWNER

// private refuses a file that everyone, all users, or all of a domain may read. Who
// denies them again by another entry is refused too.
func private(f *os.File, _ fs.FileInfo) error {
	descriptor, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("who may read it cannot be told: %w", err)
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return fmt.Errorf("who may read it cannot be told: %w", err)
	}
	if list == nil {
		return fmt.Errorf("everyone may read it: it has no access list")
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return fmt.Errorf("who may read it cannot be told: %w", err)
		}
		if entry.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE || entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 || entry.Mask&readRights == 0 {
			continue
		}
		if who := (*windows.SID)(unsafe.Pointer(&entry.SidStart)); isMany(who) { //nolint:gosec // how Windows lays out an entry: the SID begins there
			return fmt.Errorf("%s may read it: icacls FILE /inheritance:r /grant:r USER:R", who)
		}
	}
	return nil
}

// isMany reports whether a SID stands for people that nobody has counted.
func isMany(who *windows.SID) bool {
	known := []windows.WELL_KNOWN_SID_TYPE{
		windows.WinWorldSid, windows.WinAuthenticatedUserSid, windows.WinBuiltinUsersSid, windows.WinBuiltinGuestsSid,
		windows.WinInteractiveSid, windows.WinNetworkSid, windows.WinAnonymousSid,
	}
	if slices.ContainsFunc(known, who.IsWellKnown) {
		return true
	}
	const domainUsers, domainGuests, domainComputers = 513, 514, 515
	n := who.SubAuthorityCount()
	if n != 5 || who.SubAuthority(0) != windows.SECURITY_NT_NON_UNIQUE_RID {
		return false
	}
	last := who.SubAuthority(uint32(n) - 1)
	return last == domainUsers || last == domainGuests || last == domainComputers
}
