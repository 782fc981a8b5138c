package sspi

import "fmt"

// A Status is what a call of SSPI returns: a SECURITY_STATUS, which may also be a
// status of NT or an error of Win32 in the clothes of an HRESULT.
type Status uint32

// Statuses of [MS-ERREF] section 2.1 that a logon may meet.
const (
	OK                     Status = 0
	ContinueNeeded         Status = 0x00090312
	Unsupported            Status = 0x80090302
	TargetUnknown          Status = 0x80090303
	InternalError          Status = 0x80090304
	PackageNotFound        Status = 0x80090305
	InvalidToken           Status = 0x80090308
	LogonDenied            Status = 0x8009030C
	NoCredentials          Status = 0x8009030E
	MessageAltered         Status = 0x8009030F
	OutOfSequence          Status = 0x80090310
	NoAuthority            Status = 0x80090311
	WrongPrincipal         Status = 0x80090322
	TimeSkew               Status = 0x80090324
	SmartcardRequired      Status = 0x8009033E
	UnknownEncryption      Status = 0x80090342
	UnsupportedProof       Status = 0x80090343
	NoKerberosKey          Status = 0x80090348
	DowngradeDetected      Status = 0x80090350
	MutualAuthFailed       Status = 0x80090363
	severityWin32          Status = 0x80070000 // HRESULT_FROM_WIN32
	facilityNT             Status = 0x10000000 // HRESULT_FROM_NT
	statusAccountRestricts uint32 = 0xC000006E
)

// NTStatus returns the status of NT that says it more exactly of an account, as the
// SMB server and the KDC say it, or 0.
func (s Status) NTStatus() uint32 {
	if nt := uint32(s &^ facilityNT); isAccountStatus(nt) {
		return nt
	}
	if s&^0xFFFF != severityWin32 {
		return 0
	}
	switch s & 0xFFFF {
	case 1326: // ERROR_LOGON_FAILURE
		return 0xC000006D
	case 1327: // ERROR_ACCOUNT_RESTRICTION
		return statusAccountRestricts
	case 1328: // ERROR_INVALID_LOGON_HOURS
		return 0xC000006F
	case 1329: // ERROR_INVALID_WORKSTATION
		return 0xC0000070
	case 1330: // ERROR_PASSWORD_EXPIRED
		return 0xC0000071
	case 1331: // ERROR_ACCOUNT_DISABLED
		return 0xC0000072
	case 1793: // ERROR_ACCOUNT_EXPIRED
		return 0xC0000193
	case 1907: // ERROR_PASSWORD_MUST_CHANGE
		return 0xC0000224
	case 1909: // ERROR_ACCOUNT_LOCKED_OUT
		return 0xC0000234
	}
	return 0
}

func isAccountStatus(nt uint32) bool {
	switch nt {
	case 0xC0000064, 0xC000006A, 0xC000006D, statusAccountRestricts, 0xC000006F, 0xC0000070, 0xC0000071, 0xC0000072, 0xC0000193, 0xC0000224, 0xC0000234:
		return true
	}
	return false
}

// AboutAccount reports whether the account itself is the reason, said by a KDC. A
// restriction is that of the account only where it was asked for no host: for a host
// it is the policy of that host's ticket.
func (s Status) AboutAccount() bool {
	nt := s.NTStatus()
	return s == LogonDenied || nt != 0 && nt != statusAccountRestricts
}

// IsOfKDC reports whether a KDC has answered for a service, and not of the account.
func (s Status) IsOfKDC() bool {
	switch s {
	case TargetUnknown, NoKerberosKey, UnknownEncryption:
		return true
	}
	return s.IsRestriction()
}

// IsRestriction reports whether a policy forbids the account what was asked.
func (s Status) IsRestriction() bool { return s.NTStatus() == statusAccountRestricts }

func (s Status) Error() string {
	if name := s.name(); name != "" {
		return fmt.Sprintf("SSPI status 0x%08X (%s)", uint32(s), name)
	}
	return fmt.Sprintf("SSPI status 0x%08X", uint32(s))
}

func (s Status) name() string {
	switch s {
	case Unsupported:
		return "SEC_E_UNSUPPORTED_FUNCTION"
	case TargetUnknown:
		return "SEC_E_TARGET_UNKNOWN"
	case InternalError:
		return "SEC_E_INTERNAL_ERROR"
	case PackageNotFound:
		return "SEC_E_SECPKG_NOT_FOUND"
	case InvalidToken:
		return "SEC_E_INVALID_TOKEN"
	case LogonDenied:
		return "SEC_E_LOGON_DENIED"
	case NoCredentials:
		return "SEC_E_NO_CREDENTIALS"
	case MessageAltered:
		return "SEC_E_MESSAGE_ALTERED"
	case OutOfSequence:
		return "SEC_E_OUT_OF_SEQUENCE"
	case NoAuthority:
		return "SEC_E_NO_AUTHENTICATING_AUTHORITY"
	case WrongPrincipal:
		return "SEC_E_WRONG_PRINCIPAL"
	case TimeSkew:
		return "SEC_E_TIME_SKEW"
	case SmartcardRequired:
		return "SEC_E_SMARTCARD_LOGON_REQUIRED"
	case UnknownEncryption:
		return "SEC_E_KDC_UNKNOWN_ETYPE"
	case UnsupportedProof:
		return "SEC_E_UNSUPPORTED_PREAUTH"
	case NoKerberosKey:
		return "SEC_E_NO_KERB_KEY"
	case DowngradeDetected:
		return "SEC_E_DOWNGRADE_DETECTED"
	case MutualAuthFailed:
		return "SEC_E_MUTUAL_AUTH_FAILED"
	}
	return ""
}
