package probe_test

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net"
	"slices"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
)

// An answer is what a session's host says to a question, and how.
type answer struct {
	pdus  [][]byte
	cuts  []int         // it is written in pieces that end here
	pause time.Duration // before each piece
	end   func(net.Conn)
	endAt int  // the bytes said before the end
	again bool // the last PDU is repeated without an end
}

// send says the answer and returns whether the conversation goes on.
func (a *answer) send(c net.Conn) bool {
	said := slices.Concat(a.pdus...)
	if a.end != nil {
		said = said[:a.endAt%(len(said)+1)]
	}
	start := 0
	for _, cut := range append(slices.Sorted(slices.Values(a.cuts)), len(said)) {
		piece := said[start:max(start, min(cut, len(said)))]
		start += len(piece)
		time.Sleep(a.pause)
		if _, err := c.Write(piece); err != nil {
			return false
		}
	}
	if a.end != nil {
		a.end(c)
		return false
	}
	for a.again && len(a.pdus) > 0 && len(a.pdus[len(a.pdus)-1]) > 0 { // to say nothing for ever would stop the bubble's time
		time.Sleep(a.pause)
		if _, err := c.Write(a.pdus[len(a.pdus)-1]); err != nil {
			return false
		}
	}
	return true
}

// An edit is one mutation of an answer.
type edit struct {
	*answer
	i      int    // the PDU that it is about
	other  []byte // a PDU of any conversation
	which  byte
	number uint32
}

const (
	// mutationLen is the length of a mutation in a program: the answer, the kind,
	// the PDU, which, number.
	mutationLen  = 8
	maxMutations = 16
	maxPDUs      = 256      // of an answer
	maxPDU       = 64 << 10 // bytes of each
)

// mutate carries out a program. Whatever its bytes are, they are one.
func (s *session) mutate(program []byte) {
	for range maxMutations {
		if len(program) < mutationLen {
			return
		}
		m := program[:mutationLen]
		program = program[mutationLen:]
		number := binary.BigEndian.Uint32(m[4:])
		from := s.answers[s.order[int(number>>8)%len(s.order)]]
		e := &edit{answer: s.answers[s.order[int(m[0])%len(s.order)]], which: m[3], number: number}
		if len(e.pdus) == 0 || len(e.pdus) > maxPDUs || len(from.pdus) == 0 {
			continue
		}
		e.i = int(m[2]) % len(e.pdus)
		e.other = from.pdus[int(number)%len(from.pdus)]
		mutations[int(m[1])%len(mutations)](e)
	}
}

// mutations are the kinds. Those about a field, a bit or a byte keep the length
// of a PDU; of the others half make the PDU's own length true again.
var mutations = []func(*edit){
	(*edit).flip, (*edit).overwrite, (*edit).fill, (*edit).setField, (*edit).setField, (*edit).setAny, (*edit).setAny,
	(*edit).truncate, (*edit).extend, (*edit).insert, (*edit).remove,
	(*edit).duplicate, (*edit).drop, (*edit).swap, (*edit).splice, (*edit).replace, (*edit).refuse, (*edit).text,
	(*edit).cut, (*edit).everyFew, (*edit).delay, (*edit).hangUp, (*edit).reset, (*edit).mute, (*edit).repeat,
}

// at returns a place in the PDU, 0 in one that is empty.
func (e *edit) at() int { return int(e.number>>8) % max(1, len(e.pdus[e.i])) }

func (e *edit) flip() {
	if p := e.pdus[e.i]; len(p) > 0 {
		p[e.at()] ^= 1 << (e.which % 8)
	}
}

func (e *edit) overwrite() {
	if p := e.pdus[e.i]; len(p) > 0 {
		p[e.at()] = e.which
	}
}

// fill overwrites a run of bytes with one, from escape to half a surrogate pair.
func (e *edit) fill() {
	p := e.pdus[e.i][e.at():]
	for i := range p[:min(len(p), int(e.number%64))] {
		p[i] = "\x00\x1b\xff\n\\{A\xd8"[e.which%8]
	}
}

