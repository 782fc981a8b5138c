package secure

import "fmt"

// Statuses of [MS-ERREF] sections 2.3 and 2.2 that decide something here.
const (
	statusAccessDenied   = 0xC0000022
	statusNameNotFound   = 0xC0000034
	statusNameCollision  = 0xC0000035
	statusNotAccepted    = 0xC00000D0
	statusAccountLocked  = 0xC0000234
	statusMoreProcessing = 0xC0000016

	win32AccessDenied    = 5
	win32ChannelNotFound = 15007
)

// aboutAccount reports whether a host says by a status that the account itself,
// or its password, is the reason why it was not let in. Only these stop the
// credential: with any other a hostile host could stop the run.
func aboutAccount(status uint32) bool {
	switch status {
	case 0xC000006A, 0xC000006D, 0xC000006E, 0xC000006F, 0xC0000070, 0xC0000071, 0xC0000072, 0xC0000193, 0xC0000224, statusAccountLocked:
		return true
	}
	return false
}

// statusText names a status, as in "status 0xC000006D (STATUS_LOGON_FAILURE)".
func statusText(status uint32) string {
	if name := statusName(status); name != "" {
		return fmt.Sprintf("status 0x%08X (%s)", status, name)
	}
	return fmt.Sprintf("status 0x%08X", status)
}

// statusName returns the name of a status that a logon or a pipe may meet, or "".
func statusName(status uint32) string {
	switch status {
	case 0xC000000D:
		return "STATUS_INVALID_PARAMETER"
	case statusAccessDenied:
		return "STATUS_ACCESS_DENIED"
	case statusNameNotFound:
		return "STATUS_OBJECT_NAME_NOT_FOUND"
	case 0xC000005E:
		return "STATUS_NO_LOGON_SERVERS"
	case 0xC0000064:
		return "STATUS_NO_SUCH_USER"
	case 0xC000006A:
		return "STATUS_WRONG_PASSWORD"
	case 0xC000006D:
		return "STATUS_LOGON_FAILURE"
	case 0xC000006E:
		return "STATUS_ACCOUNT_RESTRICTION"
	case 0xC000006F:
		return "STATUS_INVALID_LOGON_HOURS"
	case 0xC0000070:
		return "STATUS_INVALID_WORKSTATION"
	case 0xC0000071:
		return "STATUS_PASSWORD_EXPIRED"
	case 0xC0000072:
		return "STATUS_ACCOUNT_DISABLED"
	case 0xC00000AC:
		return "STATUS_PIPE_NOT_AVAILABLE"
	case 0xC00000BB:
		return "STATUS_NOT_SUPPORTED"
	case 0xC00000CC:
		return "STATUS_BAD_NETWORK_NAME"
	case statusNotAccepted:
		return "STATUS_REQUEST_NOT_ACCEPTED"
	case 0xC0000133:
		return "STATUS_TIME_DIFFERENCE_AT_DC"
	case 0xC000014B:
		return "STATUS_PIPE_BROKEN"
	case 0xC000015B:
		return "STATUS_LOGON_TYPE_NOT_GRANTED"
	case 0xC000018D:
		return "STATUS_TRUSTED_RELATIONSHIP_FAILURE"
	case 0xC0000193:
		return "STATUS_ACCOUNT_EXPIRED"
	case 0xC0000203:
		return "STATUS_USER_SESSION_DELETED"
	case 0xC0000224:
		return "STATUS_PASSWORD_MUST_CHANGE"
	case statusAccountLocked:
		return "STATUS_ACCOUNT_LOCKED_OUT"
	case 0xC0000413:
		return "STATUS_AUTHENTICATION_FIREWALL_FAILED"
	case 0xC0000418:
		return "STATUS_NTLM_BLOCKED"
	}
	return ""
}
