package winhost

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"slices"
	"strings"
	"time"
)

// A Hostile is one way in which what answers on a port is hostile, broken, or
// not Windows at all.
type Hostile struct {
	Name string
	// Instead returns what serves a port in the place of its healthy service.
	Instead func(healthy func(net.Conn)) func(net.Conn)
}

// HostileTCP returns the kinds that may stand on any port.
func HostileTCP() []Hostile {
	kinds := []Hostile{
		{"never answers", instead(Mute)},
		{"closes at once", instead(func(net.Conn) {})},
		{"closes after the request", instead(func(c net.Conn) { heard(c) })},
		{"closes just before the timeout", instead(func(c net.Conn) { heard(c); linger(c, 1900*time.Millisecond) })},
		{"resets at once", instead(Reset)},
		{"resets after the request", instead(func(c net.Conn) { heard(c); Reset(c) })},
		{"echoes", instead(func(c net.Conn) { _, _ = c.Write(heard(c)); Mute(c) })},

		{"a byte at a time", distorted(inBytes(0))},
		{"a byte a second", distorted(inBytes(time.Second))},
		{"first half, then silence", distorted(firstHalf(Mute))},
		{"first half, then closes", distorted(firstHalf(func(c net.Conn) { c.Close() }))},
		{"first half, then resets", distorted(firstHalf(Reset))},
		{"first half, the rest a second later", distorted(func(c net.Conn, answer []byte) {
			_, _ = c.Write(answer[:len(answer)/2])
			linger(c, time.Second)
			_, _ = c.Write(answer[len(answer)/2:])
		})},
		{"all but the last byte, then closes", distorted(func(c net.Conn, answer []byte) {
			_, _ = c.Write(answer[:len(answer)-1])
			c.Close()
		})},
		{"one byte of it, then closes", distorted(func(c net.Conn, answer []byte) {
			_, _ = c.Write(answer[:1])
			c.Close()
		})},
	}
	for _, banner := range []struct{ name, text string }{
		{"SSH banner", "SSH-2.0-OpenSSH_9.6\r\n"},
		{"SMTP banner", "220 mail.example ESMTP\r\n"},
		{"Telnet options", "\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27"},
		{"RPC over HTTP banner", "ncacn_http/1.0"},
		{"MySQL greeting", "\x4a\x00\x00\x00\x0a8.0.36\x00"},
	} {
		kinds = append(kinds, Hostile{banner.name + " before the request", instead(saying(banner.text))})
	}
	for _, answer := range []struct{ name, text string }{
		{"garbage", "\x93\x1f\xe2\x07\xb4\x5a\x00\xcc\x81\x6d\x3e\xf9\x12\xa8\x47\xd0"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"},
		{"HTTP/2 SETTINGS", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"},
		{"TLS alert", "\x15\x03\x03\x00\x02\x02\x28"},
		{"TPKT, as RDP does", "\x03\x00\x00\x0b\x06\xd0\x00\x00\x12\x34\x00"},
		{"LDAP", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"},
		{"SOCKS 5, whose first two bytes are RPC's", "\x05\x00"},
		{"a zero byte", "\x00"},
		{"sixteen zero bytes", strings.Repeat("\x00", 16)},
		{"sixteen bytes of 0xff", strings.Repeat("\xff", 16)},
	} {
		kinds = append(kinds, Hostile{answer.name, instead(func(c net.Conn) { heard(c); saying(answer.text)(c) })})
	}
	for _, flood := range []struct{ name, text string }{
		{"zero bytes without end", "\x00"},
		{"0xff without end", "\xff"},
		{"RPC's version without end", "\x05\x00"},
		{"SMB2's first bytes without end", "\x00\x00\x10\x00\xfeSMB"},
	} {
		kinds = append(kinds, Hostile{flood.name, instead(func(c net.Conn) { endless(c, strings.Repeat(flood.text, 4096)) })})
	}
	return kinds
}

// instead takes no notice of the healthy service.
func instead(serve func(net.Conn)) func(func(net.Conn)) func(net.Conn) {
	return func(func(net.Conn)) func(net.Conn) { return serve }
}

// distorted lets the healthy service speak, and say makes of each of its
// answers what the client gets.
func distorted(say func(c net.Conn, answer []byte)) func(func(net.Conn)) func(net.Conn) {
	return func(healthy func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) { healthy(distortion{c, say}) }
	}
}

// changed lets the healthy service speak and changes some of its answers.
func changed(change func(answer []byte) []byte) func(func(net.Conn)) func(net.Conn) {
	return distorted(func(c net.Conn, answer []byte) { _, _ = c.Write(change(answer)) })
}

type distortion struct {
	net.Conn
	say func(net.Conn, []byte)
}

// Write takes an answer: the healthy services write each in one piece. What
// became of it the next read tells them.
func (d distortion) Write(answer []byte) (int, error) {
	d.say(d.Conn, slices.Clone(answer))
	return len(answer), nil
}

// heard returns what a client says first, nil when it has gone.
func heard(c net.Conn) []byte {
	b := make([]byte, 4096)
	n, _ := c.Read(b)
	return b[:n]
}

// linger waits, or until the client says more or has gone.
func linger(c net.Conn, d time.Duration) {
	_ = c.SetReadDeadline(time.Now().Add(d))
	_, _ = c.Read(make([]byte, 1))
	_ = c.SetReadDeadline(time.Time{})
}

// saying says a text and never more.
func saying(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Write([]byte(text))
		Mute(c)
	}
}

// endless repeats a text until the client has gone.
func endless(c net.Conn, text string) {
	b := []byte(text)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

func inBytes(pause time.Duration) func(net.Conn, []byte) {
	return func(c net.Conn, answer []byte) {
		for i := range answer {
			if _, err := c.Write(answer[i : i+1]); err != nil {
				return
			}
			if pause > 0 {
				linger(c, pause)
			}
		}
	}
}

func firstHalf(then func(net.Conn)) func(net.Conn, []byte) {
	return func(c net.Conn, answer []byte) {
		_, _ = c.Write(answer[:len(answer)/2])
		then(c)
	}
}

// A patch is bytes, in hex with spaces, that replace those of an answer from
// an offset on.
type patch struct {
	name  string
	at    int
	bytes string
}

// patched returns a kind for each patch, of the answers that it concerns.
func patched(about string, concerns func(answer []byte) bool, patches []patch) []Hostile {
	var kinds []Hostile
	for _, p := range patches {
		kinds = append(kinds, Hostile{about + ": " + p.name, changed(func(answer []byte) []byte {
			if concerns(answer) {
				copy(answer[p.at:], octets(p.bytes))
			}
			return answer
		})})
	}
	return kinds
}

// octets decodes hex with spaces, of this package's own.
func octets(text string) []byte {
	b, _ := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	return b
}

// joined puts hex, numbers and bytes behind one another, little-endian.
func joined(parts ...any) []byte {
	var b bytes.Buffer
	for _, part := range parts {
		if text, ok := part.(string); ok {
			part = octets(text)
		}
		_ = binary.Write(&b, binary.LittleEndian, part) // a buffer takes everything
	}
	return b.Bytes()
}
