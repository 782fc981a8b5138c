package auth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gpreach/gpreach/internal/sspi"
)

const (
	maxPassword = 4 << 10
	maxKeyFile  = 1 << 20 // a keytab or ccache
)

// A Source says where a credential comes from: CurrentUser alone, or of PasswordFile,
// Keytab and CCache at most one, and Prompt where there is none.
type Source struct {
	User         string // NAME@REALM or DOMAIN\name; with a CCache it may be empty
	PasswordFile string
	Keytab       string
	CCache       string
	CurrentUser  bool // Windows' logon session, elsewhere the default ccache
	// Prompt reads a password without showing it; nil where nobody can be asked.
	Prompt func(prompt string) ([]byte, error)
}

// Read reads a credential. It sends nothing.
func Read(s Source) (*Credential, error) {
	files := slices.DeleteFunc([]string{s.PasswordFile, s.Keytab, s.CCache}, func(f string) bool { return f == "" })
	switch {
	case len(files) > 1:
		return nil, errors.New("of a password file, a keytab and a ccache only one can be used")
	case s.CurrentUser && (s.User != "" || len(files) > 0):
		return nil, errors.New("the current user needs no other user, password file, keytab or ccache")
	case !s.CurrentUser && len(files) == 0 && s.Prompt == nil:
		return nil, errors.New("there is no password file, keytab or ccache, and no terminal to ask for a password")
	}
	if windows := sspi.System(); s.CurrentUser && windows != nil {
		return ReadSession(windows)
	}
	p, err := readProfile()
	if err != nil {
		return nil, fmt.Errorf("reading the Kerberos configuration: %w", err)
	}
	switch {
	case s.CurrentUser:
		return readDefaultCCache(p)
	case s.CCache != "":
		return readCCache(s, p)
	}
	a, err := parseAccount(s.User, p)
	if err != nil {
		return nil, err
	}
	var m material
	switch {
	case s.Keytab != "":
		m.keys, err = readKeytab(s.Keytab, a)
	case s.PasswordFile != "":
		m.password, err = readPassword(s.PasswordFile)
	default:
		m.password, err = typePassword(s.Prompt, a)
	}
	if err != nil {
		return nil, err
	}
	return newCredential(a, newSecret(a.given, m), p), nil
}

// typePassword asks for the password on the terminal.
func typePassword(prompt func(string) ([]byte, error), a account) (string, error) {
	typed, err := prompt("Password for " + a.given + ": ")
	if err != nil {
		return "", fmt.Errorf("asking for the password: %w", err)
	}
	password, err := decodePassword(typed)
	if err != nil {
		return "", fmt.Errorf("the password typed: %w", err)
	}
	return password, nil
}

func readPassword(file string) (string, error) {
	b, err := readSecretFile("password file", file, maxPassword)
	if err != nil {
		return "", err
	}
	password, err := decodePassword(b)
	if err != nil {
		return "", fmt.Errorf("the password file: %w", err)
	}
	return password, nil
}

// readSecretFile reads a file of at most limit bytes that only its owner may read.
// A pipe is read too: who can open its other end is not ours to ask. Its errors tell
// what the file is for and not its path, which may be a secret in the wrong place.
func readSecretFile(what, file string, limit int64) ([]byte, error) {
	b, err := readPrivate(file, limit)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err
	}
	if err != nil {
		return nil, fmt.Errorf("the %s cannot be used: %w", what, err)
	}
	return b, nil
}

func readPrivate(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file) //nolint:gosec // G304: it is the user who names the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		if err := private(f, info); err != nil {
			return nil, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it holds more than %d bytes", limit)
	}
	return b, err
}

// decodePassword is the one line of a file or terminal: UTF-8, or UTF-16 behind a
// byte order mark, without its line end. Its errors tell nothing of what is there.
func decodePassword(b []byte) (string, error) {
	text, err := decodeText(b)
	if err != nil {
		return "", err
	}
	text = strings.TrimSuffix(text, "\n")
	text = strings.TrimSuffix(text, "\r")
	switch {
	case text == "":
		return "", errors.New("there is no password in it")
	case strings.ContainsRune(text, 0):
		return "", errors.New("there is a NUL character in it; UTF-16 needs a byte order mark")
	case strings.ContainsAny(text, "\r\n"):
		return "", errors.New("there is more than one line in it")
	}
	return text, nil
}

func decodeText(b []byte) (string, error) {
	var order func([]byte) uint16
	switch {
	case len(b) >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf:
		b = b[3:]
	case len(b) >= 2 && b[0] == 0xff && b[1] == 0xfe:
		order = func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
	case len(b) >= 2 && b[0] == 0xfe && b[1] == 0xff:
		order = func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 }
	}
	if order == nil {
		if !utf8.Valid(b) {
			return "", errors.New("it is neither UTF-8 nor UTF-16 behind a byte order mark")
		}
		return string(b), nil
	}
	if len(b)%2 != 0 {
		return "", errors.New("it ends within a character of UTF-16")
	}
	var units []uint16
	for b = b[2:]; len(b) > 0; b = b[2:] {
		units = append(units, order(b))
	}
	text := string(utf16.Decode(units))
	if strings.ContainsRune(text, utf8.RuneError) {
		return "", errors.New("it is not valid UTF-16")
	}
	return text, nil
}

// readKeytab reads the account's keys, the newest of each type.
func readKeytab(file string, a account) ([]types.EncryptionKey, error) {
	if a.realm == "" {
		return nil, fmt.Errorf("the realm of %s is not known: name the user as NAME@REALM", a.given)
	}
	b, err := readSecretFile("keytab", file, maxKeyFile)
	if err != nil {
		return nil, err
	}
	var table keytab.Keytab
	if guarded(func() error { return table.Unmarshal(b) }) != nil { // its words would quote the file
		return nil, errors.New("the keytab file is not a keytab")
	}
	newest := make(map[int32]uint32)
	keys := make(map[int32]types.EncryptionKey)
	for _, e := range table.Entries {
		sameName := strings.EqualFold(strings.Join(e.Principal.Components, "/"), a.name)
		if !sameName || !strings.EqualFold(e.Principal.Realm, a.realm) || !isKey(e.Key) {
			continue
		}
		if _, ok := keys[e.Key.KeyType]; !ok || e.KVNO >= newest[e.Key.KeyType] {
			keys[e.Key.KeyType], newest[e.Key.KeyType] = e.Key, e.KVNO
		}
	}
	var found []types.EncryptionKey
	for _, etype := range append(strong(), weak) {
		if key, ok := keys[etype]; ok {
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the keytab has no AES or RC4 key of %s in realm %s", a.name, a.realm)
	}
	return found, nil
}
