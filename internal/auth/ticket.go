package auth

import (
	"fmt"
	"log/slog"
	"sync/atomic"
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

	stamp *stamp // nil where the ticket is used once
}

// A stamp is the time of the authenticator that was made last, in microseconds of Unix.
type stamp struct{ last atomic.Int64 }

// next returns the time, or the next that no authenticator has yet.
func (s *stamp) next(now time.Time) time.Time {
	for {
		last := s.last.Load()
		if next := max(now.UnixMicro(), last+1); s.last.CompareAndSwap(last, next) {
			return time.UnixMicro(next)
		}
	}
}

// NewAuthenticator returns an authenticator without a checksum, RFC 4120 section 5.5.1. Its
// time is that of no other with the ticket, or who is asked would take it for a replay
// (section 3.2.3): several are made in a microsecond, and Windows' clock stands still for
// longer.
func (t *Ticket) NewAuthenticator(now time.Time) (types.Authenticator, error) {
	a, err := types.NewAuthenticator(t.Realm, t.Client)
	if err != nil {
		return a, err
	}
	if t.stamp != nil {
		now = t.stamp.next(now)
	}
	a.CTime, a.Cusec = now.UTC(), now.Nanosecond()/1000
	return a, nil
}

// Format prints the service's name, whatever the verb.
func (t Ticket) Format(f fmt.State, verb rune) { printName(f, verb, t.Service) }

// String returns the service's name.
func (t Ticket) String() string { return t.Service }

// LogValue logs the service's name.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.Service) }

// MarshalText marshals the service's name, in JSON and YAML too.
func (t Ticket) MarshalText() ([]byte, error) { return []byte(t.Service), nil }
