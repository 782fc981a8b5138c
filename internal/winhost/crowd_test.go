package winhost

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

// A crowd begins with the demo's situations, and most of the rest are well.
func TestCrowd(t *testing.T) {
	_, situations := Fleet()
	c := NewCrowd(1000)
	well := 0
	for i, s := range c.Situations {
		if i < len(situations) && (s.Host != situations[i].Host || s.Name != situations[i].Name || s.DNSHostName != situations[i].DNSHostName) {
			t.Errorf("%+v, want %+v", s, situations[i])
		}
		if s.Name == situations[0].Name {
			well++
		}
	}
	if len(c.Situations) != 1000 || well < 800 || well > 900 {
		t.Errorf("%d hosts, %d of them well", len(c.Situations), well)
	}
	if small := NewCrowd(1); len(small.Situations) != len(situations) || small.Change(rand.New(rand.NewPCG(1, 2))) != "" {
		t.Error("a crowd is never smaller than the demo, whose hosts stay as they are")
	}
}

// Hosts change while they are dialled: the race detector judges.
func TestCrowdChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCrowd(40)
		var dialling sync.WaitGroup
		for _, s := range c.Situations[len(arrangements):] {
			dialling.Go(func() { look(t, c.Network, s.Host) })
		}
		random, changed := rand.New(rand.NewPCG(1, 2)), map[string]bool{}
		for range 200 {
			changed[c.Change(random)] = true
		}
		dialling.Wait()
		if len(changed) < 10 || len(c.Network.Sent("10.78.0.28:135")) > 0 {
			t.Errorf("%d hosts changed, or something was kept", len(changed))
		}
	})
}
