package smb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/wire"
)

func unhex(digits string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A peer says what it will say, whatever it is asked, hangs up, and has noted
// the question.
type peer struct {
	io.Reader
	asked bytes.Buffer
}

func (p *peer) Write(b []byte) (int, error) { return p.asked.Write(b) }

func saying(said []byte) *peer { return &peer{Reader: bytes.NewReader(said)} }

func TestRequest(t *testing.T) {
	p := saying(nil)
	if s, err := Negotiate(p); !errors.Is(err, io.EOF) {
		t.Fatalf("%+v, %v", s, err)
	}
	want := unhex("000000ae" + // direct TCP: 174 bytes
		"fe534d42 4000 0000 00000000 0000 0100" + // ProtocolId, StructureSize 64, no charge, NEGOTIATE, one credit
		"00000000 00000000 0000000000000000" + // Flags, NextCommand, MessageId 0
		"00000000 00000000 0000000000000000" + strings.Repeat("00", 16) + // no tree, no session, no signature
		"2400 0500 0100 0000 7f000000" + // StructureSize 36, five dialects, signing enabled, all capabilities
		"00112233445566778899aabbccddeeff" + // ClientGuid
		"70000000 0200 0000" + // two contexts at 112
		"0202 1002 0003 0203 1103 0000" + // the dialects, padding
		"0100 2600 00000000 0100 2000 0100" + // PREAUTH_INTEGRITY_CAPABILITIES: SHA-512, a salt of 32 bytes
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 0000" +
		"0200 0600 00000000 0200 0200 0100") // ENCRYPTION_CAPABILITIES: AES-128-GCM, AES-128-CCM
	got := bytes.Clone(p.asked.Bytes())
	if len(got) != len(want) {
		t.Fatalf("%d bytes, want %d: %x", len(got), len(want), got)
	}
	maskRandom(got)
	maskRandom(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	again := saying(nil)
	if _, err := Negotiate(again); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for _, field := range random {
		was, is := p.asked.Bytes()[field[0]:field[1]], again.asked.Bytes()[field[0]:field[1]]
		if bytes.Equal(was, is) || bytes.Equal(is, make([]byte, len(is))) {
			t.Errorf("bytes %d are %x, and once more %x; want random ones", field, was, is)
		}
	}
}

// random are the ClientGuid and the Salt in a request.
var random = [][2]int{{4 + 64 + 12, 4 + 64 + 28}, {4 + 112 + 14, 4 + 112 + 46}}

func maskRandom(request []byte) {
	for _, field := range random {
		clear(request[field[0]:field[1]])
	}
}

const (
	spnego   = "605e06062b0601050502a0543052a024"
	contexts = "0100 2600 00000000 0100 2000 0100 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 0000" +
		"0200 0400 00000000 0100 0200"
	clock = 0x01DADA0123456789 // 2024-07-19
)

// reply is a NEGOTIATE response, [MS-SMB2] section 2.2.4, with these changes.
func reply(changes ...func([]byte)) []byte {
	m := unhex("000000cc" +
		"fe534d42 4000 0000 00000000 0000 0100 01000000 00000000 0000000000000000" + // a response, one credit, message 0
		"00000000 00000000 0000000000000000" + strings.Repeat("00", 16) +
		"4100 0100 1103 0200 2f0000001a06472d10e90f4b9e50f1b1 2f000000" + // signing enabled, 3.1.1, two contexts
		"00008000 00008000 00008000 8967452301dada01 0000000000000000" +
		"8000 1000 90000000" + // token of 16 bytes at 128, contexts at 144
		spnego + contexts)
	for _, change := range changes {
		change(m)
	}
	return m
}

// put returns a change of the bytes at an offset from the SMB2 header's start.
func put(at int, digits string) func([]byte) {
	return func(m []byte) { copy(m[4+at:], unhex(digits)) }
}

func TestReply(t *testing.T) {
	then := time.Date(2024, time.July, 19, 17, 28, 58, 242445700, time.UTC)
	tests := []struct {
		name   string
		change []func([]byte)
		want   Server
		text   string
	}{
		{"3.1.1", nil, Server{Dialect311, false, then}, "3.1.1"},
		{"3.0.2", []func([]byte){put(68, "0203")}, Server{Dialect302, false, then}, "3.0.2"},
		{"3.0", []func([]byte){put(68, "0003")}, Server{Dialect300, false, then}, "3.0"},
		{"2.1", []func([]byte){put(68, "1002")}, Server{Dialect210, false, then}, "2.1"},
		{"2.0.2", []func([]byte){put(68, "0202")}, Server{Dialect202, false, then}, "2.0.2"},
		{"signing required", []func([]byte){put(66, "0300")}, Server{Dialect311, true, then}, "3.1.1"},
		{"signing required, not enabled", []func([]byte){put(66, "0200")}, Server{Dialect311, true, then}, "3.1.1"},
		{"no time", []func([]byte){put(104, "0000000000000000")}, Server{Dialect311, false, time.Time{}}, "3.1.1"},
		{"no token, at nowhere", []func([]byte){put(120, "0000 0000")}, Server{Dialect311, false, then}, "3.1.1"},
		{"contexts out of bounds, which only 3.1.1 has", []func([]byte){put(68, "0203"), put(70, "ffff"), put(124, "ffffffff")}, Server{Dialect302, false, then}, "3.0.2"},
		{"no contexts, at nowhere", []func([]byte){put(70, "0000"), put(124, "ffffffff")}, Server{Dialect311, false, then}, "3.1.1"},
		{"an unknown context", []func([]byte){put(144, "ff7f")}, Server{Dialect311, false, then}, "3.1.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &peer{Reader: iotest.OneByteReader(bytes.NewReader(reply(tt.change...)))}
			got, err := Negotiate(p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Dialect.String() != tt.text {
				t.Errorf("dialect %s, want %s", got.Dialect, tt.text)
			}
		})
	}
}

// FILETIME at its edges; the wildest clock is still a time.
func TestFileTime(t *testing.T) {
	tests := []struct {
		in   uint64
		want string
	}{
		{1, "1601-01-01T00:00:00.0000001Z"},
		{116444736000000000, "1970-01-01T00:00:00Z"},
		{clock, "2024-07-19T17:28:58.2424457Z"},
		{1<<63 - 1, "30828-09-14T02:48:05.4775807Z"},
		{1<<64 - 1, "60056-05-28T05:36:10.9551615Z"},
	}
	for _, tt := range tests {
		if got := fileTime(tt.in).Format(time.RFC3339Nano); got != tt.want {
			t.Errorf("%d: %s, want %s", tt.in, got, tt.want)
		}
	}
	if !fileTime(0).IsZero() {
		t.Error("0 is not the zero Time")
	}
}

func TestReplyRefused(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"SMB1", unhex("00000023 ff534d42 72 00000000 98 01c8"), ErrSMB1},
		{"SMB1, and no more", unhex("00000023 ff534d42"), ErrSMB1},
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), wire.ErrGarbled},
		{"a TLS alert", unhex("15030100 02022a"), wire.ErrGarbled},
		{"a greeting of four bytes", []byte("+OK\n"), wire.ErrGarbled},
		{"a NetBIOS session refusal", unhex("83000001 8f"), wire.ErrGarbled},
		{"a bind_nak", unhex("05000d03 10000000 1800 0000 00000000"), wire.ErrGarbled},
		{"an encrypted message", unhex("00000100 fd534d42"), wire.ErrGarbled},
		{"a compressed message", unhex("00000100 fc534d42"), wire.ErrGarbled},
		{"a message of 0 bytes", unhex("00000000 fe534d42"), wire.ErrGarbled},
		{"a message of 63 bytes", unhex("0000003f fe534d42"), wire.ErrGarbled},
		{"a message of 65537 bytes", unhex("00010001 fe534d42"), wire.ErrGarbled},
		{"a message of 16777215 bytes", unhex("00ffffff fe534d42"), wire.ErrGarbled},

		{"header of another size", reply(put(4, "4100")), wire.ErrGarbled},
		{"another command", reply(put(12, "0100")), wire.ErrGarbled},
		{"a request", reply(put(16, "00000000")), wire.ErrGarbled},
		{"another message", reply(put(24, "01")), wire.ErrGarbled},
		{"another message, far away", reply(put(31, "80")), wire.ErrGarbled},
		{"body of another size", reply(put(64, "4000")), wire.ErrGarbled},
		{"no body", unhex("00000040 fe534d42 4000 0000 00000000 0000 0100 01000000" + strings.Repeat("00", 44)), wire.ErrGarbled},

		{"not supported", reply(put(8, "bb0000c0")), Status(0xC00000BB)},
		{"access denied", reply(put(8, "220000c0")), Status(0xC0000022)},
		{"a status and nothing else", unhex("00000040 fe534d42 4000 0000 bb0000c0 0000 0100 01000000" + strings.Repeat("00", 44)), Status(0xC00000BB)},
		{"a status of another message", reply(put(8, "bb0000c0"), put(24, "01")), wire.ErrGarbled},
		{"dialect 0x02ff, for which SMB1 would have asked", reply(put(68, "ff02")), &BadDialect{0x02FF}},
		{"dialect 0x0000", reply(put(68, "0000")), &BadDialect{0}},
		{"dialect 0x0312", reply(put(68, "1203")), &BadDialect{0x0312}},

		{"token beyond the end", reply(put(122, "4d00")), wire.ErrGarbled},
		{"token of 65535 bytes", reply(put(122, "ffff")), wire.ErrGarbled},
		{"token that begins beyond the end", reply(put(120, "cd00 0000")), wire.ErrGarbled},
		{"contexts at the end", reply(put(124, "cc000000")), wire.ErrGarbled},
		{"contexts beyond the end", reply(put(124, "cd000000")), wire.ErrGarbled},
		{"contexts at 4294967295", reply(put(124, "ffffffff")), wire.ErrGarbled},
		{"a context with half a header", reply(put(124, "c8000000"), put(70, "0100")), wire.ErrGarbled},
		{"a context beyond the end", reply(put(146, "3500")), wire.ErrGarbled},
		{"the second context beyond the end", reply(put(194, "0500")), wire.ErrGarbled},
		{"more contexts than there are", reply(put(70, "0300")), wire.ErrGarbled},
		{"65 contexts", reply(put(70, "4100")), wire.ErrGarbled},
		{"65535 contexts", reply(put(70, "ffff")), wire.ErrGarbled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Negotiate(saying(tt.in))
			if s != nil || !errors.Is(err, tt.want) && !reflect.DeepEqual(err, tt.want) {
				t.Errorf("%+v, %v; want %v", s, err, tt.want)
			}
		})
	}
}

