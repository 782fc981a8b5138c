package auth

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	testRealm    = "CORP.EXAMPLE"
	testPassword = "Pintail-Ninety-Nine!"
	firstKDC     = "192.0.2.1:88"
	secondKDC    = "192.0.2.2:88"
	aes256       = 18
)

// A fakeKDC knows one account, "alice", and any host but "nobody". It is made of
// gokrb5's messages like what it tests, so it proves the flow, not the encoding:
// lab/auth_test.go has a real one.
type fakeKDC struct {
	t       *testing.T
	account []int32 // the ciphers that it has keys of the account for
	service []int32 // and of services
	now     func() time.Time

	// What may be spoiled.
	answer func(request []byte) (reply []byte, ok bool) // before it looks
	info   func(*types.ETypeInfo2)
	refuse func(cname, sname string) int32
	reply  func(*messages.KDCRepFields, *messages.EncKDCRepPart)

	mu         sync.Mutex
	requests   int
	timestamps int
}

func newFakeKDC(t *testing.T) *fakeKDC {
	return &fakeKDC{t: t, account: []int32{aes256}, service: []int32{aes256}, now: time.Now}
}

// serve answers one request.
func (k *fakeKDC) serve(conn net.Conn) {
	defer conn.Close()
	var header [4]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return
	}
	request := make([]byte, binary.BigEndian.Uint32(header[:]))
	if _, err := io.ReadFull(conn, request); err != nil {
		return
	}
	k.mu.Lock()
	k.requests++
	k.mu.Unlock()
	var reply []byte
	if k.answer != nil {
		var ok bool
		if reply, ok = k.answer(request); ok {
			if reply != nil {
				_, _ = conn.Write(reply)
			} else {
				_, _ = io.Copy(io.Discard, conn) // hangs until the client leaves
			}
			return
		}
	}
	switch request[0] {
	case 0x6a:
		reply = k.as(request)
	case 0x6c:
		reply = k.tgs(request)
	}
	_, _ = conn.Write(framed(reply))
}

// count is how many requests have come.
func (k *fakeKDC) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.requests
}

