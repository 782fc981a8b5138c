package transcript

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"testing"
)

// Windows10 returns what a real Windows 10 and its clients said, by name, for
// tests of a package directly below the root. It stands in a folder beside the
// checkout, as in CI. Where that is absent a test says so and has nothing to do.
func Windows10(t testing.TB) (pdus map[string][]byte, ok bool) {
	t.Helper()
	text, err := os.ReadFile("../../shared/data/wire_win10.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("left out: no recordings of Windows 10 here:", err)
		return nil, false
	}
	var list []struct{ Name, Hex string }
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	pdus = map[string][]byte{}
	for _, p := range list {
		b, bad := hex.DecodeString(p.Hex)
		err = errors.Join(err, bad)
		pdus[p.Name] = b
	}
	if err != nil {
		t.Fatal(err)
	}
	return pdus, true
}
