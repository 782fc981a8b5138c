package probe

import (
	"slices"
	"testing"
	"time"
	"unsafe"
)

// The dials of a connect, from its beginning, and what each tells Windows.
func TestSchedule(t *testing.T) {
	for timeout, want := range map[time.Duration][2]time.Duration{
		2 * time.Second:        {time.Second, 1500 * time.Millisecond},
		100 * time.Millisecond: {50 * time.Millisecond, 75 * time.Millisecond},
		1:                      {0, 0},
	} {
		waits := redials(timeout)
		if got := [2]time.Duration{waits[0], waits[0] + waits[1]}; got != want {
			t.Errorf("a timeout of %v: further dials after %v, want %v", timeout, got, want)
		}
	}
}

func TestOneSYN(t *testing.T) {
	for timeout, wait := range map[time.Duration]uint16{2 * time.Second: 2000, time.Hour: 65534, time.Microsecond: 1} {
		want := []initialRTO{{wait, 0xFE}, {0xFFFF, 0xFE}, {0xFFFF, 1}}
		if got := oneSYN(timeout); !slices.Equal(got, want) || unsafe.Sizeof(got[0]) != 4 {
			t.Errorf("%v: %+v of %d bytes, want %+v of 4", timeout, got, unsafe.Sizeof(got[0]), want)
		}
	}
}
