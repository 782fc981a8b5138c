package smb

import (
	"slices"
	"testing"

	"github.com/gpreach/gpreach/internal/transcript"
)

// FuzzNegotiate is a host that says anything: nothing panics, each error is of
// exactly one class, and only a dialect that was offered is taken.
func FuzzNegotiate(f *testing.F) {
	turns, err := transcript.ReadFile(conversation)
	if err != nil {
		f.Fatal(err)
	}
	for _, turn := range turns {
		f.Add(turn.Bytes)
	}
	f.Add(reply())
	f.Add(reply(put(68, "0202")))
	f.Add(reply(put(68, "ff02")))
	f.Add(reply(put(8, "220000c0")))
	f.Add(unhex("00000023 ff534d42 72 00000000 98 01c8"))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		s, err := Negotiate(saying(said))
		if of := classesOf(err); err != nil && (s != nil || len(of) != 1) {
			t.Fatalf("%+v, error %q is %q", s, err, of)
		}
		if err == nil && (!slices.Contains(dialects[:], s.Dialect) || len(said) < 4+headerLen+bodyLen) {
			t.Fatalf("%+v out of %d bytes", s, len(said))
		}
	})
}
