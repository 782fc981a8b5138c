package winhost

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The interfaces and the transfer syntaxes, as they stand in a bind.
const (
	epmHex         = "0883afe11f5dc91191a408002b14a0fa 03000000"
	eventLogHex    = "f7afbef6191ebb4f9f8fb89e2018337c 01000000"
	scheduleHex    = "4959d386c9834440b424db363231fd0c 01000000"
	oxidHex        = "c4fefc9960521b10bbcb00aa0021347a 00000000"
	remUnknown2Hex = "4301000000000000c000000000000046 00000000"
	ndrHex         = "045d888aeb1cc9119fe808002b104860 02000000"
	ndr64Hex       = "33057171babe37498319b5dbef9ccc36 01000000"
	featuresHex    = "2c1cb76c129840450300000000000000 01000000"
)

// raw decodes hex with white space.
func raw(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tidy returns hex without white space, to compare.
func tidy(s string) string { return strings.Join(strings.Fields(s), "") }

// pduHex returns a PDU in one fragment: its length is filled in.
func pduHex(kind, call, body string) string {
	n := byte(16 + len(tidy(body))/2)
	return "0500" + kind + "03 10000000" + hex.EncodeToString([]byte{n, 0}) + "0000" + call + body
}

// bindHex returns a bind of one context.
func bindHex(abstract, transfer string) string {
	return pduHex("0b", "01000000", "d016d016 00000000 01000000 0000 0100"+abstract+transfer)
}

// callHex returns a request on context 0.
func callHex(opnum, stub string) string {
	return pduHex("00", "02000000", "00000000 0000"+opnum+stub)
}

// towerHex returns the floors of a TCP tower.
func towerHex(abstract, port, address string) string {
	uuid, major := tidy(abstract)[:32], tidy(abstract)[32:36]
	return "0500 1300 0d" + uuid + major + "0200 0000 1300 0d 045d888aeb1cc9119fe808002b104860 0200 0200 0000" +
		"0100 0b 0200 0000 0100 07 0200" + port + "0100 09 0400" + address
}

// mapHex returns an ept_map of an interface, for at most four towers.
func mapHex(abstract string) string {
	return callHex("0300", "01000000 00000000000000000000000000000000 02000000 4b000000 4b000000"+
		towerHex(abstract, "0087", "00000000")+"00"+"0000000000000000000000000000000000000000"+"04000000")
}

// readReply reads a PDU, whichever byte order it is in.
func readReply(c net.Conn) (string, error) {
	h := make([]byte, 16)
	if _, err := io.ReadFull(c, h); err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint16(h[8:])
	if h[4] == 0 {
		n = binary.BigEndian.Uint16(h[8:])
	}
	body := make([]byte, n-16)
	_, err := io.ReadFull(c, body)
	return hex.EncodeToString(append(h, body...)), err
}

// converse sends each request in turn to a service of an in-memory host's port
// and returns the answers, and how the connection ended, if it did.
func converse(t *testing.T, serve func(net.Conn), port uint16, requests ...string) []string {
	t.Helper()
	h := &Host{Addrs: []netip.Addr{netip.MustParseAddr("10.77.0.101")}, RTT: 2 * time.Millisecond, Ports: map[uint16]Port{port: {Serve: serve}}}
	c, err := NewNetwork(h).Dial(context.Background(), "tcp", netip.AddrPortFrom(h.Addrs[0], port).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var answers []string
	for _, r := range requests {
		if _, err := c.Write(raw(t, r)); err != nil {
			return append(answers, err.Error())
		}
		a, err := readReply(c)
		if err != nil {
			return append(answers, err.Error())
		}
		answers = append(answers, a)
	}
	return answers
}

// exhaust reads a connection to its end.
func exhaust(c net.Conn) (string, error) {
	var b bytes.Buffer
	_, err := io.Copy(&b, c)
	return b.String(), err
}
