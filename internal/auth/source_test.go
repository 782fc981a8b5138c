package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/jcmturner/gokrb5/v8/keytab"
)

// wide encodes a text in UTF-16 behind a byte order mark.
func wide(order binary.AppendByteOrder, text string) string {
	b := order.AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func TestPasswordFile(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"plain", "geheim", "geheim"},
		{"line end", "geheim\n", "geheim"},
		{"Windows' line end", "geheim\r\n", "geheim"},
		{"spaces are part of it", " ge heim \t\n", " ge heim \t"},
		{"UTF-8", "gehéim€\n", "gehéim€"},
		{"UTF-8 with BOM", "\xef\xbb\xbfgehéim\r\n", "gehéim"},
		{"UTF-16LE", wide(binary.LittleEndian, "gehéim€😀\r\n"), "gehéim€😀"},
		{"UTF-16BE", wide(binary.BigEndian, "gehéim\n"), "gehéim"},
		{"the longest", strings.Repeat("a", maxPassword), strings.Repeat("a", maxPassword)},
		{"empty", "", ""},
		{"only a line end", "\r\n", ""},
		{"only a BOM", "\xff\xfe", ""},
		{"NUL", "geh\x00eim\n", ""},
		{"UTF-16 without BOM", "g\x00e\x00h\x00", ""},
		{"second line", "geheim\ngeheim\n", ""},
		{"empty second line", "geheim\n\n", ""},
		{"empty second line of Windows", "geheim\r\n\r\n", ""},
		{"carriage return", "ge\rheim\n", ""},
		{"Latin-1", "geh\xe9im\n", ""},
		{"half a character", "\xff\xfeg\x00e", ""},
		{"half a pair", "\xff\xfe\x00\xd8g\x00", ""},
		{"too long", strings.Repeat("a", maxPassword+1), ""},
	}
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Read(Source{User: "alice@corp.example", PasswordFile: writeFile(t, tt.content)})
			if tt.want == "" {
				if err == nil {
					t.Fatal("it is taken")
				}
				if strings.Contains(err.Error(), "geh") || len(err.Error()) > 300 {
					t.Errorf("the error tells: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.secret.open().password; got != tt.want {
				t.Errorf("%q; want %q", got, tt.want)
			}
		})
	}
}

