package winhost

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/gpreach/gpreach/rpc"
)

const (
	nullHandle = "0000000000000000000000000000000000000000"
	noneLeft   = "d6a0c916"
)

// mapReplyHex returns the reply to mapHex: the PDU of Server 2016 and 2019, 152
// bytes with one tower.
func mapReplyHex(towers ...string) string {
	n := hex.EncodeToString([]byte{byte(len(towers)), 0, 0, 0})
	stub, status := nullHandle+n+"04000000 00000000"+n, "00000000"
	for i := range towers {
		stub += hex.EncodeToString([]byte{byte(3 + i), 0, 0, 0})
	}
	for _, t := range towers {
		stub += "4b000000 4b000000" + t + "00"
	}
	if len(towers) == 0 {
		status = noneLeft
	}
	return responseHex(stub + status)
}

func responseHex(stub string) string {
	n := len(tidy(stub)) / 2
	return pduHex("02", "02000000", hex.EncodeToString([]byte{byte(n), 0, 0, 0})+"0000 0000"+stub)
}

func TestMap(t *testing.T) {
	const address = "0a4d0065" // 10.77.0.101
	wmi := strings.Replace(scheduleHex, "4959", "4a59", 1)
	for _, test := range []struct {
		name    string
		arrange func(*Host)
		ask     string
		want    string
	}{
		{"the event log", func(*Host) {}, mapHex(eventLogHex), mapReplyHex(towerHex(eventLogHex, "c203", address))},
		{"the scheduler", func(*Host) {}, mapHex(scheduleHex), mapReplyHex(towerHex(scheduleHex, "c204", address))},
		{
			"a host behind NAT", func(h *Host) { h.Inner = netip.MustParseAddr("192.168.0.2") },
			mapHex(scheduleHex), mapReplyHex(towerHex(scheduleHex, "c204", "c0a80002")),
		},
		{
			"a host of IPv6 alone", func(h *Host) { h.Inner = netip.MustParseAddr("2001:db8::5") },
			mapHex(scheduleHex), mapReplyHex(towerHex(scheduleHex, "c204", "00000000")),
		},
		{"two ports", func(h *Host) {
			h.Endpoints = append(h.Endpoints, Endpoint{Interface: rpc.TaskScheduler, Port: 50937})
		}, mapHex(scheduleHex), mapReplyHex(towerHex(scheduleHex, "c204", address), towerHex(scheduleHex, "c6f9", address))},
		{"a service that is stopped", func(h *Host) { h.Stop(rpc.TaskScheduler) }, mapHex(scheduleHex), mapReplyHex()},
		{"what Winmgmt never registers", func(*Host) {}, mapHex(wmi), mapReplyHex()},
		{
			"a pipe is no port", func(*Host) {},
			strings.Replace(tidy(mapHex(scheduleHex)), "01000702000087", "01000f02000087", 1), mapReplyHex(),
		},
		{
			"a status of the test's choice", func(h *Host) { h.MapStatus = 0x16c9a0cd },
			mapHex(scheduleHex), responseHex(nullHandle + "00000000 04000000 00000000 00000000 cda0c916"),
		},
		{
			"a tower that is longer than it is", func(*Host) {},
			strings.Replace(tidy(mapHex(scheduleHex)), "4b0000004b000000", "4b0000004b4b0000", 1), faultHex("f7060000"),
		},
		{
			"one tower at a time leaves a handle", func(*Host) {},
			strings.TrimSuffix(mapHex(scheduleHex), "04000000") + "01000000",
			responseHex("00000000 01000000 000000000000000000000000 01000000 01000000 00000000 01000000 03000000" +
				"4b000000 4b000000" + towerHex(scheduleHex, "c204", address) + "00 00000000"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := Client("ws-001.corp.example", here)
				test.arrange(h)
				got := talk(t, connected(t, h.RPCSS().Serve), bindHex(epmHex, ndrHex), test.ask)
				if diff := cmp.Diff(tidy(test.want), got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

// What is known of the bytes: Windows 10 gave this tower for the scheduler,
// inside NDR64 (win10_epm_ntv_ept_map_response of OTRF/Security-Datasets).
func TestTowerIsWindows(t *testing.T) {
	const recorded = "050013000d4959d386c9834440b424db363231fd0c01000200000013000d045d888aeb1cc9119fe808002b10486002000200000001000b020000000100070200c2070100090400ac122706"
	h := &Host{Inner: netip.MustParseAddr("172.18.39.6")}
	if got := hex.EncodeToString(h.tower(Endpoint{Interface: rpc.TaskScheduler, Port: 49671})); got != recorded {
		t.Errorf("got  %s\nwant %s", got, recorded)
	}
}

func TestBigEndianMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Client("ws-001.corp.example", here)
		s := h.RPCSS()
		s.BigEndian = true
		got := talk(t, connected(t, s.Serve), bindHex(epmHex, ndrHex), mapHex(eventLogHex))
		want := "0500020300000000 0098 0000 00000002 00000080 0000 0000" + nullHandle +
			"00000001 00000004 00000000 00000001 00000003 0000004b 0000004b" +
			towerHex(eventLogHex, "c203", "0a4d0065") + "00 00000000" // the tower itself is never turned round
		if diff := cmp.Diff(tidy(want), got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// lookupHex returns an ept_lookup of everything, from a handle on.
func lookupHex(handle, most string) string {
	return callHex("0200", "00000000 00000000 00000000 01000000"+handle+most)
}

func TestLookupListsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Client("ws-001.corp.example", here)
		h.Endpoints = slices.Concat(h.Endpoints[1:3], h.Endpoints[4:5])
		entry := func(referent, annotation string) string {
			return "00000000000000000000000000000000" + referent + "00000000" + annotation
		}
		tower := func(n, octets string) string { return n + n + octets }
		log := "10000000" + "4576656e74206c6f6720544350495000" // Event log TCPIP
		logPipe := strings.Replace(tidy(towerHex(eventLogHex, "", "")), "01000b0200000001000702000100090400",
			"01000b0200000001000f0f00"+hex.EncodeToString([]byte("\\pipe\\eventlog\x00"))+"0100110900"+hex.EncodeToString([]byte("\\\\WS-001\x00")), 1)
		saSecPipe := "0500 1300 0d b0528e37a9c0cf11822d00aa0051e40f 0100 0200 0000" + logPipe[54:104] + "01000b0200000001000f0c00" +
			hex.EncodeToString([]byte("\\PIPE\\atsvc\x00")) + "0100110900" + hex.EncodeToString([]byte("\\\\WS-001\x00"))
		stub := nullHandle + "03000000 f4010000 00000000 03000000" +
			entry("03000000", log) + entry("04000000", log) + entry("05000000", "01000000"+"00 000000") +
			tower("5d000000", logPipe+"000000") + tower("4b000000", towerHex(eventLogHex, "c203", "0a4d0065")+"00") + tower("5a000000", saSecPipe+"0000") +
			"00000000"
		got := talk(t, connected(t, h.RPCSS().Serve), bindHex(epmHex, ndrHex), lookupHex(nullHandle, "f4010000"))
		if diff := cmp.Diff(tidy(stub), got[48:]); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestLookupGoesOnWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Client("ws-001.corp.example", here)
		c := connected(t, h.RPCSS().Serve)
		handle, counts := nullHandle, []string{}
		talk(t, c, bindHex(epmHex, ndrHex))
		for len(counts) == 0 || handle != nullHandle {
			reply := talk(t, c, lookupHex(handle, "04000000"))
			handle = reply[48:88]
			counts = append(counts, reply[88:90]+" "+reply[len(reply)-8:])
		}
		// Two pages were exactly full, so the end takes a third lookup.
		if want := []string{"04 00000000", "04 00000000", "00 " + noneLeft}; !slices.Equal(counts, want) {
			t.Errorf("entries and status: %v, want %v", counts, want)
		}
		got := talk(t, c, callHex("0400", "00000000 04000000 000000000000000000000000"))
		if want := tidy(responseHex(nullHandle + "00000000")); got != want {
			t.Errorf("ept_lookup_handle_free: %s, want %s", got, want)
		}
	})
}