// text puts what harms a terminal, a label or a line to paste into every other
// letter, from some letter on.
func (e *edit) text() {
	p := e.pdus[e.i]
	for at := e.at() &^ 1; at+1 < len(p); at += 4 {
		if p[at] >= ' ' && p[at] <= '~' && p[at+1] == 0 {
			copy(p[at:], []string{"\x1b\x00", "\x2e\x20", "\x0a\x00", "{\x00", "\\\x00", "\x00\xd8", "\x85\x00", "'\x00"}[e.which%8])
		}
	}
}

// refuse puts a fault or a bind_nak in the place of a PDU.
func (e *edit) refuse() {
	p := e.pdus[e.i]
	if len(p) < 16 || p[0] != 5 {
		return
	}
	statuses := []uint32{5, 0x80070005, 0xC0000022, 0x1C010002, 0x000006F7, e.number}
	refusal, body := byte(3), order(p).AppendUint32(make([]byte, 8), statuses[int(e.which)%len(statuses)])
	if e.number%2 == 0 {
		refusal, body = 13, order(p).AppendUint16(nil, uint16(e.which%12))
	}
	p = append(p[:16:16], body...)
	p[2], p[10], p[11] = refusal, 0, 0
	order(p).PutUint16(p[8:], uint16(len(p)))
	e.pdus[e.i] = p
}

// A field is a place in a PDU.
type field struct{ at, width int }

// Fields that decide over how the rest is read, by PDU type: of all RPC, of a
// bind_ack with a sec_addr of up to six bytes, of a response to ept_map and
// ServerAlive2, of a fault; and of SMB2.
var (
	header = []field{{0, 1}, {2, 1}, {3, 1}, {4, 1}, {8, 2}, {10, 2}, {12, 4}}
	fields = map[byte][]field{
		2:  {{16, 4}, {20, 2}, {28, 4}, {32, 4}, {36, 2}, {38, 2}, {44, 4}, {48, 4}, {52, 4}, {56, 4}, {60, 4}, {64, 4}, {68, 4}, {72, 2}, {74, 2}, {95, 2}, {99, 2}, {131, 2}, {134, 2}, {136, 2}},
		3:  {{24, 4}},
		12: {{16, 2}, {24, 2}, {32, 1}, {36, 2}, {38, 2}, {56, 4}},
		13: {{16, 2}},
		15: {{24, 2}, {28, 1}, {32, 2}, {34, 2}, {52, 4}},
	}
	smbFields = []field{{0, 1}, {2, 2}, {4, 4}, {8, 2}, {12, 4}, {16, 2}, {20, 4}, {28, 8}, {68, 2}, {70, 2}, {72, 2}, {74, 2}, {108, 8}, {124, 2}, {126, 2}, {128, 4}}
	// In an NTLM challenge, from its beginning.
	challengeFields = []field{{0, 8}, {8, 4}, {12, 2}, {16, 4}, {20, 4}, {40, 2}, {42, 2}, {44, 4}, {48, 8}}
)

// setField sets a field that is known to matter.
func (e *edit) setField() {
	p := e.pdus[e.i]
	known := smbFields
	if len(p) > 2 && p[0] == 5 {
		known = slices.Concat(header, fields[p[2]])
	}
	if token := bytes.Index(p, []byte("NTLMSSP")); token >= 0 {
		known = slices.Clone(known)
		for _, f := range challengeFields {
			known = append(known, field{token + f.at, f.width})
		}
	}
	e.set(known[int(e.number>>8)%len(known)])
}

// setAny sets two or four bytes at an even place, whatever they are.
func (e *edit) setAny() { e.set(field{e.at() &^ 1, 2 + 2*int(e.number&1)}) }

