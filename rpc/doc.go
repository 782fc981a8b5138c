// Package rpc is as much of a connection-oriented DCE/RPC client (C706 with
// [MS-RPCE]) as it takes to ask a strange host, without a logon, which services
// it offers: bind, alter_context, call; the endpoint mapper's ept_map,
// IObjectExporter's ServerAlive2, and the NTLM challenge.
//
// A Conn works on a connection that its caller opened, bounded by deadlines
// and closes; the package never dials, logs, sleeps or starts a goroutine. No
// more than 64 KiB of a reply is taken, and nothing is allocated for a length
// that was not bounded. Replies are accepted in either byte order and in any
// fragments.
//
// Errors are one of *Fault, *BindNak, *Rejected, *Status, ErrNotRegistered,
// one that wraps wire.ErrGarbled, or the connection's own.
package rpc
