package rpc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/gpreach/gpreach/internal/wire"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// pack puts integers, in a byte order, and hex behind one another.
func pack(order binary.ByteOrder, parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		var err error
		if digits, ok := part.(string); ok {
			part, err = hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		}
		if err == nil {
			b, err = binary.Append(b, order, part)
		}
		if err != nil {
			panic(err)
		}
	}
	return b
}

func unhex(digits string) []byte { return pack(le, digits) }

// words are 16-bit units: numbers, and strings without a terminator.
func words(parts ...any) []uint16 {
	var out []uint16
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			out = append(out, uint16(part))
		case string:
			out = append(out, utf16.Encode([]rune(part))...)
		}
	}
	return out
}

const (
	middle = 0
	whole  = flagFirst | flagLast
)

// A message is a PDU such as a server sends, written by other means than
// appendPDU.
type message struct {
	typ, flags uint8
	order      binary.ByteOrder // nil: little-endian
	call       uint32
	body       []byte
	token      []byte
}

func (m message) bytes() []byte {
	order, drep := binary.ByteOrder(le), uint32(0x00000010)
	if m.order != nil {
		order = m.order
	}
	if order == be {
		drep = 0
	}
	n := 16 + len(m.body)
	if m.token != nil {
		n += 8 + len(m.token)
	}
	b := pack(le, "0500", m.typ, m.flags, drep)
	b = append(b, pack(order, uint16(n), uint16(len(m.token)), m.call)...)
	b = append(b, m.body...)
	if m.token != nil {
		b = append(b, pack(le, "0a06 00 00 01000000", m.token)...)
	}
	return b
}

// readPDU reads one fragment, and leaves out where it was read to.
func readPDU(r io.Reader) (*pdu, error) {
	var p pdu
	if err := p.read(r); err != nil {
		return nil, err
	}
	return &pdu{typ: p.typ, flags: p.flags, order: p.order, callID: p.callID, body: p.body, auth: p.auth}, nil
}

// response is a whole response, to the first call, with this stub.
func response(order binary.ByteOrder, in []byte) []byte {
	return message{typ: typeResponse, flags: whole, order: order, call: 1, body: pack(order, uint32(len(in)), "0000 00 00", in)}.bytes()
}

// A peer says what it will say, whatever it is asked, hangs up, and has noted
// the questions.
type peer struct {
	io.Reader
	asked bytes.Buffer
}

func (p *peer) Write(b []byte) (int, error) { return p.asked.Write(b) }

func saying(messages ...[]byte) *peer {
	return &peer{Reader: bytes.NewReader(bytes.Join(messages, nil))}
}

// same reports whether an error is the expected one, or wraps it.
func same(got, want error) bool {
	return errors.Is(got, want) || got != nil && want != nil && reflect.DeepEqual(got, want)
}

// classes are those that a caller can tell an error's kind by. Each error is of
// exactly one, and nil of none.
var classes = map[string]func(error) bool{
	"denied":         IsDenied,
	"unsupported":    IsUnsupported,
	"not registered": func(err error) bool { return errors.Is(err, ErrNotRegistered) },
	"garbled":        IsGarbled,
	"hangup":         hangup,
}

func hangup(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func classesOf(err error) []string {
	var of []string
	for class, in := range classes {
		if in(err) {
			of = append(of, class)
		}
	}
	return of
}

// checkCuts cuts a little-endian reply short at each byte. When the connection
// ends there it is a hangup; when the PDU says that it ends there, before least
// bytes, it is garbled. It is never a success.
func checkCuts(t *testing.T, reply []byte, least int, ask func(*Conn) error) {
	t.Helper()
	if err := ask(NewConn(saying(reply))); hangup(err) || errors.Is(err, wire.ErrGarbled) {
		t.Fatalf("the whole reply: %v", err)
	}
	for i := range reply {
		if err := ask(NewConn(saying(reply[:i]))); !hangup(err) {
			t.Errorf("hung up after %d bytes of %d: %v", i, len(reply), err)
		}
	}
	for i := range least {
		short := bytes.Clone(reply[:max(i, headerLen)])
		le.PutUint16(short[8:], uint16(i))
		if err := ask(NewConn(saying(short))); !errors.Is(err, wire.ErrGarbled) {
			t.Errorf("frag_length %d of %d: %v", i, len(reply), err)
		}
	}
}
