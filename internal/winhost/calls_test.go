package winhost

import (
	"encoding/binary"
	"testing"
)

// asUser calls a method as a user, with arguments, and returns its last field.
func asUser(t *testing.T, h *Host, user string, method secured, write func(*writer)) (status uint32) {
	t.Helper()
	w := &writer{order: binary.LittleEndian}
	write(w)
	out := &writer{order: binary.LittleEndian}
	by := &caller{session: &session{RPC: h.RPC(), handles: handles{}}, association: &association{Mechanism: userNamed(user)}}
	if fault := method(by, &reader{order: w.order, b: w.b, size: len(w.b)}, out); fault != 0 {
		t.Fatalf("fault %#x", fault)
	}
	return binary.LittleEndian.Uint32(out.b[len(out.b)-4:])
}

// A query is of a channel or of a file, and asks for events by an XPath.
func TestLogQueries(t *testing.T) {
	h, _ := admitting(t)
	for _, tt := range []struct {
		user, channel, query string
		flags, want          uint32
	}{
		{"reader", "System", "*", 0x101, 0},
		{"reader", "System", "*", 1, 0},
		{"reader", "System", "*", 0x100, errorParameter},
		{"reader", "System", "*", 0x103, errorParameter},
		{"reader", "System", "*", 2, 0},
		{"reader", "System", "*[System[(Level=1 or Level=2) and TimeCreated[timediff(@SystemTime) <= 86400000]]]", 1, 0},
		{"reader", "System", "*[System[Provider[@Name='it is ] quoted']]]", 1, 0},
		{"reader", "System", `*[System[Provider[@Name="a"]]][EventData]`, 1, 0},
		{"reader", "System", "", 1, errorInvalidQuery},
		{"reader", "System", "System", 1, errorInvalidQuery},
		{"reader", "System", "**", 1, errorInvalidQuery},
		{"reader", "System", "*[System", 1, errorInvalidQuery},
		{"reader", "System", "*[System]]", 1, errorInvalidQuery},
		{"reader", "System", "*[System)", 1, errorInvalidQuery},
		{"reader", "System", "*[Name='a]", 1, errorInvalidQuery},
		{"reader", "System", "*[System] or more", 1, errorInvalidQuery},
		{"reader", "Nowhere", "*", 1, errorChannelNotFound},
		{"nobody", "System", "*", 1, accessDenied},
	} {
		got := asUser(t, h, tt.user, registerLogQuery, func(w *writer) {
			w.u32(0x20000)
			w.text(tt.channel)
			w.text(tt.query)
			w.u32(tt.flags)
		})
		if got != tt.want {
			t.Errorf("%s of %s by %s, flags %#x: %d, want %d", tt.query, tt.channel, tt.user, tt.flags, got, tt.want)
		}
	}
}

// A task is one document of its schema, with actions.
func TestIsTask(t *testing.T) {
	const begin, end = `<?xml version="1.0" encoding="UTF-16"?><Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">`, `</Task>`
	const actions = `<Actions Context="Author"><Exec><Command>x</Command></Exec></Actions>`
	for text, want := range map[string]bool{
		begin + actions + end: true,
		begin + "\n<RegistrationInfo/><Triggers/><Principals/><Settings/><Data/>" + actions + end + "\n": true,
		begin + end:                              false,
		begin + actions + actions + end:          false,
		begin + actions + "<Programs/>" + end:    false,
		begin + "text" + actions + end:           false,
		begin + actions:                          false,
		begin + actions + end + "<Task/>":        false,
		begin + actions + end + begin[39:] + end: false,
		begin + actions + end + "text":           false,
		begin + `<Actions xmlns=""/>` + end:      false,
		"<Task>" + actions + end:                 false,
		"":                                       false,
	} {
		if got := isTask(text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// Who may read tasks may not yet register them.
func TestRegisterTaskRight(t *testing.T) {
	h := Client("ws-001.corp.example", here)
	h.Admit(Account{"reader", testPassword, ReadTasks}, Account{"writer", testPassword, RegisterTask})
	for user, want := range map[string]uint32{"reader": notAllowed, "writer": malformedXML} {
		got := asUser(t, h, user, registerTask, func(w *writer) {
			w.u32(0x20000)
			w.text(`\gpreach`)
			w.text("no task")
			w.u32(validateOnly, 0, 0, 0, 0)
		})
		if got != want {
			t.Errorf("%s: %#x", user, got)
		}
	}
	for user, want := range map[string]uint32{"reader": noMore, "writer": notAllowed} {
		got := asUser(t, h, user, enumTasks, func(w *writer) {
			w.text(`\`)
			w.u32(0, 0, 10)
		})
		if got != want {
			t.Errorf("%s enumerates: %#x", user, got)
		}
	}
}

// Another COM version than the host's is refused by every call that has one.
func TestCOMVersions(t *testing.T) {
	h, _ := admitting(t)
	login := h.newObject(wbemLevel1LoginIID)
	for name, method := range map[string]secured{
		"EstablishPosition": establishPosition, "NTLMLogin": ntlmLogin, "RemQueryInterface": queryInterface, "RemAddRef": addRef, "RemRelease": release,
	} {
		by := &caller{session: &session{RPC: h.Winmgmt()}, object: login}
		if name[:3] == "Rem" {
			by.object = remUnknownIPID
		}
		for minor, want := range map[byte]bool{7: false, 8: true} {
			b := append(orpcThisOf(5, minor), make([]byte, 64)...)
			if got := method(by, &reader{order: binary.LittleEndian, b: b, size: len(b)}, &writer{order: binary.LittleEndian}) == versionMismatch; got != want {
				t.Errorf("%s, version 5.%d: refused %t", name, minor, got)
			}
		}
	}
}
