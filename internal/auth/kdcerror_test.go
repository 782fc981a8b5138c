package auth

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

func extError(status uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, status)
	return append(b, 0, 0, 0, 0, 1, 0, 0, 0)
}

func TestNTStatus(t *testing.T) {
	value := extError(statusLockedOut)
	for name, tt := range map[string]struct {
		edata []byte
		want  uint32
	}{
		"method data":   {marshal(types.PADataSequence{{PADataType: 19}, {PADataType: 3, PADataValue: value}}), statusLockedOut},
		"typed data":    {marshal(types.TypedDataSequence{{DataType: 3, DataValue: value}}), statusLockedOut},
		"error data":    {marshal(types.PAData{PADataType: 3, PADataValue: value}), statusLockedOut},
		"another kind":  {marshal(types.PADataSequence{{PADataType: 2, PADataValue: value}}), 0},
		"a salt":        {marshal(types.PADataSequence{{PADataType: 3, PADataValue: []byte("CORP.EXAMPLEalice")}}), 0},
		"bare":          {value, 0},
		"none":          {nil, 0},
		"not even ASN1": {[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, 0},
	} {
		if got := ntStatus(tt.edata); got != tt.want {
			t.Errorf("%s: %08X", name, got)
		}
	}
}

func TestSentences(t *testing.T) {
	now := time.Unix(2e9, 0)
	tests := []struct {
		code    int32
		service string
		status  uint32
		want    string
	}{
		{6, "", 0, "Realm CORP.EXAMPLE has no account of this name (Kerberos error 6)"},
		{7, "cifs/ws-001", 0, "Realm CORP.EXAMPLE knows no service cifs/ws-001: is this the host's name in the directory? (Kerberos error 7)"},
		{12, "", 0, "A policy of the directory forbids the account to log on here"},
		{12, "cifs/ws-001", 0, "A policy of the directory forbids the account this host"},
		{12, "", statusBadPlace, "may not log on from this machine"},
		{14, "", 0, "no key of a kind that can be used"},
		{18, "", 0, "disabled, locked out or expired"},
		{18, "", statusLockedOut, "locked out, after too many wrong passwords from somewhere (Kerberos error 18, status 0xC0000234)"},
		{18, "", statusDisabled, "is disabled"},
		{18, "", statusExpired, "has expired"},
		{18, "", statusBadHours, "at this hour"},
		{23, "", 0, "password has expired, or must be changed"},
		{23, "", statusMustChange, "must be changed"},
		{23, "", statusPasswordAged, "password has expired"},
		{24, "", 0, "password is wrong"},
		{24, "", statusWrongPassword, "password is wrong"},
		{25, "", 0, "smart card"},
		{29, "", 0, "cannot serve"},
		{32, "cifs/ws-001", 0, "has expired"},
		{37, "", 0, "10m0s ahead"},
		{41, "cifs/ws-001", 0, "could not decrypt"},
		{60, "", 0, "without telling why"},
		{68, "", 0, "another realm, EVIL?[2J"},
		{13, "", 0, "The KDC refused with code 13 (KDC_ERR_BADOPTION) (Kerberos error 13)"},
		{999, "", 0, "The KDC refused with code 999 (Kerberos error 999)"},
		{-1, "", 0, "The KDC refused with code -1"},
	}
	for _, tt := range tests {
		c := credentialFor(t, "alice@corp.example", testPassword, nil)
		c.now = func() time.Time { return now }
		m := &messages.KRBError{ErrorCode: tt.code, STime: now.Add(-10 * time.Minute), CRealm: "EVIL\x1b[2J"}
		if tt.status != 0 {
			m.EData = marshal(types.PADataSequence{{PADataType: 3, PADataValue: extError(tt.status)}})
		}
		e := c.refusal(firstKDC, tt.service, m)
		if !strings.Contains(e.Error(), tt.want) || e.Text == "" || !strings.HasSuffix(e.Text, ".") && !strings.HasSuffix(e.Text, "?") {
			t.Errorf("%d: %s; want %s", tt.code, e, tt.want)
		}
		if e.NTStatus != tt.status || e.IsLockedOut() != (tt.status == statusLockedOut) || e.KDC != firstKDC {
			t.Errorf("%d: %+v", tt.code, e)
		}
		if e.Stops() && c.Why() != e.Error() {
			t.Errorf("%d: stopped because %q", tt.code, c.Why())
		}
	}
}

func TestSayName(t *testing.T) {
	if got := sayName("a\x1b[2Jé\n" + strings.Repeat("b", 300)); got != "a?[2J??"[:6]+"?"+strings.Repeat("b", 193) {
		t.Errorf("%q", got)
	}
}
