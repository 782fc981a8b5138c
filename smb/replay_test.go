package smb

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gpreach/gpreach/internal/transcript"
	"github.com/gpreach/gpreach/internal/wire"
)

const conversation = "../testdata/conversations/negotiate.txt"

// The conversation that lab/record_test.go had with a Samba domain controller.
func TestSamba(t *testing.T) {
	turns, err := transcript.ReadFile(conversation)
	if err != nil {
		t.Fatal(err)
	}
	player := &transcript.Player{Turns: turns, Mask: maskRandom}
	s, err := Negotiate(player)
	if err != nil || s.Dialect != Dialect311 || !s.SigningRequired || s.SystemTime.Year() < 2020 || len(player.Turns) > 0 {
		t.Errorf("%+v, error %v, %d turns left; want 3.1.1, signing required, and the time of the recording", s, err, len(player.Turns))
	}
}

// What a real Windows 10 said.
func TestWindows10(t *testing.T) {
	pdus, ok := transcript.Windows10(t)
	if !ok {
		return
	}
	// Its own client asked in SMB1 first, so that this answers message 1; ours is message 0.
	said := pdus["smb2_win10_3_smb2_negotiate_response"]
	if s, err := Negotiate(saying(said)); !errors.Is(err, wire.ErrGarbled) {
		t.Errorf("an answer to message 1: %+v, error %v; want ErrGarbled", s, err)
	}
	clear(said[4+24 : 4+32])
	got, err := Negotiate(saying(said))
	want := &Server{Dialect311, false, time.Date(2020, time.September, 20, 21, 39, 23, 952592900, time.UTC)}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v\n%s", err, diff)
	}
	var dialect *BadDialect
	got, err = Negotiate(saying(pdus["smb2_win10_1_smb2_negotiate_response"]))
	if !errors.As(err, &dialect) || dialect.Dialect != 0x02FF || !IsUnsupported(err) {
		t.Errorf("the answer to SMB1: %+v, error %v; want dialect 0x02FF refused", got, err)
	}
}
