package auth

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/jcmturner/gokrb5/v8/types"
	"go.yaml.in/yaml/v4"
)

// Every way in which a program prints, logs or marshals what it has at hand.
func TestSecretIsNotPrinted(t *testing.T) {
	k := newFakeKDC(t)
	c := credentialFor(t, "alice@corp.example", testPassword, map[string]*fakeKDC{firstKDC: k})
	if err := c.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	ticket, err := c.Ticket(t.Context(), "cifs/ws-001.corp.example")
	if err != nil {
		t.Fatal(err)
	}
	keyed := newSecret("alice@corp.example", material{keys: []types.EncryptionKey{ticket.Key}, tickets: []*Ticket{ticket}, password: testPassword})
	type inner struct{ secret secret }
	type holder struct {
		Credential *Credential
		credential *Credential
		Secret     secret
		secret     secret
		pointer    *secret
		nested     inner
		list       []secret
		byName     map[string]secret
		any        any
		Ticket     *Ticket
	}
	h := holder{c, c, keyed, keyed, &keyed, inner{keyed}, []secret{keyed}, map[string]secret{"a": keyed}, keyed, ticket}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "% x", "%#q", "%10.3s", "%T"} {
		for _, value := range []any{c, keyed, &keyed, h, &h, []any{c, keyed}, map[string]any{"c": c, "s": keyed}, ticket, errors.New(fmt.Sprint(h))} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	fmt.Fprintln(&out, c, keyed, h, ticket, *ticket)
	fmt.Fprintf(&out, "%v %+[1]v %#[1]v %[1]s %[1]q %[1]x %[1]d", *ticket)
	for _, handler := range []slog.Handler{
		slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewJSONHandler(&out, nil),
	} {
		slog.New(handler).Info("a line", "c", c, "s", keyed, "h", h, "p", &h, "t", ticket, slog.Group("g", "s", keyed))
	}
	type open struct {
		C *Credential
		S secret
		T *Ticket
	}
	exported := open{c, keyed, ticket}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal, xml.Marshal} {
		b, err := marshal(exported)
		if err != nil {
			t.Error(err)
		}
		if !bytes.Contains(b, []byte("alice@corp.example")) {
			t.Errorf("not the user's name: %s", b)
		}
		out.Write(b)
	}
	for _, value := range []any{h, &h} {
		b, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
	}
	if err := pprof.Lookup("goroutine").WriteTo(&out, 2); err != nil {
		t.Error(err)
	}
	refused := credentialFor(t, "alice@corp.example", testPassword+"?", map[string]*fakeKDC{firstKDC: k})
	fmt.Fprintf(&out, "%v %+[1]v %#[1]v %s", refused.Verify(t.Context()), refused.Why())

	key := string(ticket.Key.KeyValue)
	for what, secret := range map[string]string{"password": testPassword, "key": key} {
		for form, text := range map[string]string{
			"as it is": secret, "in hexadecimal": fmt.Sprintf("%x", secret), "in capitals": fmt.Sprintf("%X", secret), "spaced": fmt.Sprintf("% x", secret),
			"quoted": strings.Trim(fmt.Sprintf("%q", secret), `"`), "in numbers": strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
			"in base64": strings.Trim(string(must(json.Marshal([]byte(secret)))), `"=`), "in Go": strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(secret)), "[]byte{"), "}"),
		} {
			if strings.Contains(out.String(), text) {
				i := strings.Index(out.String(), text)
				t.Errorf("the %s is printed %s: %s", what, form, out.String()[max(i-300, 0):i])
			}
		}
	}
	for _, want := range []string{"alice@corp.example", `"alice@corp.example"`, "616c696365", "cifs/ws-001.corp.example"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is printed nowhere", want)
		}
	}
	if got := fmt.Sprintf("%v|%s|%q|%+v|%#v", c, keyed, c, &keyed, c); got != `alice@corp.example|alice@corp.example|"alice@corp.example"|alice@corp.example|"alice@corp.example"` {
		t.Error(got)
	}
	if got := fmt.Sprint((*Credential)(nil)); got != "" {
		t.Errorf("no credential prints as %q", got)
	}
}

func TestLogOn(t *testing.T) {
	for user, want := range map[string]string{`CORP\alice`: `CORP|alice|` + testPassword, "alice@corp.example": "|alice@corp.example|" + testPassword} {
		c := credentialFor(t, user, testPassword, nil)
		var got string
		c.LogOn(func(domain, user, password string) { got = domain + "|" + user + "|" + password })
		if got != want || !c.HasPassword() {
			t.Errorf("%s logs on as %s", user, got)
		}
	}
	c := credentialFor(t, "alice@corp.example", "", nil)
	c.LogOn(func(_, _, _ string) { t.Error("it logs on without a password") })
	if c.HasPassword() {
		t.Error("it has a password")
	}
}
