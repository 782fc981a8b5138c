package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReader(t *testing.T) {
	msg := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	little := NewReader(msg, binary.LittleEndian)
	if got := little.Uint8(); got != 1 {
		t.Errorf("Uint8 %#x", got)
	}
	little.Align(2)
	if got := little.Uint16(); got != 0x0403 {
		t.Errorf("Uint16 %#x", got)
	}
	if got := little.Uint32(); got != 0x08070605 {
		t.Errorf("Uint32 %#x", got)
	}
	if got := little.Uint64(); got != 0x100f0e0d0c0b0a09 {
		t.Errorf("Uint64 %#x", got)
	}
	if little.Err() != nil || little.Len() != 0 {
		t.Errorf("at the end: %v, %d left", little.Err(), little.Len())
	}
	if got := NewReader(msg, binary.BigEndian).Uint32(); got != 0x01020304 {
		t.Errorf("big-endian Uint32 %#x", got)
	}
	if got := little.At(14, 2); string(got) != "\x0f\x10" {
		t.Errorf("At %x", got)
	}
}

// Each read leaves the message; all after it give zeros and the first error stays.
func TestReaderPastTheEnd(t *testing.T) {
	reads := map[string]func(*Reader){
		"Uint8":          func(r *Reader) { r.Rest(); r.Uint8() },
		"Uint16":         func(r *Reader) { r.Bytes(3); r.Uint16() },
		"Uint32":         func(r *Reader) { r.Bytes(1); r.Uint32() },
		"Uint64":         func(r *Reader) { r.Uint64() },
		"Bytes":          func(r *Reader) { r.Bytes(5) },
		"negative Bytes": func(r *Reader) { r.Bytes(-1) },
		"Align":          func(r *Reader) { r.Bytes(1); r.Align(8) },
		"At offset":      func(r *Reader) { r.At(5, 0) },
		"At length":      func(r *Reader) { r.At(2, 3) },
		"At negative":    func(r *Reader) { r.At(-1, 1) },
		"At overflow":    func(r *Reader) { r.At(1, int(^uint(0)>>1)) },
	}
	for name, read := range reads {
		r := NewReader([]byte{1, 2, 3, 4}, binary.LittleEndian)
		read(r)
		first := r.Err()
		if !errors.Is(first, ErrGarbled) {
			t.Errorf("%s: error %v, want ErrGarbled", name, first)
		}
		if r.Uint32() != 0 || r.Uint8() != 0 || r.Bytes(1) != nil || r.Len() != 0 {
			t.Errorf("%s: reads after the failure give something", name)
		}
		if r.Fail("later"); r.Err() != first { //nolint:errorlint // the very same error is meant
			t.Errorf("%s: the first error was replaced by %v", name, r.Err())
		}
	}
}

func TestUTF16(t *testing.T) {
	for in, want := range map[string]string{
		"W\x00S\x00":            "WS",
		"W\x00\x00\x00S\x00":    "W",
		"W\x00S":                "W",
		"\x3d\xd8\x00\xde":      "\U0001F600",
		"\x3d\xd8":              "\uFFFD",
		"\x00\x00":              "",
		"":                      "",
		"\x1b\x00\x2e\x20g\x00": "\x1b\u202eg",
	} {
		if got := UTF16([]byte(in)); got != want {
			t.Errorf("%x: %q, want %q", in, got, want)
		}
	}
}

func TestReadRest(t *testing.T) {
	for said, want := range map[string]error{"": io.ErrUnexpectedEOF, "abc": io.ErrUnexpectedEOF, "abcd": nil, "abcde": nil} {
		b := make([]byte, 4)
		if err := ReadRest(strings.NewReader(said), b); !errors.Is(err, want) || err == nil && string(b) != "abcd" {
			t.Errorf("%q: %q, %v; want %v", said, b, err, want)
		}
	}
	broken := errors.New("broken")
	if err := ReadRest(iotest.ErrReader(broken), make([]byte, 4)); !errors.Is(err, broken) {
		t.Errorf("a broken connection: %v", err)
	}
}
