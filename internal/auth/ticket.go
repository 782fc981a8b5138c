package auth

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A Ticket is a service ticket and its session key. It prints, logs and marshals
// as the service's name, since the key is a secret too; only an unexported field
// of another struct it does not cover, so no struct that has one is printed.
type Ticket struct {
	Service    string // the name that was asked for
	Realm      string // of the client
	Client     types.PrincipalName
	Ticket     messages.Ticket
	Key        types.EncryptionKey
	Start, End time.Time
	KDC        string // address and port of the KDC that gave it; empty where a ccache did
}

// Format prints the service's name, whatever the verb.
func (t Ticket) Format(f fmt.State, verb rune) { printName(f, verb, t.Service) }

// String returns the service's name.
func (t Ticket) String() string { return t.Service }

// LogValue logs the service's name.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.Service) }

// MarshalText marshals the service's name, in JSON and YAML too.
func (t Ticket) MarshalText() ([]byte, error) { return []byte(t.Service), nil }
