package probe

import (
	"slices"
	"sync"
	"time"
)

// A lane shows to others how far a trail has been climbed, while it is. A nil
// lane shows nothing.
type lane struct {
	mu    sync.Mutex
	trail Trail // without the last step
	last  Step  // without an outcome while it is under way
	since time.Time
}

// begin shows a step that begins, on top of a trail.
func (l *lane) begin(t Trail, s Step) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trail, l.last, l.since = slices.Clip(t), s, time.Now()
}

// end shows the step that was begun last as it ended.
func (l *lane) end(s Step) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = s
}

// now returns the trail as it stands. A step under way has been waited for in
// vain so far.
func (l *lane) now() Trail {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.last
	switch {
	case s.Stage == "":
		return nil
	case s.Outcome == "":
		s.Outcome, s.Elapsed = Timeout, time.Since(l.since)
	}
	return l.trail.plus(s)
}

// lanes are those of an address.
type lanes struct {
	smb      lane
	mappers  []lane
	services []lane
	dcom     lane
	fixed    lane
}

func newLanes(services int) lanes {
	return lanes{mappers: make([]lane, services), services: make([]lane, services)}
}

// sighting returns what has been seen so far of an address.
func (l *lanes) sighting() *sighting {
	s := &sighting{smb: l.smb.now(), dcom: l.dcom.now()}
	for i := range l.mappers {
		mapper, service := l.mappers[i].now(), l.services[i].now()
		if len(service) == 0 { // not gone on to yet
			service = mapper
		}
		s.mappers, s.services = append(s.mappers, mapper), append(s.services, service)
	}
	if len(s.dcom) == 0 {
		s.dcom = s.mapper()
	}
	s.dcom = joined(s.dcom, proved(l.fixed.now()))
	return s
}
