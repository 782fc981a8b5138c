package exporter

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// checkHost lets only requests pass whose Host is this machine by loopback or
// by a listen address, so that a page in an administrator's browser cannot
// reach us under a name of its own that it points here (DNS rebinding).
func (e *Exporter) checkHost(listen []net.Addr, next http.Handler) http.Handler {
	var own []netip.Addr
	for _, l := range listen {
		own = append(own, address(l))
	}
	wildcard := slices.ContainsFunc(own, netip.Addr.IsUnspecified)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		allowed := own
		if arrived, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && wildcard {
			allowed = append(slices.Clip(own), address(arrived))
		}
		if !isOwn(r.Host, e.config.Hosts, allowed) {
			e.reject(w, http.StatusMisdirectedRequest, wrongHost,
				"This request names another host: ask for a loopback address or for the address that gpreach serve listens on.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOwn reports whether a Host header, whatever its port, is loopback or one
// of the names or addresses.
func isOwn(hostport string, names []string, own []netip.Addr) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	for _, name := range append([]string{"localhost"}, names...) {
		if strings.EqualFold(strings.TrimSuffix(host, "."), name) {
			return true
		}
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.IsUnspecified() {
		return false
	}
	a = a.Unmap().WithZone("")
	return a.IsLoopback() || slices.Contains(own, a)
}

// address returns the address without port and zone, or the zero Addr of what
// is not TCP.
func address(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}
