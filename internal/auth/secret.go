package auth

import (
	"fmt"
	"log/slog"

	"github.com/jcmturner/gokrb5/v8/types"
)

// A secret is what proves an account. It prints, logs and marshals as the
// account's name: by its methods, and where a struct that holds it is printed
// without them, because what is behind a function cannot be printed at all.
type secret struct {
	name string
	open func() material
}

// material is what a secret holds: of the three at least one.
type material struct {
	password string
	keys     []types.EncryptionKey // of a keytab, the newest of each type
	tickets  []*Ticket             // of a ccache, the ticket-granting ticket among them
}

func newSecret(name string, m material) secret {
	return secret{name: name, open: func() material { return m }}
}

// Format prints the account's name, whatever the verb.
func (s secret) Format(f fmt.State, verb rune) { printName(f, verb, s.name) }

// String returns the account's name.
func (s secret) String() string { return s.name }

// LogValue logs the account's name.
func (s secret) LogValue() slog.Value { return slog.StringValue(s.name) }

// MarshalText marshals the account's name, in JSON and YAML too.
func (s secret) MarshalText() ([]byte, error) { return []byte(s.name), nil }
