package secure

import (
	"fmt"

	"github.com/gpreach/gpreach/probe"
)

// HRESULTs, [MS-ERREF] section 2.1 and [MS-WMI] section 2.2.11, that decide something.
const (
	accessDenied       = 0x80070005 // E_ACCESSDENIED
	classNotRegistered = 0x80040154 // REGDB_E_CLASSNOTREG
	wbemAccessDenied   = 0x80041003 // WBEM_E_ACCESS_DENIED
	rpcAccessDenied    = 0x8001011B // RPC_E_ACCESS_DENIED
	serviceDisabled    = 0x80070422 // ERROR_SERVICE_DISABLED

	severityError = 1 << 31
)

// returned makes a Failure of what a call returned, nil of a success. what names what
// was asked for.
func returned(what string, result uint32) error {
	if result&severityError == 0 {
		return nil
	}
	f := &probe.Failure{Outcome: probe.Unsupported, Code: result, Text: fmt.Sprintf("%s: 0x%08X", what, result)}
	if name := resultName(result); name != "" {
		f.Text += " (" + name + ")"
	}
	switch result {
	case accessDenied, wbemAccessDenied, rpcAccessDenied:
		f.Outcome = probe.AccessDenied
	case classNotRegistered, serviceDisabled:
		f.Outcome = probe.NotRegistered
	}
	return f
}

// resultName returns the name of an HRESULT that DCOM, WMI or the Task Scheduler may
// return, or "".
func resultName(result uint32) string {
	switch result {
	case 0x80004001:
		return "E_NOTIMPL"
	case 0x80004002:
		return "E_NOINTERFACE"
	case 0x80004005:
		return "E_FAIL"
	case 0x8000401A:
		return "CO_E_RUNAS_LOGON_FAILURE"
	case 0x80010108:
		return "RPC_E_DISCONNECTED"
	case rpcAccessDenied:
		return "RPC_E_ACCESS_DENIED"
	case classNotRegistered:
		return "REGDB_E_CLASSNOTREG"
	case 0x80040155:
		return "REGDB_E_IIDNOTREG"
	case 0x80041001:
		return "WBEM_E_FAILED"
	case wbemAccessDenied:
		return "WBEM_E_ACCESS_DENIED"
	case 0x80041006:
		return "WBEM_E_OUT_OF_MEMORY"
	case 0x80041008:
		return "WBEM_E_INVALID_PARAMETER"
	case 0x8004100E:
		return "WBEM_E_INVALID_NAMESPACE"
	case 0x80041014:
		return "WBEM_E_INITIALIZATION_FAILURE"
	case 0x80041033:
		return "WBEM_E_SHUTTING_DOWN"
	case 0x80041045:
		return "WBEM_E_SERVER_TOO_BUSY"
	case 0x8004106C:
		return "WBEM_E_QUOTA_VIOLATION"
	case 0x80041064:
		return "WBEM_E_LOCAL_CREDENTIALS"
	case 0x8004131A:
		return "SCHED_E_MALFORMEDXML"
	case 0x80041315:
		return "SCHED_E_SERVICE_NOT_RUNNING"
	case 0x80070002:
		return "ERROR_FILE_NOT_FOUND"
	case accessDenied:
		return "E_ACCESSDENIED"
	case 0x8007000E:
		return "E_OUTOFMEMORY"
	case 0x80070057:
		return "E_INVALIDARG"
	case serviceDisabled:
		return "ERROR_SERVICE_DISABLED"
	case 0x800706BA:
		return "RPC_S_SERVER_UNAVAILABLE"
	case 0x80080005:
		return "CO_E_SERVER_EXEC_FAILURE"
	}
	return ""
}
