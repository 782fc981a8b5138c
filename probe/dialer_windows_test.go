package probe

import (
	"testing"
	"time"
	"unsafe"
)

func TestOneSYN(t *testing.T) {
	for timeout, want := range map[time.Duration]uint16{2 * time.Second: 2000, time.Hour: 65534, time.Microsecond: 1} {
		if got := oneSYN(timeout)[0]; got.rtt != want || got.maxSYNRetransmissions != 0xFE || unsafe.Sizeof(got) != 4 {
			t.Errorf("%v: %+v of %d bytes", timeout, got, unsafe.Sizeof(got))
		}
	}
}
