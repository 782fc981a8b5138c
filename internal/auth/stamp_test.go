package auth

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// While the clock stands still, and from however many at once, no two authenticators of
// a ticket have one time, and none is far from the clock's.
func TestAuthenticatorsDiffer(t *testing.T) {
	const each, callers = 50, 20
	synctest.Test(t, func(t *testing.T) {
		ticket := &Ticket{Realm: testRealm, stamp: new(stamp)}
		now := time.Now()
		type when struct {
			second int64
			cusec  int
		}
		var mu sync.Mutex
		seen := map[when]bool{}
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range each {
					a, err := ticket.NewAuthenticator(now)
					if err != nil {
						t.Error(err)
						return
					}
					at := a.CTime.Truncate(time.Second).Add(time.Duration(a.Cusec) * time.Microsecond)
					mu.Lock()
					seen[when{a.CTime.Unix(), a.Cusec}] = true
					mu.Unlock()
					if off := at.Sub(now); off < 0 || off > each*callers*time.Microsecond {
						t.Errorf("%v from the clock", off)
					}
				}
			})
		}
		all.Wait()
		if len(seen) != each*callers {
			t.Errorf("%d times of %d authenticators", len(seen), each*callers)
		}
	})
}
