package probe

import "time"

// redials returns how long after the dial before it each further dial to a port
// is begun: at half the timeout and at three quarters.
func redials(timeout time.Duration) [2]time.Duration {
	return [2]time.Duration{timeout / 2, timeout / 4}
}

const (
	noSYNRetransmissions = 0xFE   // TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS
	unspecifiedRTT       = 0xFFFF // TCP_INITIAL_RTO_UNSPECIFIED_RTT
)

// initialRTO is TCP_INITIAL_RTO_PARAMETERS, by which a Windows socket is told
// when to send its SYN again.
type initialRTO struct {
	rtt                   uint16 // milliseconds; 0xFFFF leaves it unspecified
	maxSYNRetransmissions uint8
}

// oneSYN describes a connect that waits timeout for the answer to its one SYN,
// and what comes nearest: the system's own first wait, and before Windows
// 10.0.16299 the fewest retransmissions that it could be told.
func oneSYN(timeout time.Duration) []initialRTO {
	wait := max(1, min(timeout.Milliseconds(), unspecifiedRTT-1))
	return []initialRTO{{uint16(wait), noSYNRetransmissions}, {unspecifiedRTT, noSYNRetransmissions}, {unspecifiedRTT, 1}}
}
