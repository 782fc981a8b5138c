package winhost

import (
	"slices"
	"strings"

	"github.com/gpreach/gpreach/rpc"
)

// Win32 error codes that [MS-EVEN6] returns.
const (
	errorParameter       = 87
	errorInvalidQuery    = 15001
	errorChannelNotFound = 15007
	contextMismatch      = 0x1c00001a // nca_s_fault_context_mismatch: no such handle
	maxText              = 32 << 10   // characters of a string
)

// channels are those that Group Policy Results reads, and two that are always there.
var channels = [...]string{"Microsoft-Windows-GroupPolicy/Operational", "System", "Application", "Security"}

// eventService is IEventService, [MS-EVEN6] section 3.1.4, of the calls that query.
func eventService() Interface {
	return Interface{Syntax: rpc.EventLog, secured: map[uint16]secured{5: registerLogQuery, 13: closeHandle}}
}

// What a query's path is of: one of them, section 3.1.4.12.
const (
	queryChannel = 1
	queryFile    = 2
)

// isQuery reports whether a text is an XPath of section 2.2.15 for events: * alone, or
// with predicates after it, whose brackets and quotation marks are in pairs.
func isQuery(text string) bool {
	predicates, ok := strings.CutPrefix(text, "*")
	if !ok || predicates != "" && predicates[0] != '[' {
		return false
	}
	var open []rune
	for _, c := range predicates {
		quoted := len(open) > 0 && (open[len(open)-1] == '\'' || open[len(open)-1] == '"')
		switch {
		case len(open) > 0 && c == open[len(open)-1]:
			open = open[:len(open)-1]
		case quoted:
		case c == '[':
			open = append(open, ']')
		case c == '(':
			open = append(open, ')')
		case c == '\'' || c == '"':
			open = append(open, c)
		case c == ']' || c == ')' || len(open) == 0:
			return false
		}
	}
	return len(open) == 0
}

// registerLogQuery is EvtRpcRegisterLogQuery, section 3.1.4.12. A caller without the
// right gets no handle; of a channel that is denied by itself he gets one, and its status.
func registerLogQuery(by *caller, in *reader, out *writer) uint32 {
	path := in.unique(in.text)
	query, flags := in.text(), in.u32()
	if in.err != nil {
		return badStubData
	}
	status, denied := uint32(0), uint32(0)
	switch is := func(c string) bool { return strings.EqualFold(c, path) }; {
	case (flags&queryChannel != 0) == (flags&queryFile != 0):
		status = errorParameter
	case !isQuery(query):
		status = errorInvalidQuery
	case !by.may(ReadLogs):
		status = accessDenied
	case !slices.ContainsFunc(channels[:], is):
		status = errorChannelNotFound
	case slices.ContainsFunc(by.Host.Denied, is):
		denied = accessDenied
	}
	if status != 0 {
		out.bytes(make([]byte, 2*contextHandleLen)...)
		out.u32(0, 0) // no channel, and no pointer to any
	} else {
		by.handles.open(by.Host, out) // of the query
		by.handles.open(by.Host, out) // of its control
		out.u32(1, 0x20000, 1, 0x20004, denied)
		out.text(path)
	}
	out.u32(0, 0, 0, status) // RpcInfo, return value
	return 0
}

// closeHandle is EvtRpcClose, section 3.1.4.33.
func closeHandle(by *caller, in *reader, out *writer) uint32 {
	return by.handles.close(by.Host, in, out)
}