// Contexts may be as many as are read, padded to eight bytes but for the last.
func TestContexts(t *testing.T) {
	with := func(count int, list string) []byte {
		m := append(reply(put(70, fmt.Sprintf("%02x00", count)))[:4+144], unhex(list)...)
		binary.BigEndian.PutUint32(m, uint32(len(m)-4))
		return m
	}
	one := "0300 0100 00000000 aa 00000000000000"
	full := "0300 0800 00000000 ffffffffffffffff" // whose data would be no header
	tests := []struct {
		name string
		in   []byte
		ok   bool
	}{
		{"64", with(64, strings.Repeat(one, 64)), true},
		{"65", with(65, strings.Repeat(one, 65)), false},
		{"no padding behind the last", with(2, one+"0300 0100 00000000 aa"), true},
		{"an empty one", with(2, "0300 0000 00000000"+full), true},
		{"one that needs no padding", with(2, full+full), true},
		{"an empty one at the end", with(2, one+"0300 0000 00000000"), true},
		{"no padding between", with(2, "0300 0100 00000000 aa"+"0300 0000 00000000"), false},
		{"the last cut short", with(2, one+"0300 0100 00000000"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Negotiate(saying(tt.in)); (err == nil) != tt.ok || err != nil && !errors.Is(err, wire.ErrGarbled) {
				t.Error(err)
			}
		})
	}
}

