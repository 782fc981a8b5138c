// Package probe asks whether Group Policy Results and a remote gpupdate can
// reach a Windows host, and where the way breaks.
//
// Rules is Microsoft's table as data. A Prober climbs the Route of each rule
// stage by stage and keeps a Trail of what it saw; judge turns a trail into a
// Verdict; the Report holds it all. Only the climbing touches the network.
//
// What was seen is never guessed at: a rule that could not be proved either
// way is Unknown, neither good nor bad. Nothing is written to a host, no logon
// is tried, and only the address that was resolved or given is ever dialled.
package probe
