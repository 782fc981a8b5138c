package winhost

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// negotiateSMB returns an SMB2 NEGOTIATE with message id 7, in its frame.
func negotiateSMB(dialects string) string {
	n := len(tidy(dialects)) / 2
	return "000000" + hex.EncodeToString([]byte{byte(100 + n)}) +
		"fe534d42 4000 0000 00000000 0000 0100 00000000 00000000 0700000000000000 fffe0000 00000000 0000000000000000 00000000000000000000000000000000" +
		"2400" + hex.EncodeToString([]byte{byte(n / 2), 0}) + "0100 0000 7f000000 451a84e877fbea11984b000d3a542fab 70000000 0000 0000" + dialects
}

// readSMB reads a frame.
func readSMB(c net.Conn) (string, error) {
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return "", err
	}
	m := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(c, m)
	return hex.EncodeToString(m), err
}

func TestNegotiate(t *testing.T) {
	const (
		all    = "0202 1002 0003 0203 1103"
		header = "fe534d42 4000 0000 00000000 0000 0100 01000000 00000000 0700000000000000 fffe0000 00000000 0000000000000000 00000000000000000000000000000000"
		guid   = "7b0a1c52d3e94f608a17c4b5e6f70812"
		sizes  = "00008000 00008000 00008000"
		time   = "f0896f25eb53bf01 0000000000000000" // 2000-01-01, when virtual time begins, and 15 ms
		token  = "605e 06062b0601050502 a054 3052 a024 3022 06092a864882f712010202 06092a864886f712010202 060a2b06010401823702020a" +
			"a32a 3028 a026 1b24 6e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265"
		contexts = "0100 2600 00000000 0100 2000 0100 00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef 0000" +
			"0200 0400 00000000 0100 0200"
	)
	body := func(mode, dialect, capabilities string) string {
		return header + "4100" + mode + dialect + "0000" + guid + capabilities + sizes + time + "8000 6000 00000000" + token
	}
	newest := func(mode string) string {
		s := strings.Replace(tidy(body(mode, "1103", "2f000000")), "11030000", "11030200", 1)
		return strings.Replace(s, "8000600000000000", "80006000e0000000", 1) + contexts
	}
	failed := func(status string) string {
		return strings.Replace(header, "00000000 0000 0100 01", status+"0000 0100 01", 1) + "0900 0000 00000000 00"
	}
	for _, test := range []struct {
		name    string
		smb     SMB
		offered string
		want    string
	}{
		{"3.1.1 and signing enabled", SMB{}, all, newest("0100")},
		{"3.1.1 and signing required", SMB{SigningRequired: true}, all, newest("0300")},
		{"the client's best", SMB{}, "0202 1002 0003", body("0100", "0003", "6f000000")},
		{"the server's best", SMB{Dialect: 0x0210}, all, body("0100", "1002", "07000000")},
		{"nothing in common", SMB{Dialect: 0x0210}, "1103", failed("bb0000c0")},
		{"an unknown dialect", SMB{}, "ff02", failed("bb0000c0")},
		{"a status of the test's choice", SMB{Status: 0xc0000022}, all, failed("220000c0")},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connected(t, test.smb.Serve)
				write(t, c, string(raw(t, negotiateSMB(test.offered))))
				got, err := readSMB(c)
				if diff := cmp.Diff(tidy(test.want), got); diff != "" || err != nil {
					t.Errorf("%v, -want +got\n%s", err, diff)
				}
			})
		})
	}
}

func TestSMBCloses(t *testing.T) {
	negotiate := negotiateSMB("0202")
	for name, test := range map[string]struct {
		smb SMB
		ask string
	}{
		"SMB1":                     {SMB{}, "00000068 ff534d42" + strings.Repeat("00", 100)},
		"SMB1, that of Windows 10": {SMB{}, "00000045 ff534d4272000000001853c8000000000000000000000000fffffffe00000000002200024e54204c4d20302e31320002534d4220322e3030320002534d4220322e3f3f3f00"},
		"SMB2 to SMB1 alone":       {SMB{SMB1Only: true}, negotiate},
		"anything but NEGOTIATE":   {SMB{}, strings.Replace(negotiate, "00000000 0000 0100", "00000000 0100 0100", 1)},
		"a frame without end":      {SMB{}, "00ffffff"},
		"a frame without a header": {SMB{}, "00000004 fe534d42"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connected(t, test.smb.Serve)
				write(t, c, string(raw(t, test.ask)))
				if got, err := exhaust(c); got != "" || err != nil {
					t.Errorf("got %x, %v, want the end", got, err)
				}
			})
		})
	}
}