// Cut short at each byte: a hangup when the connection ends there, garbled when
// the frame says that it ends there, never a success.
func TestReplyCut(t *testing.T) {
	m := reply()
	if _, err := Negotiate(saying(m)); err != nil {
		t.Fatal("the whole reply:", err)
	}
	for i := range m {
		want := io.ErrUnexpectedEOF
		if i == 0 {
			want = io.EOF
		}
		if s, err := Negotiate(saying(m[:i])); !errors.Is(err, want) {
			t.Errorf("hung up after %d bytes: %+v, %v", i, s, err)
		}
		short := bytes.Clone(m)
		binary.BigEndian.PutUint32(short, uint32(max(i-4, 0)))
		if s, err := Negotiate(saying(short)); !errors.Is(err, wire.ErrGarbled) {
			t.Errorf("a frame of %d bytes: %+v, %v", i-4, s, err)
		}
	}
}

func TestLongestReply(t *testing.T) {
	m := append(reply(), make([]byte, maxMessage)...)[:4+maxMessage]
	binary.BigEndian.PutUint32(m, maxMessage)
	if _, err := Negotiate(saying(m)); err != nil {
		t.Error(err)
	}
}

func TestConnectionErrors(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Negotiate(&peer{Reader: iotest.ErrReader(broken)}); !errors.Is(err, broken) {
		t.Errorf("read: %v", err)
	}
	if _, err := Negotiate(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(reply()), brokenWriter{broken}}); !errors.Is(err, broken) {
		t.Errorf("write: %v", err)
	}
}

