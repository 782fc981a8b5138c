package probe

import (
	"fmt"
	"slices"

	"github.com/gpreach/gpreach/rpc"
)

// An Operation is what the administrator wants to do to the host.
type Operation string

// The operations of Microsoft's page, in the order in which they are reported.
const (
	RSoP    Operation = "rsop"    // Group Policy Results
	Refresh Operation = "refresh" // remote gpupdate
)

// Operations returns both operations, in order.
func Operations() []Operation { return []Operation{RSoP, Refresh} }

// ParseOperations reads "rsop", "refresh" or "all".
func ParseOperations(s string) ([]Operation, error) {
	switch s {
	case "all":
		return Operations(), nil
	case string(RSoP), string(Refresh):
		return []Operation{Operation(s)}, nil
	}
	return nil, fmt.Errorf("%q is not an operation: want rsop, refresh or all", s)
}

// A Route is the way in to the service behind a rule.
type Route string

// The four ways in.
const (
	ByPipe    Route = "pipe"    // SMB on 445, then a named pipe
	ByMapper  Route = "mapper"  // the endpoint mapper itself, on 135
	ByDynamic Route = "dynamic" // ask the mapper for the service's port, then go there
	ByDCOM    Route = "dcom"    // activation through 135, then the port it names
)

// A Rule is a row of Microsoft's table: an inbound firewall rule that an
// operation needs.
type Rule struct {
	// ID is Windows' own rule id, which no translation changes. Client
	// editions have a second variant of each rule: see Variants.
	ID string
	// Name and Group are the English names; GroupToken is the group's
	// language-neutral name.
	Name, Group, GroupToken string
	// ServerPort is the document's own first column.
	ServerPort string
	// Port is the local port as Windows writes it: 445, RPC, RPC-EPMap, or
	// empty for any.
	Port string
	// Service is the short name of the service behind the rule, "all" where
	// the rule names none.
	Service string
	For     []Operation
	Route   Route
	// Object is the interface that proves the service, Pipe the named pipe it
	// is reached through, if any.
	Object rpc.Syntax
	Pipe   string
}

// Variants returns the ids under which client editions of Windows know the
// rule: ID for the Private and Public profiles (local subnet only), and
// ID-NoScope for the Domain profile. Server editions have ID alone.
func (r Rule) Variants() []string { return []string{r.ID, r.ID + "-NoScope"} }

// Needed reports whether op needs the rule.
func (r Rule) Needed(op Operation) bool { return slices.Contains(r.For, op) }

// StarterGPO returns the name of the Starter GPO that enables every rule of op.
func StarterGPO(op Operation) string {
	if op == RSoP {
		return "Group Policy Reporting Firewall Ports"
	}
	return "Group Policy Remote Update Firewall Ports"
}

// Rules returns the six rules in the document's order; WMI's stands in both of
// its tables. Adding one here is all it takes to probe, report and export it.
func Rules() []Rule { return slices.Clone(rules) }

// rules is never changed.
var rules = table()

func table() []Rule {
	const (
		eventLog, eventLogToken = "Remote Event Log Management", "@FirewallAPI.dll,-29252"
		tasks, tasksToken       = "Remote Scheduled Tasks Management", "@FirewallAPI.dll,-33252"
		wmi, wmiToken           = "Windows Management Instrumentation", "@FirewallAPI.dll,-34251"
	)
	rsop, refresh := []Operation{RSoP}, []Operation{Refresh}
	return []Rule{
		{
			ID: "RemoteEventLogSvc-NP-In-TCP", Name: eventLog + " (NP-In)", Group: eventLog, GroupToken: eventLogToken,
			ServerPort: "TCP SMB 445, all services and programs", Port: "445", Service: "all",
			For: rsop, Route: ByPipe, Object: rpc.EventLogPipe, Pipe: "eventlog",
		},
		{
			ID: "RemoteEventLogSvc-In-TCP", Name: eventLog + " (RPC)", Group: eventLog, GroupToken: eventLogToken,
			ServerPort: "TCP RPC dynamic ports, EventLog (Windows Event Log service)", Port: "RPC", Service: "EventLog",
			For: rsop, Route: ByDynamic, Object: rpc.EventLog,
		},
		{
			ID: "RemoteEventLogSvc-RPCSS-In-TCP", Name: eventLog + " (RPC-EPMAP)", Group: eventLog, GroupToken: eventLogToken,
			ServerPort: "TCP port 135, RPCSS (Remote Procedure Call service)", Port: "RPC-EPMap", Service: "RPCSS",
			For: rsop, Route: ByMapper, Object: rpc.EndpointMapper,
		},
		{
			ID: "WMI-WINMGMT-In-TCP", Name: wmi + " (WMI-In)", Group: wmi, GroupToken: wmiToken,
			ServerPort: "TCP all ports, Winmgmt (Windows Management Instrumentation service)", Service: "Winmgmt",
			For: Operations(), Route: ByDCOM, Object: rpc.ObjectExporter,
		},
		{
			ID: "RemoteTask-In-TCP", Name: tasks + " (RPC)", Group: tasks, GroupToken: tasksToken,
			ServerPort: "TCP RPC dynamic ports, Schedule (Task Scheduler service)", Port: "RPC", Service: "Schedule",
			For: refresh, Route: ByDynamic, Object: rpc.TaskScheduler,
		},
		{
			ID: "RemoteTask-RPCSS-In-TCP", Name: tasks + " (RPC-EPMAP)", Group: tasks, GroupToken: tasksToken,
			ServerPort: "TCP port 135, RPCSS (Remote Procedure Call service)", Port: "RPC-EPMap", Service: "RPCSS",
			For: refresh, Route: ByMapper, Object: rpc.EndpointMapper,
		},
	}
}

// rulesFor returns the rules that any of the asked operations needs, in order.
// They are not to be changed.
func rulesFor(asked []Operation) []Rule {
	idle := func(r Rule) bool { return !slices.ContainsFunc(asked, r.Needed) }
	if !slices.ContainsFunc(rules, idle) {
		return rules
	}
	return slices.DeleteFunc(Rules(), idle)
}