// set sets a field to one of the values that parsers fear.
func (e *edit) set(f field) {
	if f.at+f.width > len(e.pdus[e.i]) {
		return
	}
	p := e.pdus[e.i]
	b := p[f.at : f.at+f.width]
	big := order(p) == binary.BigEndian || p[0] == 0 && f.at < 4 // the frame of SMB
	if big {
		slices.Reverse(b)
	}
	var word [8]byte
	copy(word[:], b)
	old := binary.LittleEndian.Uint64(word[:])
	port := []uint16{135, 445, 24158, 49667, 49668, 1, 65535}[e.number%7]
	values := []uint64{
		0, 1, 1<<64 - 1, old - 1, old + 1, 2 * old, old / 2, 1 << (8*f.width - 1), 5, 0x16C9A0D6,
		uint64(port), uint64(bits.ReverseBytes16(port)), uint64(len(p)), uint64(len(p) - f.at), uint64(e.number), 0xC0000022,
	}
	binary.LittleEndian.PutUint64(word[:], values[int(e.which)%len(values)])
	copy(b, word[:])
	if big {
		slices.Reverse(b)
	}
}

// put makes b the PDU, half the time with a length that is true.
func (e *edit) put(b []byte) {
	b = b[:min(len(b), maxPDU)]
	e.pdus[e.i] = b
	switch {
	case e.which%2 != 0 || len(b) < 16:
	case b[0] == 5:
		order(b).PutUint16(b[8:], uint16(len(b)))
	default:
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	}
}

func (e *edit) truncate() { e.put(e.pdus[e.i][:e.at()]) }

// extend appends up to nine thousand bytes, more than a fragment may have.
func (e *edit) extend() {
	e.put(append(e.pdus[e.i], bytes.Repeat([]byte{e.which >> 1}, int(e.number%9000))...))
}

func (e *edit) insert() { e.put(slices.Insert(e.pdus[e.i], e.at(), e.other...)) }

func (e *edit) remove() {
	p, at := e.pdus[e.i], e.at()
	e.put(slices.Delete(p, at, min(len(p), at+int(e.number%16))))
}

// duplicate says a PDU twice, half the time as the answer to the next call.
func (e *edit) duplicate() {
	p := slices.Clone(e.pdus[e.i])
	if e.which%2 == 0 && len(p) >= 16 {
		order(p).PutUint32(p[12:], order(p).Uint32(p[12:])+1)
	}
	e.pdus = slices.Insert(e.pdus, e.i+1, p)
}

func (e *edit) drop() { e.pdus = slices.Delete(e.pdus, e.i, e.i+1) }

func (e *edit) swap() {
	j := int(e.number) % len(e.pdus)
	e.pdus[e.i], e.pdus[j] = e.pdus[j], e.pdus[e.i]
}

// splice puts a PDU of another conversation before one, half the time under
// its call id.
func (e *edit) splice() { e.pdus = slices.Insert(e.pdus, e.i, e.foreign()) }

func (e *edit) replace() { e.pdus[e.i] = e.foreign() }

func (e *edit) foreign() []byte {
	p, own := slices.Clone(e.other), e.pdus[e.i]
	if e.which%2 == 0 && len(p) >= 16 && len(own) >= 16 {
		order(p).PutUint32(p[12:], order(own).Uint32(own[12:]))
	}
	return p
}

func (e *edit) cut() { e.cuts = append(e.cuts, int(e.number%512), int(e.number>>16%512)) }

// everyFew writes as little as a byte at a time.
func (e *edit) everyFew() {
	for at := 0; at < 1024; at += 1 + int(e.number%8) {
		e.cuts = append(e.cuts, at)
	}
}

// delay waits before each piece, for up to a quarter of an hour.
func (e *edit) delay() { e.pause = time.Duration(e.number) << (e.which % 8) }

func (e *edit) hangUp() { e.end, e.endAt = func(c net.Conn) { c.Close() }, int(e.number>>8) }

func (e *edit) reset() { e.end, e.endAt = winhost.Reset, int(e.number>>8) }

// mute leaves the rest unsaid and the connection open.
func (e *edit) mute() { e.end, e.endAt = winhost.Mute, int(e.number>>8) }

// repeat says a PDU without an end, half the time as a fragment that others
// follow, and at once.
func (e *edit) repeat() {
	e.again = true
	p := e.pdus[e.i]
	if e.which%2 != 0 || len(p) < 16 || p[0] != 5 {
		return
	}
	e.pause = 0
	middle := slices.Clone(p)
	p[3], middle[3] = 1, 0
	e.pdus = append(e.pdus[:e.i+1], middle)
}
