// Package secure climbs on with a credential where a route was climbed without
// one: over SMB to the pipe of the event log, by RPC to EventLog's and Task
// Scheduler's own ports, and through DCOM to WMI at the port that it names.
// It tries steps and says what came of each; what they mean probe decides.
//
// One mechanism is used at a host, chosen before the first byte: Kerberos, or,
// where it is allowed, NTLM for a target that is an address or that the KDC does
// not know. Nothing is tried twice, and nothing any longer once the credential is
// stopped.
//
// The protocols are those of go-smb2 and go-msrpc, which see nothing but what
// internal/guard let through, and which never dial, ask a KDC or read a file.
package secure
