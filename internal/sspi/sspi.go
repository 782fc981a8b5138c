// Package sspi proves the current user to a host by Windows' Security Support
// Provider Interface: Windows holds the logon session, makes the tokens and keeps the
// keys, so no password is seen here.
//
// A Context is the loop over the system's calls, which are a struct: on Windows
// System fills it, and a test fills it with functions of its own. The packages are
// Kerberos and NTLM, each by itself, never Negotiate: which of the two is used is
// decided before, and no host can change it.
package sspi

// A Package is a security package of Windows.
type Package string

// The packages that are used.
const (
	Kerberos Package = "Kerberos"
	NTLM     Package = "NTLM"
)

// A Use is what a context is for.
type Use int

const (
	// SMB takes a framed token, and wants a session key.
	SMB Use = iota
	// RPC takes three bare tokens, DCE style, and seals messages.
	RPC
)

// Flags of InitializeSecurityContext, as asked and as granted. Delegation is never
// asked for.
const (
	MutualAuth      = 0x00000002
	ReplayDetect    = 0x00000004
	SequenceDetect  = 0x00000008
	Confidentiality = 0x00000010
	DCEStyle        = 0x00000200
	Connection      = 0x00000800
	Integrity       = 0x00010000
)

// flags returns what a context is asked to be, all of which but Connection it must
// become. NTLM proves no host, and has three legs anyway. SMB encrypts by keys of its
// own, so that a server need not offer to seal.
func flags(p Package, u Use) uint32 {
	f := uint32(ReplayDetect | SequenceDetect | Integrity | Connection)
	if u == RPC {
		f |= Confidentiality
	}
	if p == Kerberos {
		f |= MutualAuth
	}
	if p == Kerberos && u == RPC {
		f |= DCEStyle
	}
	return f
}

// A Handle is a CredHandle or CtxtHandle: two words that only Windows understands.
type Handle struct{ Lower, Upper uintptr }

// Types of a Buffer.
const (
	Data  = 1
	Token = 2
	// SignedOnly is data that is signed and sent as it is: SECBUFFER_DATA with
	// SECBUFFER_READONLY_WITH_CHECKSUM.
	SignedOnly = Data | 0x10000000
)

// A Buffer is a SecBuffer. Windows works in its data, and may shorten a token.
type Buffer struct {
	Type uint32
	Data []byte
}

// A Protection is what is done with a message.
type Protection int

// The protections: MakeSignature, VerifySignature, EncryptMessage, DecryptMessage.
const (
	Sign Protection = iota
	Verify
	Seal
	Unseal
)

// Sizes are those of a context's tokens.
type Sizes struct{ Signature, Sealing int }

// A Step is a call of InitializeSecurityContext.
type Step struct {
	Credential Handle
	Context    *Handle // nil at the first
	Target     string  // the service principal name
	Flags      uint32
	Token      []byte // of the host; nil at the first
}

// A Progress is what came of a step.
type Progress struct {
	Context Handle // set where the status is no error
	Token   []byte // for the host
	Granted uint32
}

// Calls are the calls of Windows. Each may take as long as a domain controller does.
type Calls struct {
	// User returns the name of the account, DOMAIN\name or name@REALM.
	User func() (string, error)
	// Saved returns the targets for which Windows holds other credentials, which it
	// would use there instead of the account's.
	Saved func() ([]string, error)
	// DomainController returns the DNS name of a domain controller that is a KDC: of the
	// account's domain, or of the machine's.
	DomainController func() (string, error)

	Acquire    func(Package) (credential Handle, status Status)
	Initialize func(Step) (Progress, Status)
	Sizes      func(context Handle) (Sizes, Status)
	SessionKey func(context Handle) ([]byte, Status)
	Protect    func(context Handle, p Protection, buffers []Buffer) Status
	// Delete lets go of a credential's handle, and of the context's if there is one.
	Delete func(credential Handle, context *Handle)
}