func framed(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (k *fakeKDC) error(code int32, edata []byte) []byte {
	m := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", testRealm}}, testRealm, code, "")
	m.STime, m.EData = k.now().UTC(), edata
	return must(m.Marshal())
}

// common is the best cipher of ours that was asked for, or 0.
func common(ours, asked []int32) int32 {
	for _, e := range ours {
		if slices.Contains(asked, e) {
			return e
		}
	}
	return 0
}

func (k *fakeKDC) as(request []byte) []byte {
	var m messages.ASReq
	if err := m.Unmarshal(request); err != nil {
		k.t.Error(err)
		return nil
	}
	name := m.ReqBody.CName.PrincipalNameString()
	if name != "alice" {
		return k.error(errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, nil)
	}
	if k.refuse != nil {
		if code := k.refuse(name, ""); code != 0 {
			return k.error(code, nil)
		}
	}
	etype := common(k.account, m.ReqBody.EType)
	if etype == 0 {
		return k.error(errorcode.KDC_ERR_ETYPE_NOSUPP, nil)
	}
	const salt = "CORP.EXAMPLEalice"
	cipher := must(crypto.GetEtype(etype))
	key := types.EncryptionKey{KeyType: etype, KeyValue: must(cipher.StringToKey(testPassword, salt, cipher.GetDefaultStringToKeyParams()))}
	i := slices.IndexFunc(m.PAData, func(pa types.PAData) bool { return pa.PADataType == patype.PA_ENC_TIMESTAMP })
	if i < 0 {
		info := types.ETypeInfo2{{EType: etype, Salt: salt}}
		if k.info != nil {
			k.info(&info)
		}
		list := types.PADataSequence{{PADataType: patype.PA_ENC_TIMESTAMP}, {PADataType: patype.PA_ETYPE_INFO2, PADataValue: marshal(info)}}
		return k.error(errorcode.KDC_ERR_PREAUTH_REQUIRED, marshal(list))
	}
	k.mu.Lock()
	k.timestamps++
	k.mu.Unlock()
	var sealed types.EncryptedData
	if err := sealed.Unmarshal(m.PAData[i].PADataValue); err != nil {
		k.t.Error(err)
	}
	plain, err := crypto.DecryptEncPart(sealed, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP)
	if err != nil {
		return k.error(errorcode.KDC_ERR_PREAUTH_FAILED, nil)
	}
	var stamp types.PAEncTSEnc
	if err := stamp.Unmarshal(plain); err != nil {
		k.t.Error(err)
	}
	if stamp.PATimestamp.Sub(k.now()).Abs() > maxSkew {
		return k.error(errorcode.KRB_AP_ERR_SKEW, nil)
	}
	fields, part := k.ticket(m.ReqBody, m.ReqBody.CName, k.account)
	k.seal(&fields, part, key, keyusage.AS_REP_ENCPART)
	rep := messages.ASRep{KDCRepFields: fields}
	rep.MsgType = 11
	return must(rep.Marshal())
}

func krbtgtKey() types.EncryptionKey {
	return types.EncryptionKey{KeyType: aes256, KeyValue: make([]byte, 32)}
}

// ticket makes a ticket and what is told of it.
func (k *fakeKDC) ticket(body messages.KDCReqBody, client types.PrincipalName, has []int32) (messages.KDCRepFields, messages.EncKDCRepPart) {
	now := k.now().UTC().Truncate(time.Second)
	key := types.EncryptionKey{KeyType: common(has, body.EType), KeyValue: make([]byte, 32)}
	if key.KeyType != aes256 && key.KeyType != 20 {
		key.KeyValue = key.KeyValue[:16]
	}
	_, _ = rand.Read(key.KeyValue)
	inner := messages.EncTicketPart{
		Flags: types.NewKrbFlags(), Key: key, CRealm: testRealm, CName: client, AuthTime: now, StartTime: now, EndTime: now.Add(lifetime),
	}
	sealed := must(crypto.GetEncryptedData(asn1tools.AddASNAppTag(marshal(inner), 3), krbtgtKey(), keyusage.KDC_REP_TICKET, 1))
	ticket := messages.Ticket{TktVNO: 5, Realm: testRealm, SName: body.SName, EncPart: sealed}
	fields := messages.KDCRepFields{PVNO: 5, CRealm: testRealm, CName: client, Ticket: ticket}
	return fields, messages.EncKDCRepPart{
		Key: key, Nonce: body.Nonce, Flags: types.NewKrbFlags(), AuthTime: now, StartTime: now, EndTime: now.Add(lifetime),
		SRealm: testRealm, SName: body.SName, LastReqs: []messages.LastReq{{LRValue: now}},
	}
}

func (k *fakeKDC) seal(fields *messages.KDCRepFields, part messages.EncKDCRepPart, key types.EncryptionKey, usage uint32) {
	if k.reply != nil {
		k.reply(fields, &part)
	}
	fields.EncPart = must(crypto.GetEncryptedData(must(part.Marshal()), key, usage, 1))
}

func (k *fakeKDC) tgs(request []byte) []byte {
	var m messages.TGSReq
	if err := m.Unmarshal(request); err != nil {
		k.t.Error(err)
		return nil
	}
	name := m.ReqBody.SName.PrincipalNameString()
	if k.refuse != nil {
		if code := k.refuse("", name); code != 0 {
			return k.error(code, nil)
		}
	}
	if common(k.service, m.ReqBody.EType) == 0 {
		return k.error(errorcode.KDC_ERR_ETYPE_NOSUPP, nil)
	}
	var header messages.APReq
	if err := header.Unmarshal(m.PAData[0].PADataValue); err != nil {
		k.t.Error(err)
	}
	if err := header.Ticket.Decrypt(krbtgtKey()); err != nil {
		k.t.Error(err)
	}
	session := header.Ticket.DecryptedEncPart.Key
	if err := header.DecryptAuthenticator(session); err != nil {
		k.t.Error(err)
	}
	if header.Authenticator.CTime.Sub(k.now()).Abs() > maxSkew {
		return k.error(errorcode.KRB_AP_ERR_SKEW, nil)
	}
	fields, part := k.ticket(m.ReqBody, header.Authenticator.CName, k.service)
	k.seal(&fields, part, session, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	rep := messages.TGSRep{KDCRepFields: fields}
	rep.MsgType = 13
	return must(rep.Marshal())
}

// A dialled connection tells where it was dialled to, which a pipe does not.
type dialled struct {
	net.Conn
	to string
}

func (c dialled) RemoteAddr() net.Addr { return c }
func (c dialled) Network() string      { return "tcp" }
func (c dialled) String() string       { return c.to }

// network dials KDCs by their addresses; at every other nobody listens.
func network(kdcs map[string]*fakeKDC) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		k, ok := kdcs[address]
		if !ok {
			return nil, syscall.ECONNREFUSED
		}
		if k == nil {
			<-ctx.Done() // a firewall drops it
			return nil, ctx.Err()
		}
		near, far := net.Pipe()
		go k.serve(far)
		return dialled{near, address}, nil
	}
}

// credentialFor is a credential with a password in front of KDCs, in this order.
func credentialFor(t *testing.T, user, password string, kdcs map[string]*fakeKDC, order ...string) *Credential {
	t.Helper()
	var p profile
	if len(order) == 0 {
		order = slices.Sorted(maps.Keys(kdcs))
	}
	p.addRealm(testRealm, order)
	a, err := parseAccount(user, p)
	if err != nil {
		t.Fatal(err)
	}
	c := newCredential(a, newSecret(user, material{password: password}), p)
	c.dial = network(kdcs)
	return c
}

func asKDCError(t *testing.T, err error) *KDCError {
	t.Helper()
	var e *KDCError
	if !errors.As(err, &e) {
		t.Fatalf("%v; want a KDCError", err)
	}
	return e
}

// writeFile makes a file that only its owner may read.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func hostName(host string) types.PrincipalName {
	return types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: strings.Split(host, "/")}
}
