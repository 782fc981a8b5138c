package secure

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gpreach/gpreach/internal/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pack puts little-endian integers, and hex, behind one another.
func pack(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		var err error
		if digits, ok := part.(string); ok {
			part, err = hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		}
		if err == nil {
			b, err = binary.Append(b, binary.LittleEndian, part)
		}
		if err != nil {
			panic(err)
		}
	}
	return b
}

const secretWord = "correct horse"

// withPassword is a credential whose realm has no KDC.
func withPassword(t testing.TB) *auth.Credential {
	t.Helper()
	t.Setenv("KRB5_CONFIG", os.DevNull)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secretWord), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := auth.Read(auth.Source{User: `CORP\admin`, PasswordFile: file})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
