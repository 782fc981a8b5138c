// Package guard stands between a host and the libraries that log on to it, which
// were made for servers that can be trusted: their decoders allocate for lengths
// of the wire and panic on messages cut short.
//
// RPC and SMB are connections that let nothing through to the library but whole
// messages that answer what was asked, with every length and offset inside.
// What else comes is an error that wraps wire.ErrGarbled, and closes the
// connection. A Conversation bounds the library itself: its sockets are closed by
// force when a stage is over time or the credential is stopped, and a panic on our
// own goroutine is an error. Nothing else can be done about a goroutine of the
// library's own, which is why the connections are so strict.
package guard