type brokenWriter struct{ error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.error }

// classes are those that a caller can tell an error's kind by. Each error is of
// exactly one, and nil of none.
var classes = map[string]func(error) bool{
	"denied":      IsDenied,
	"unsupported": IsUnsupported,
	"garbled":     IsGarbled,
	"hangup":      func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) },
}

func classesOf(err error) []string {
	var of []string
	for class, in := range classes {
		if in(err) {
			of = append(of, class)
		}
	}
	return of
}

func TestClasses(t *testing.T) {
	tests := []struct {
		err   error
		class []string
		text  string
	}{
		{Status(0xC0000022), []string{"denied"}, "status 0xC0000022"},
		{Status(0xC00000BB), []string{"unsupported"}, "status 0xC00000BB"},
		{Status(5), []string{"unsupported"}, "status 0x00000005"},
		{ErrSMB1, []string{"unsupported"}, "the server answered in SMB1"},
		{&BadDialect{0x02FF}, []string{"unsupported"}, "dialect 0x02FF was not offered"},
		{wire.Garbled("frame type %#x", 0x83), []string{"garbled"}, "not the protocol: frame type 0x83"},
		{io.EOF, []string{"hangup"}, "EOF"},
		{io.ErrUnexpectedEOF, []string{"hangup"}, "unexpected EOF"},
		{errors.New("status 0xC0000022"), nil, "status 0xC0000022"},
	}
	for _, tt := range tests {
		for _, err := range []error{tt.err, fmt.Errorf("wrapped: %w", tt.err)} {
			if got := classesOf(err); !slices.Equal(got, tt.class) {
				t.Errorf("%#v is %q, want %q", err, got, tt.class)
			}
		}
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("%#v says %q, want %q", tt.err, got, tt.text)
		}
	}
	if got := classesOf(nil); got != nil {
		t.Errorf("nil is %q", got)
	}
}
