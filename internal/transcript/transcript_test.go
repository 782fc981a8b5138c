package transcript

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// What a Recorder hears comes back from a file, and a Player says it again.
func TestRecordAndPlay(t *testing.T) {
	recorder := &Recorder{ReadWriter: struct {
		io.Reader
		io.Writer
	}{iotest.OneByteReader(bytes.NewBufferString("answer")), io.Discard}}
	talk := func(rw io.ReadWriter, question string) string {
		t.Helper()
		if _, err := io.WriteString(rw, question); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(rw)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	if got := talk(recorder, "question"); got != "answer" {
		t.Fatalf("the recorder passes on %q", got)
	}
	name := filepath.Join(t.TempDir(), "conversation.txt")
	if err := WriteFile(name, "One.\nTwo.", recorder.Turns); err != nil {
		t.Fatal(err)
	}
	const want = "# One.\n# Two.\n> 7175657374696f6e\n< 616e73776572\n"
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("the file is %q, error %v; want %q", got, err, want)
	}
	turns, err := ReadFile(name)
	if diff := cmp.Diff(recorder.Turns, turns); err != nil || diff != "" {
		t.Fatalf("read back, error %v:\n%s", err, diff)
	}
	if got := talk(&Player{Turns: turns}, "question"); got != "answer" {
		t.Errorf("the player says %q", got)
	}
}

func TestPlayerIsStrict(t *testing.T) {
	conversation := func() []Turn { return []Turn{{true, []byte("q1")}, {false, []byte("a1")}, {true, []byte("q2")}} }
	p := &Player{Turns: conversation()}
	if _, err := p.Write([]byte("q2")); err == nil {
		t.Error("took another question")
	}
	if n, err := p.Read(make([]byte, 9)); n != 0 || err != io.EOF { //nolint:errorlint // io.Reader wants it bare
		t.Errorf("spoke first: %d, %v", n, err)
	}
	p.Mask = func(b []byte) { b[1] = 0 }
	if _, err := p.Write([]byte("q7")); err != nil {
		t.Error("masked:", err)
	}
	if _, err := p.Write([]byte("q2")); err == nil {
		t.Error("let itself be interrupted")
	}
}

func TestReadFileRefuses(t *testing.T) {
	for _, line := range []string{"> 0", "> xx", "= 00", ">00", "x"} {
		name := filepath.Join(t.TempDir(), "bad.txt")
		if err := os.WriteFile(name, []byte("# fine\n\n> 00\n"+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if turns, err := ReadFile(name); err == nil {
			t.Errorf("%q: %v", line, turns)
		}
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "absent.txt")); err == nil {
		t.Error("read a file that is not there")
	}
}
