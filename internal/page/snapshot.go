package page

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gpreach/gpreach/probe"
)

// freshFor is how long a Fleet serves whoever asks, so that many open pages
// cost no more than one.
const freshFor = time.Second

// A snapshot keeps the Fleet as it was last sent. A Fleet that says the same,
// but for Made, is the same.
type snapshot struct {
	fleet func() Fleet

	mu    sync.Mutex
	seed  maphash.Seed
	taken time.Time
	now   encoded
}

// encoded is a Fleet ready to be sent.
type encoded struct {
	sum    uint64
	tag    string // the ETag
	zipped []byte
	plain  plain
}

// A plain is what the page shows without a script: counts, causes and the
// first hosts.
type plain struct {
	Fleet
	Total  int  // of which Hosts are the first
	Linked bool // to a page of each host
	Counts []count
}

type count struct {
	Operation probe.Operation
	Status    probe.Status
	Hosts     int
}

// worst ranks the worst of a host's statuses, as probe.Statuses orders them.
func (h *Host) worst() int {
	rank := -1
	for _, s := range h.Status {
		rank = max(rank, slices.Index(probe.Statuses(), s))
	}
	return rank
}

// maxPlain is how many hosts are listed without a script.
const maxPlain = 300

// take returns the Fleet as it stands, or stood a moment ago.
func (s *snapshot) take() encoded {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken.IsZero() && time.Since(s.taken) < freshFor {
		return s.now
	}
	if s.seed == (maphash.Seed{}) {
		s.seed = maphash.MakeSeed()
	}
	f := s.fleet()
	s.taken = time.Now()
	if sum := sumOf(f, s.seed); s.now.tag == "" || sum != s.now.sum {
		s.now = encoded{sum, fmt.Sprintf(`W/"%016x"`, sum), zip(f), newPlain(f)}
	}
	return s.now
}

// zip returns the gzipped JSON. A Fleet has nothing that JSON could refuse.
func zip(f Fleet) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // fails for an unknown level only
	_ = json.NewEncoder(z).Encode(f)
	_ = z.Close()
	return b.Bytes()
}

func newPlain(f Fleet) plain {
	p := plain{Fleet: f, Total: len(f.Hosts)}
	hosts := slices.Clone(f.Hosts)
	slices.SortStableFunc(hosts, func(a, b Host) int { return cmp.Compare(b.worst(), a.worst()) })
	p.Hosts = slices.Clone(hosts[:min(len(hosts), maxPlain)])
	for i, op := range f.Operations {
		n := map[probe.Status]int{}
		for _, h := range f.Hosts {
			n[h.Status[i]]++
		}
		for _, s := range probe.Statuses() {
			p.Counts = append(p.Counts, count{op, s, n[s]})
		}
	}
	return p
}

// serve answers with the Fleet in JSON, or that it is still the same.
func (s *snapshot) serve(w http.ResponseWriter, r *http.Request) {
	now := s.take()
	h := w.Header()
	h.Set("ETag", now.tag)
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), now.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(now.zipped)
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(now.zipped))
	if err != nil {
		http.Error(w, "The fleet cannot be read.", http.StatusInternalServerError)
		return
	}
	_, _ = io.Copy(w, z) //nolint:gosec // we zipped it ourselves
}

// sumOf tells two Fleets apart by all that they say but Made.
func sumOf(f Fleet, seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	number := func(n int64) { h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n))) } //nolint:gosec // any number will do
	text := func(s ...string) {
		for _, s := range s {
			number(int64(len(s)))
			h.WriteString(s)
		}
	}
	head, _ := json.Marshal([]any{f.Vantage, f.Operations, f.Rules, f.Causes, f.Sweeps})
	text(string(head))
	for i := range f.Hosts {
		host := &f.Hosts[i]
		text(host.Name, host.Address)
		number(host.Asked.UnixNano())
		for _, s := range host.Status {
			text(string(s))
		}
		number(int64(len(host.Before)))
		for _, s := range host.Before {
			text(string(s))
		}
		for _, c := range host.Rules {
			text(string(c.Verdict), string(c.Access))
		}
		number(int64(len(host.Causes)))
		for _, c := range host.Causes {
			number(int64(c))
		}
	}
	return h.Sum64()
}
