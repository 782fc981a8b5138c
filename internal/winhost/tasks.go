package winhost

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/gpreach/gpreach/rpc"
)

// HRESULTs.
const (
	noMore       = 1 // S_FALSE
	notSuch      = 0x80070002
	notAllowed   = 0x80070005 // E_ACCESSDENIED
	notOurs      = 0x80004001 // E_NOTIMPL
	malformedXML = 0x8004131a // SCHED_E_MALFORMEDXML
)

const (
	highestVersion = 0x10006
	validateOnly   = 1 // TASK_VALIDATE_ONLY
)

// taskChildren are the elements of a task, each of which stands there once at most.
var taskChildren = [...]string{"RegistrationInfo", "Triggers", "Settings", "Data", "Principals", "Actions"}

// taskService is ITaskSchedulerService, [MS-TSCH] section 3.2.5.4, which wants packet
// privacy, section 2.1.
func taskService() Interface {
	return Interface{Syntax: rpc.TaskScheduler, Level: levelPrivacy, secured: map[uint16]secured{
		0: taskVersion, 1: registerTask, 7: enumTasks,
	}}
}

// taskVersion is SchRpcHighestVersion, section 3.2.5.4.1.
func taskVersion(_ *caller, _ *reader, out *writer) uint32 {
	out.u32(highestVersion, 0)
	return 0
}

// registerTask is SchRpcRegisterTask, section 3.2.5.4.2. Nothing is ever stored: what
// was not only to be validated is counted, and refused.
func registerTask(by *caller, in *reader, out *writer) uint32 {
	in.unique(in.text) // path
	task := in.text()
	flags := in.u32()
	in.unique(in.text) // sddl
	in.u32()           // logonType
	in.u32()           // cCreds
	in.u32()           // pCreds
	if in.err != nil {
		return badStubData
	}
	status := uint32(0)
	switch {
	case !by.may(RegisterTask):
		status = notAllowed
	case flags != validateOnly:
		by.Host.count(func(l *Left) { l.Tasks++ })
		status = notOurs
	case !isTask(task):
		status = malformedXML
	}
	out.u32(0, 0, status) // no pActualPath, no pErrorInfo
	return 0
}

// isTask reports whether a text is one well-formed task of [MS-TSCH] section 2.5.1, with
// actions, and with nothing in it that a task does not have.
func isTask(text string) bool {
	const namespace = "http://schemas.microsoft.com/windows/2004/02/mit/task"
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it says UTF-16, and was
	var children []string
	for depth, over := 0, false; ; {
		token, err := d.Token()
		if err != nil {
			return errors.Is(err, io.EOF) && slices.Contains(children, "Actions")
		}
		switch it := token.(type) {
		case xml.StartElement:
			if over || it.Name.Space != namespace || depth == 0 && it.Name.Local != "Task" {
				return false
			}
			if depth == 1 {
				if !slices.Contains(taskChildren[:], it.Name.Local) || slices.Contains(children, it.Name.Local) {
					return false
				}
				children = append(children, it.Name.Local)
			}
			depth++
		case xml.EndElement:
			depth--
			over = depth == 0
		case xml.CharData:
			if depth <= 1 && strings.TrimSpace(string(it)) != "" {
				return false
			}
		}
	}
}

// enumTasks is SchRpcEnumTasks, section 3.2.5.4.8: there are two tasks in the root, and
// none elsewhere.
func enumTasks(by *caller, in *reader, out *writer) uint32 {
	path := in.text()
	in.u32() // flags
	start, most := in.u32(), in.u32()
	if in.err != nil {
		return badStubData
	}
	names := []string{"GoogleUpdateTaskMachineCore", "MicrosoftEdgeUpdateTaskMachineCore"}
	status := uint32(0)
	switch {
	case !by.may(ReadTasks):
		names, status = nil, notAllowed
	case path != `\`:
		names, status = nil, notSuch
	default:
		names = names[min(start, uint32(len(names))):]
		if uint32(len(names)) <= most {
			status = noMore
		}
		names = names[:min(most, uint32(len(names)))]
	}
	out.u32(start+uint32(len(names)), uint32(len(names)))
	if len(names) == 0 {
		out.u32(0, status)
		return 0
	}
	out.u32(0x20000, uint32(len(names)))
	for i := range names {
		out.u32(0x20004 + 4*uint32(i))
	}
	for _, name := range names {
		out.text(name)
	}
	out.u32(status)
	return 0
}