func TestSourceOfOneKind(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	file := writeFile(t, "geheim")
	asked := func(string) ([]byte, error) { return []byte("geheim\r\n"), nil }
	for name, s := range map[string]Source{
		"two":             {User: "alice@corp.example", PasswordFile: file, Keytab: file},
		"three":           {User: "alice@corp.example", PasswordFile: file, Keytab: file, CCache: file, Prompt: asked},
		"none":            {User: "alice@corp.example"},
		"no user":         {PasswordFile: file},
		"no file":         {User: "alice@corp.example", PasswordFile: file + "-not"},
		"a directory":     {User: "alice@corp.example", PasswordFile: t.TempDir()},
		"no keytab":       {User: "alice@corp.example", Keytab: file},
		"no ccache":       {CCache: file},
		"kind of ccache":  {CCache: "KEYRING:persistent:0"},
		"nobody at all":   {Prompt: asked},
		"nothing typed":   {User: "alice@corp.example", Prompt: func(string) ([]byte, error) { return nil, nil }},
		"terminal failed": {User: "alice@corp.example", Prompt: func(string) ([]byte, error) { return []byte("x"), errors.New("interrupted") }},
	} {
		if c, err := Read(s); err == nil || c != nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	c, err := Read(Source{User: `CORP\alice`, Prompt: func(prompt string) ([]byte, error) {
		if prompt != `Password for CORP\alice: ` {
			t.Error(prompt)
		}
		return asked(prompt)
	}})
	if err != nil || c.secret.open().password != "geheim" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestUser(t *testing.T) {
	t.Setenv("USERDNSDOMAIN", "HOME.EXAMPLE")
	p := profile{defaultRealm: "DEFAULT.EXAMPLE", realms: []realm{{name: "corp.example"}, {name: "Corp.Other"}}}
	tests := []struct{ user, name, domain, realm string }{
		{"alice@corp.example", "alice", "", "CORP.EXAMPLE"},
		{"alice@b@corp.example", "alice@b", "", "CORP.EXAMPLE"},
		{`CORP\alice`, "alice", "CORP", "CORP.EXAMPLE"},
		{`corp.example\alice`, "alice", "corp.example", "CORP.EXAMPLE"},
		{`default\alice`, "alice", "default", "DEFAULT.EXAMPLE"},
		{`Home\alice`, "alice", "Home", "HOME.EXAMPLE"},
		{`OLD\alice`, "alice", "OLD", ""},
		{"", "", "", ""},
		{"alice", "", "", ""},
		{"@corp.example", "", "", ""},
		{"alice@", "", "", ""},
		{`CORP\`, "", "", ""},
		{`\alice`, "", "", ""},
		{`CORP\alice\b`, "", "", ""},
		{`CORP\alice@corp.example`, "", "", ""},
		{"al\x00ice@corp.example", "", "", ""},
		{"alice\n@corp.example", "", "", ""},
		{strings.Repeat("a", maxName) + "@corp.example", "", "", ""},
	}
	for _, tt := range tests {
		a, err := parseAccount(tt.user, p)
		if (err != nil) != (tt.name == "") {
			t.Errorf("%q: %v", tt.user, err)
			continue
		}
		if a.name != tt.name || a.domain != tt.domain || a.realm != tt.realm || err == nil && a.given != tt.user {
			t.Errorf("%q: %+v", tt.user, a)
		}
	}
}

// makeKeytab makes a keytab of entries NAME@REALM, each with keys of the ciphers.
func makeKeytab(t *testing.T, etypes []int32, principals ...string) string {
	t.Helper()
	table := keytab.New()
	for i, principal := range principals {
		name, realm, _ := strings.Cut(principal, "@")
		for _, etype := range etypes {
			if err := table.AddEntry(name, realm, testPassword, time.Unix(int64(1000*i), 0), uint8(i+1), etype); err != nil {
				t.Fatal(err)
			}
		}
	}
	return writeFile(t, string(must(table.Marshal())))
}

func TestKeytab(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	tests := []struct {
		name   string
		file   string
		user   string
		etypes int
		want   string // of the error
	}{
		{"AES and RC4", makeKeytab(t, []int32{23, 18, 17}, "alice@CORP.EXAMPLE", "bob@CORP.EXAMPLE"), "alice@corp.example", 3, ""},
		{"another case", makeKeytab(t, []int32{23}, "Alice@corp.example"), "alice@corp.example", 1, ""},
		{"another name", makeKeytab(t, []int32{18}, "bob@CORP.EXAMPLE"), "alice@corp.example", 0, "no AES or RC4 key of alice in realm CORP.EXAMPLE"},
		{"another realm", makeKeytab(t, []int32{18}, "alice@OTHER.EXAMPLE"), "alice@corp.example", 0, "no AES or RC4 key"},
		{"3DES", makeKeytab(t, []int32{16}, "alice@CORP.EXAMPLE"), "alice@corp.example", 0, "no AES or RC4 key"},
		{"no realm", makeKeytab(t, []int32{18}, "alice@CORP.EXAMPLE"), `OLD\alice`, 0, "NAME@REALM"},
		{"cut", writeFile(t, "\x05\x02\x00\x00\x00\x50"+testPassword), "alice@corp.example", 0, "is not a keytab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Read(Source{User: tt.user, Keytab: tt.file})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), testPassword) {
					t.Errorf("%v; want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.secret.open().keys; len(got) != tt.etypes || c.HasPassword() {
				t.Errorf("%d keys", len(got))
			}
			k := newFakeKDC(t)
			k.account = []int32{18, 23}
			c.profile.addRealm(testRealm, []string{firstKDC})
			c.dial = network(map[string]*fakeKDC{firstKDC: k})
			if err := c.Verify(t.Context()); err != nil || k.timestamps != 1 {
				t.Error(err)
			}
		})
	}
}

// The newest key of a cipher is used, and RC4 alone where there is nothing else.
func TestKeysOfKeytab(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, ""))
	table := keytab.New()
	for version, password := range map[uint8]string{1: "old", 3: testPassword, 2: "older"} {
		if err := table.AddEntry("alice", testRealm, password, time.Unix(1, 0), version, 23); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Read(Source{User: "alice@corp.example", Keytab: writeFile(t, string(must(table.Marshal())))})
	if err != nil {
		t.Fatal(err)
	}
	k := newFakeKDC(t)
	k.account = []int32{18, 23}
	c.profile.addRealm(testRealm, []string{firstKDC})
	c.dial = network(map[string]*fakeKDC{firstKDC: k})
	if err := c.Verify(t.Context()); err != nil || k.requests != 2 {
		t.Errorf("%v after %d requests", err, k.requests)
	}
}

// The empty file stands for a machine without a Kerberos configuration.
func TestProfileThatIsNotThere(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, "")+"-not")
	if _, err := Read(Source{User: "alice@corp.example", PasswordFile: writeFile(t, "x")}); err != nil {
		t.Error(err)
	}
	t.Setenv("KRB5_CONFIG", t.TempDir())
	if _, err := Read(Source{User: "alice@corp.example", PasswordFile: writeFile(t, "x")}); err == nil {
		t.Error("a directory is read")
	}
	if _, err := os.Stat(usualProfile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// The current user stands alone, and off Windows is the default ccache.
func TestCurrentUser(t *testing.T) {
	for _, s := range []Source{
		{CurrentUser: true, User: "admin@CORP.EXAMPLE"},
		{CurrentUser: true, Keytab: "k"},
		{CurrentUser: true, CCache: "c"},
		{CurrentUser: true, PasswordFile: "p"},
	} {
		if _, err := Read(s); err == nil || !strings.Contains(err.Error(), "needs no other") {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if got := expand("FILE:/run/user/%{uid}/%{euid}"); got != fmt.Sprintf("FILE:/run/user/%d/%d", os.Getuid(), os.Geteuid()) {
		t.Error(got)
	}
	var p profile
	if err := p.read(strings.NewReader("[libdefaults]\n default_ccache_name = KEYRING:persistent:%{uid} # a comment\n")); err != nil || p.defaultCCache != "KEYRING:persistent:%{uid}" {
		t.Errorf("%q, %v", p.defaultCCache, err)
	}
}
