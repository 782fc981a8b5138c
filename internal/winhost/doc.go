// Package winhost simulates Windows hosts and the network in front of them:
// for tests in virtual time, for "gpreach demo", and on real addresses for
// other people's clients to judge.
//
// A Network carries connections to Hosts. A Host is a table of Ports, and a
// Port is a Fate or a function that serves a net.Conn; RPC, SMB and Mute make
// such functions, and a Hostile makes another of a healthy one. Fields are set
// before the first use and only read after it.
//
// A Host that admits accounts lets them log on by NTLM and by Kerberos, to SMB and to
// RPC, says what each may do, and counts what clients leave behind. Package logon has
// the acceptors.
//
// The replies are written from tables and hex of this package's own, never by
// the code of rpc or smb, so that one mistake is not made twice.
package winhost
