package rpc

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

// The floors of a TCP tower of Task Scheduler, C706 appendices I and L: length
// and left-hand side, length and right-hand side.
const (
	floorTask  = "1300 0d 4959d386c9834440b424db363231fd0c 0100 0200 0000"
	floorNDR20 = "1300 0d 045d888aeb1cc9119fe808002b104860 0200 0200 0000"
	floorCO    = "0100 0b 0200 0000"
	floor49671 = "0100 07 0200 c207" // big-endian
	floor0     = "0100 07 0200 0000"
	floorHost  = "0100 09 0400 ac122706"
	taskTower  = "0500" + floorTask + floorNDR20 + floorCO + floor49671 + floorHost
)

// tower is taskTower with another port.
func tower(port uint16) []byte {
	return bytes.Replace(unhex(taskTower), unhex("c207"), pack(be, port), 1)
}

func TestAppendTower(t *testing.T) {
	want := unhex("0500" + floorTask + floorNDR20 + floorCO + floor0 + "0100 09 0400 00000000")
	got := appendTower([]byte("before"), TaskScheduler)
	if diff := cmp.Diff(append([]byte("before"), want...), got); diff != "" || len(want) != 75 {
		t.Errorf("%d bytes:\n%s", len(got), diff)
	}
}

func TestTowerPort(t *testing.T) {
	tests := []struct {
		name, in string
		want     uint16
		err      error
	}{
		{"ours", taskTower, 49671, nil},
		{"port 0", "0500" + floorTask + floorNDR20 + floorCO + floor0 + floorHost, 0, nil},
		{"port 65535", "0500" + floorTask + floorNDR20 + floorCO + "0100 07 0200 ffff" + floorHost, 65535, nil},
		{"no address", "0400" + floorTask + floorNDR20 + floorCO + floor49671, 49671, nil},
		{"bytes behind it", taskTower + "ffff", 49671, nil},
		{"version 1.7", strings.Replace(taskTower, "0100 0200 0000", "0100 0200 0700", 1), 49671, nil},
		{"version 2.0", strings.Replace(taskTower, "0100 0200 0000", "0200 0200 0000", 1), 0, nil},
		{"another interface", strings.Replace(taskTower, "4959d386", "f7afbef6", 1), 0, nil},
		{"the interface only on the second floor", "0500" + floorNDR20 + floorTask + floorCO + floor49671 + floorHost, 0, nil},
		{"no UUID on the first floor", strings.Replace(taskTower, "1300 0d", "1300 0e", 1), 0, nil},
		{"a first floor without a version", "0500 1100 0d 4959d386c9834440b424db363231fd0c 0200 0000" + floorNDR20 + floorCO + floor49671 + floorHost, 0, nil},
		{"datagrams", strings.Replace(taskTower, floorCO, "0100 0a 0200 0000", 1), 0, nil},
		{"UDP", strings.Replace(taskTower, "0100 07", "0100 08", 1), 0, nil},
		{"HTTP", strings.Replace(taskTower, "0100 07", "0100 1f", 1), 0, nil},
		{"a local call", "0300" + floorTask + floorNDR20 + "0100 0c 0200 0000", 0, nil},
		{"a named pipe", "0500" + floorTask + floorNDR20 + floorCO + "0100 0f 0d00 5c706970655c617473766300 00" + "0100 11 0500 5c5c575300", 0, nil},
		{"a port of one byte", "0500" + floorTask + floorNDR20 + floorCO + "0100 07 0100 c2" + floorHost, 0, nil},
		{"a port of four bytes", "0500" + floorTask + floorNDR20 + floorCO + "0100 07 0400 0000c207" + floorHost, 0, nil},
		{"a long protocol", "0500" + floorTask + floorNDR20 + floorCO + "0200 0700 0200 c207" + floorHost, 0, nil},
		{"the port one floor too late", "0600" + floorTask + floorNDR20 + floorCO + floorCO + floor49671 + floorHost, 0, nil},
		{"two ports", "0600" + floorTask + floorNDR20 + floorCO + floor49671 + "0100 07 0200 0102" + floorHost, 49671, nil},
		{"empty floors", "0500 00000000 00000000 00000000 00000000 00000000", 0, nil},
		{"no floors", "0000", 0, nil},
		{"eight floors", "0800" + strings.Repeat("0000 0000", 8), 0, nil},
		{"nine floors", "0900" + strings.Repeat("0000 0000", 9), 0, wire.ErrGarbled},
		{"65535 floors", "ffff", 0, wire.ErrGarbled},
		{"nothing", "", 0, wire.ErrGarbled},
		{"a left-hand side beyond the end", "0100 ffff 0d", 0, wire.ErrGarbled},
		{"a right-hand side beyond the end", taskTower[:len(taskTower)-len("ac122706")] + "ac1227", 0, wire.ErrGarbled},
		{"another interface's, beyond the end", "0500" + floorNDR20 + floorNDR20 + floorCO, 0, wire.ErrGarbled},
		{"a big-endian tower", "0005 0013 0d 86d3594983c94044b424db363231fd0c 0001 0002 0000", 0, wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := towerPort(unhex(tt.in), TaskScheduler); got != tt.want || !same(err, tt.err) {
				t.Errorf("%d, %v; want %d, %v", got, err, tt.want, tt.err)
			}
		})
	}
	whole := unhex(taskTower)
	for i := range whole {
		if port, err := towerPort(whole[:i], TaskScheduler); port != 0 || !same(err, wire.ErrGarbled) {
			t.Errorf("cut after %d bytes: %d, %v", i, port, err)
		}
	}
}
