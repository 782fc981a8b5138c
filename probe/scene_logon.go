package probe

import (
	"cmp"
	"strings"

	"github.com/gpreach/gpreach/rpc"
)

// wordOfLogon is word for what only a credential meets.
func (s scene) wordOfLogon(name string) string {
	switch name {
	case "right":
		return s.right()
	case "ticket":
		return s.ticket()
	case "launch":
		return s.launch()
	case "refused":
		return s.refused()
	case "administrator":
		return s.administrator()
	case "enabled":
		return s.enabled()
	case "cannot":
		if s.step.code < 1<<31 { // a fault, and no HRESULT
			return "refuses the call that activates WMI"
		}
		return "cannot start WMI"
	case "counts":
		if len(s.asked) > 1 {
			return "; it counts for both operations"
		}
		return ""
	case "more":
		return s.more()
	case "credential":
		if s.seen.credential == "kerberos" {
			return "By Kerberos this is no wrong password: most likely the host is another one than the name says, or has lost its place in the domain (Test-ComputerSecureChannel)."
		}
		return fixGiven
	case "uac":
		if s.seen.credential == "ntlm" {
			return "; of a local account, also set LocalAccountTokenFilterPolicy to 1 on the host"
		}
		return ""
	}
	return "{" + name + "}" // which a test finds
}

// detail tells what was said of the step. What was asked for with the credential, and had
// no answer, does not tell that by itself.
func (s scene) detail() string {
	detail := strings.TrimSuffix(cmp.Or(s.step.Detail, string(s.step.Outcome)), ".")
	switch s.step.Outcome {
	case Timeout, Hangup, Reset:
		if s.step.by == byCredential && s.step.Detail != "" {
			return detail + ": " + string(s.step.Outcome)
		}
	}
	return detail
}

// right tells which right an account lacks that is denied a log.
func (s scene) right() string {
	readers := ": it is in neither Event Log Readers nor Administrators there"
	switch {
	case s.place == atPipeCall && s.step.code == faultDenied && s.both:
		return ", though over TCP it lets the account in, as where an RPC filter blocks the pipe alone"
	case s.step.code == faultDenied:
		return refusedCall
	case s.place == atPipeCall && s.both:
		return ", though over TCP it lets the account in: the pipe wants Administrators or Event Log Readers of the host itself"
	}
	if s.place == atSealed { // whose channels have permissions of their own
		readers += ", or the log's own permissions leave it out (wevtutil gl)"
	}
	return readers + s.filtered()
}

// filtered tells what else may keep a local account out, where it may be one.
func (s scene) filtered() string {
	if s.seen.credential == "ntlm" {
		return ", or it is a local account that UAC filters over the network"
	}
	return ""
}

// launch tells why an account may not activate WMI.
func (s scene) launch() string {
	if s.step.code == faultDenied {
		return refusedCall + ", or DCOM's hardening refuses it (event 10036 in its System log)"
	}
	return ": it lacks Remote Launch and Remote Activation there, for it is in neither Administrators nor Distributed COM Users" + s.filtered()
}

// enabled tells why an account may not use a namespace of WMI.
func (s scene) enabled() string {
	switch s.step.code {
	case wbemAccessDenied:
		return ": it lacks Remote Enable on the namespace" + s.filtered()
	case faultDenied:
		return refusedCall + ", or DCOM's limits for remote access leave the account out"
	}
	return ": WMI's access permissions for remote calls, or those of the namespace, leave it out" + s.filtered()
}

// administrator tells why an account may not use the Task Scheduler.
func (s scene) administrator() string {
	if s.step.code == faultDenied {
		return refusedCall
	}
	return ": it is not in Administrators there" + s.filtered()
}

// refusedCall tells of a call that RPC refused by a fault, not the service by what it
// returns.
const refusedCall = ": the call itself, before any right was looked at. Most likely the host refuses the logon by RPC"

// refused tells what to do about that.
func (s scene) refused() string {
	const rest = "at the host's RPC filters (netsh rpc filter show filter), and at its policies for logons over the network and for NTLM."
	if s.rule.Route == ByDCOM {
		return "Look for event 10036 in the host's System log, which tells the account and the level that DCOM refused (gpreach asks at packet privacy, the highest there is); without one, at the limits for remote access and launch (dcomcnfg, My Computer, COM Security), " + rest
	}
	return "Look " + rest
}

// more tells what a call that was allowed does not prove.
func (s scene) more() string {
	switch {
	case s.rule.Object != rpc.TaskScheduler:
		return ""
	case s.step.rehearsed && s.step.Outcome == OK:
		return " It validated a task such as a remote refresh registers, and was asked to store none; registering one needs Administrators of the host, and whether Windows looks at that when it validates has not been verified."
	case s.step.rehearsed:
		return " It did not validate a task such as a remote refresh registers (" + s.word("detail", "") + "), which --rehearse asks for and which has not been verified with Windows."
	}
	return " Registering a task, which a remote refresh does, needs Administrators of the host and was not tried."
}

// ticket tells what to do where a KDC gives no ticket.
func (s scene) ticket() string {
	switch s.step.code {
	case kdcServiceTwice, kdcServiceIsUser:
		return "look whether two accounts have the same service name (setspn -X), or an account that is no computer's has it"
	case kdcServiceUnknown:
		return "ask by the name under which the host is joined to the domain (setspn -L HOST lists its service names); a host outside the domain takes --allow-ntlm"
	case 0:
		return "let this machine find a KDC of the host's realm (krb5.conf, or DNS), or ask the host by its address, with --allow-ntlm"
	}
	return "look at the domain controller's log, and run it again"
}

const (
	kdcServiceUnknown  = 7          // KDC_ERR_S_PRINCIPAL_UNKNOWN
	kdcServiceTwice    = 8          // KDC_ERR_PRINCIPAL_NOT_UNIQUE
	kdcServiceIsUser   = 27         // KDC_ERR_MUST_USE_USER2USER
	kerberosExpired    = 32         // KRB_AP_ERR_TKT_EXPIRED
	kerberosNotYet     = 33         // KRB_AP_ERR_TKT_NYV
	kerberosSkew       = 37         // KRB_AP_ERR_SKEW
	kerberosBadKey     = 44         // KRB_AP_ERR_BADKEYVER
	kerberosNoKey      = 45         // KRB_AP_ERR_NOKEY
	nakUnknownAuthType = 8          // authentication_type_not_recognized, of a bind_nak
	faultDenied        = 5          // the RPC fault ERROR_ACCESS_DENIED
	statusLogonFailure = 0xC000006D // STATUS_LOGON_FAILURE
	wbemAccessDenied   = 0x80041003 // WBEM_E_ACCESS_DENIED
)
