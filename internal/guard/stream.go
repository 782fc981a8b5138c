package guard

import (
	"io"
	"net"
	"sync"

	"github.com/gpreach/gpreach/internal/wire"
)

// A stream reads whole messages from a connection, and lets them be read on once
// they were checked.
type stream struct {
	net.Conn
	// next reads one message and checks it.
	next func() ([]byte, error)
	max  int // bytes of all messages together

	reading sync.Mutex // held while a message is read
	checked []byte     // not read on yet
	taken   int

	mu  sync.Mutex
	err error // the first
}

// Read reads of messages that were checked.
func (s *stream) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.checked) == 0 {
		if err := s.Err(); err != nil {
			return 0, err
		}
		msg, err := s.next()
		if err != nil {
			return 0, s.fail(err)
		}
		s.checked = msg
	}
	n := copy(p, s.checked)
	s.checked = s.checked[n:]
	return n, nil
}

// Err returns why nothing can be read any longer, or nil.
func (s *stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail closes the connection for good.
func (s *stream) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.Close()
	return s.err
}

// fill reads what follows of a message, within the bytes that all messages may have.
func (s *stream) fill(b []byte) error {
	if s.taken += len(b); s.taken > s.max {
		return wire.Garbled("conversation of more than %d bytes", s.max)
	}
	return wire.ReadRest(s.Conn, b)
}

// begin reads the first bytes of a message.
func (s *stream) begin(b []byte) error {
	s.taken += len(b)
	_, err := io.ReadFull(s.Conn, b)
	return err
}
