package winhost

import (
	"strings"
	"sync"
	"time"

	"github.com/gpreach/gpreach/internal/winhost/logon"
	"github.com/gpreach/gpreach/rpc"
)

// An Account is who may log on to a host.
type Account struct {
	Name, Password string
	Rights         Rights
}

// Rights are what an account may do on a host.
type Rights uint8

// The rights, each what one route of gpreach needs.
const (
	OpenPipe     Rights = 1 << iota // \PIPE\eventlog, and the log behind it
	ReadLogs                        // the channels, by EventLog's own port
	ReadTasks                       // the Task Scheduler's folders
	RegisterTask                    // tasks in them, also those that are only validated
	Activate                        // remote activation by DCOM
	ReadRSoP                        // WMI's namespace root\rsop
	ReadCIMV2                       // WMI's namespace root\cimv2
)

// The roles that Windows' groups make of them.
const (
	Nobody         Rights = 0
	EventLogReader        = OpenPipe | ReadLogs
	DCOMUser              = Activate
	Administrator         = OpenPipe | ReadLogs | ReadTasks | RegisterTask | Activate | ReadRSoP | ReadCIMV2
)

// Admit lets accounts log on, by NTLM, and by Kerberos with tickets of Grant's, to SMB
// and RPC; and WMI is on a port of its own.
func (h *Host) Admit(accounts ...Account) {
	h.Accounts = accounts
	h.Keys = []logon.Key{logon.NewKey()}
	if h.WMI.Port == 0 {
		h.WMI.Port = dynamicWMI
	}
	h.Ports[h.WMI.Port] = Port{Serve: h.Winmgmt().Serve}
	h.smb.Host = h
	h.Ports[smbPort] = Port{Serve: h.smb.Serve}
}

// UseKeytab lets clients log on with tickets that a real KDC makes: the file's keys of
// this host take the place of its own.
func (h *Host) UseKeytab(file []byte) (err error) {
	h.Keys, err = logon.ReadKeytab(file, h.Name+"$", "host/"+h.DNSName, "cifs/"+h.DNSName)
	return err
}

// Tickets returns a ccache file with tickets of a user of the hosts' domain for their
// services host and cifs, which no KDC has made.
func Tickets(user string, valid time.Duration, hosts ...*Host) ([]byte, error) {
	realm := ""
	if len(hosts) > 0 {
		realm = strings.ToUpper(hosts[0].Domain)
	}
	cache := logon.NewCache(user, realm)
	for _, h := range hosts {
		for _, class := range []string{"cifs/", "host/"} {
			if err := cache.Grant(class+h.DNSName, h.Keys[0], valid, h.PAC); err != nil {
				return nil, err
			}
		}
	}
	return cache.Bytes(), nil
}

func (h *Host) admits() bool { return len(h.Accounts) > 0 }

// door returns what a logon needs to know.
func (h *Host) door() *logon.Host {
	return &logon.Host{
		Names: []string{h.Name, h.DNSName}, Challenge: h.challenge, Keys: h.Keys, NoNTLM: h.NoNTLM,
		Domains: []string{h.netBIOSDomain(), h.Domain, h.Name}, Clock: h.Clock, Replays: &h.replays,
		Judged: func(err error) {
			h.meet(func(m *Met) {
				m.Logons++
				if err != nil {
					m.Failed++
				}
			})
		},
		Password: func(user string) (string, bool) {
			a := h.account(user)
			return a.Password, a.Name != ""
		},
	}
}

// account returns an account, the zero Account for one that there is not.
func (h *Host) account(user string) Account {
	for _, a := range h.Accounts {
		if strings.EqualFold(a.Name, user) {
			return a
		}
	}
	return Account{}
}

// rightsOf returns a user's. A user of the domain whom the host does not know has none.
func (h *Host) rightsOf(user string) Rights { return h.account(user).Rights }

// Left is what clients have left behind on a host: what they were given and have not
// given back, also where the connection is gone, at whose end a real host would take
// back most of it.
type Left struct {
	Sessions, Trees, Files int // of SMB
	Handles                int // of RPC
	References             int // to objects of DCOM
	Tasks                  int // registered
}

// Met is what clients have done on a host that leaves nothing behind, and that they are
// to do as seldom as they can.
type Met struct {
	Logons, Failed int // proofs of who a client is, and those of them that were refused
	Unsigned       int // requests of SMB without a signature, of who has logged on
}

// A ledger counts what is left, and what is met.
type ledger struct {
	mu   sync.Mutex
	left Left
	met  Met
	last uint32 // handle or object given out

	objects map[rpc.UUID]object
}

// Left returns what is left behind.
func (h *Host) Left() Left {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	return h.ledger.left
}

// Met returns what the host has met.
func (h *Host) Met() Met {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	return h.ledger.met
}

// meet changes what the host has met.
func (h *Host) meet(change func(*Met)) {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	change(&h.ledger.met)
}

// count changes what is left.
func (h *Host) count(change func(*Left)) {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	change(&h.ledger.left)
}

// number returns a number that was not given out before.
func (h *Host) number() uint32 {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	h.ledger.last++
	return h.ledger.last
}
