package secure

import (
	"context"

	"github.com/oiweiwei/go-msrpc/ndr"
)

// The calls of [MS-TSCH] that are made, as operations of our own.

const (
	opHighestVersion = 0
	opRegisterTask   = 1
	opEnumTasks      = 7

	rootFolder     = `\`
	maxTasks       = 1 // that are asked for: that one may be read is the proof
	maxTaskName    = 1 << 10
	validateOnly   = 1 // TASK_VALIDATE_ONLY
	serviceAccount = 5 // TASK_LOGON_SERVICE_ACCOUNT
)

// A highestVersion is SchRpcHighestVersion, section 3.2.5.4.1.
type highestVersion struct {
	operation
	version, status uint32
}

// OpNum returns the operation's number.
func (*highestVersion) OpNum() int { return opHighestVersion }

// OpName returns the operation's name.
func (*highestVersion) OpName() string { return "SchRpcHighestVersion" }

// MarshalNDRRequest writes nothing.
func (*highestVersion) MarshalNDRRequest(_ context.Context, w ndr.Writer) error { return w.Err() }

// UnmarshalNDRResponse reads pVersion and the return value.
func (h *highestVersion) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return h.decode(r, func(in *reply) { h.version, h.status = in.uint32(), in.uint32() })
}

// An enumTasks is SchRpcEnumTasks of the root folder, section 3.2.5.4.8.
type enumTasks struct {
	operation
	status uint32
}

// OpNum returns the operation's number.
func (*enumTasks) OpNum() int { return opEnumTasks }

// OpName returns the operation's name.
func (*enumTasks) OpName() string { return "SchRpcEnumTasks" }

// MarshalNDRRequest writes path, flags, startIndex and cRequested.
func (*enumTasks) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	writeString(w, rootFolder)
	for _, n := range []uint32{0, 0, maxTasks} {
		_ = w.WriteData(n)
	}
	return w.Err()
}

// UnmarshalNDRResponse reads startIndex, pcNames, pNames and the return value.
func (e *enumTasks) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return e.decode(r, func(in *reply) {
		in.uint32() // startIndex
		n := in.uint32()
		if there := in.uint32(); there != 0 {
			in.taskNames(n)
		}
		e.status = in.uint32()
	})
}

// taskNames reads TASK_NAMES, which are not looked at.
func (in *reply) taskNames(n uint32) {
	if room := in.uint32(); n > maxTasks || room != n {
		in.fail("%d tasks in %d", n, room)
		return
	}
	names := 0
	for range n {
		if in.uint32() != 0 {
			names++
		}
	}
	for range names {
		in.skipText()
	}
}

// skipText reads a string that may be as long as a path.
func (in *reply) skipText() {
	room, offset, n := in.uint32(), in.uint32(), in.uint32()
	if n > room || offset != 0 {
		in.fail("text of %d characters at %d of %d", n, offset, room)
	}
	in.bytes(2*min(n, maxTaskName+1), 2*maxTaskName)
}

// A registerTask is SchRpcRegisterTask that only validates, section 3.2.5.4.2.
type registerTask struct {
	operation
	status uint32
}

// OpNum returns the operation's number.
func (*registerTask) OpNum() int { return opRegisterTask }

// OpName returns the operation's name.
func (*registerTask) OpName() string { return "SchRpcRegisterTask" }

// MarshalNDRRequest writes path, xml, flags, sddl, logonType, cCreds and pCreds.
func (*registerTask) MarshalNDRRequest(_ context.Context, w ndr.Writer) error {
	_ = w.WriteData(uint32(referent))
	writeString(w, rehearsedPath)
	writeString(w, rehearsedTask)
	for _, n := range []uint32{validateOnly, 0, serviceAccount, 0, 0} {
		_ = w.WriteData(n)
	}
	return w.Err()
}

// UnmarshalNDRResponse reads pActualPath, pErrorInfo and the return value.
func (t *registerTask) UnmarshalNDRResponse(_ context.Context, r ndr.Reader) error {
	return t.decode(r, func(in *reply) {
		if in.uint32() != 0 {
			in.skipText()
		}
		if in.uint32() != 0 {
			in.uint32() // line
			in.uint32() // column
			texts := 0
			for range 2 { // node, value
				if in.uint32() != 0 {
					texts++
				}
			}
			for range texts {
				in.skipText()
			}
		}
		t.status = in.uint32()
	})
}
