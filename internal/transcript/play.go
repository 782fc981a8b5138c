package transcript

import (
	"bytes"
	"fmt"
	"io"
)

// A Recorder passes everything on and keeps it.
type Recorder struct {
	io.ReadWriter
	Turns []Turn
}

func (r *Recorder) Write(b []byte) (int, error) {
	n, err := r.ReadWriter.Write(b)
	r.keep(Turn{true, b[:n]})
	return n, err
}

func (r *Recorder) Read(b []byte) (int, error) {
	n, err := r.ReadWriter.Read(b)
	r.keep(Turn{false, b[:n]})
	return n, err
}

func (r *Recorder) keep(t Turn) {
	if len(t.Bytes) == 0 {
		return
	}
	if last := len(r.Turns) - 1; last < 0 || r.Turns[last].Client != t.Client {
		r.Turns = append(r.Turns, Turn{Client: t.Client})
	}
	last := &r.Turns[len(r.Turns)-1]
	last.Bytes = append(last.Bytes, t.Bytes...)
}

// A Player is the server of a conversation. It fails where the client says
// something else than it did then, and hangs up when it has no more to say.
type Player struct {
	Turns []Turn
	Mask  func([]byte) // blanks what is never twice the same in what the client says
}

func (p *Player) Write(b []byte) (int, error) {
	if len(p.Turns) == 0 || !p.Turns[0].Client {
		return 0, fmt.Errorf("sent out of turn: %x", b)
	}
	got, want := bytes.Clone(b), bytes.Clone(p.Turns[0].Bytes)
	if p.Mask != nil {
		p.Mask(got)
		p.Mask(want)
	}
	if !bytes.Equal(got, want) {
		return 0, fmt.Errorf("sent\n%x, not\n%x", got, want)
	}
	p.Turns = p.Turns[1:]
	return len(b), nil
}

func (p *Player) Read(b []byte) (int, error) {
	if len(p.Turns) == 0 || p.Turns[0].Client {
		return 0, io.EOF
	}
	n := copy(b, p.Turns[0].Bytes)
	if p.Turns[0].Bytes = p.Turns[0].Bytes[n:]; len(p.Turns[0].Bytes) == 0 {
		p.Turns = p.Turns[1:]
	}
	return n, nil
}
