package exporter

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// checkHost lets only requests pass whose Host is this machine by loopback, by a
// listen address or as an external host, so that a page in an administrator's
// browser cannot reach us under a name of its own that it points here (DNS
// rebinding). All answers get headers that keep a browser from making more of
// them than they are.
func (e *Exporter) checkHost(listen []net.Addr, next http.Handler) http.Handler {
	var own []netip.Addr
	for _, l := range listen {
		own = append(own, address(l))
	}
	wildcard := slices.ContainsFunc(own, netip.Addr.IsUnspecified)
	listed := hostNames(e.config.Settings.Listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // the page has its own
		allowed := own
		if arrived, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && wildcard {
			allowed = append(slices.Clip(own), address(arrived))
		}
		if !isOwn(r.Host, slices.Concat(listed, e.generation().settings.ExternalHosts), allowed) {
			e.reject(w, http.StatusMisdirectedRequest, wrongHost,
				"This request names another host: ask for a loopback address or for the address that gpreach serve listens on, or list the name in external_hosts of its configuration.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostNames returns the names among addresses to listen on: requests may ask for
// this machine by them.
func hostNames(addresses []string) []string {
	var names []string
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		if _, notLiteral := netip.ParseAddr(host); err == nil && notLiteral != nil && host != "" {
			names = append(names, host)
		}
	}
	return names
}

// isOwn reports whether a Host header, whatever its port, is loopback or one
// of the names or addresses. Names may be addresses too.
func isOwn(hostport string, names []string, own []netip.Addr) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	a, err := netip.ParseAddr(host)
	a = a.Unmap().WithZone("")
	for _, name := range append([]string{"localhost"}, names...) {
		listed, errListed := netip.ParseAddr(name)
		if strings.EqualFold(strings.TrimSuffix(host, "."), strings.TrimSuffix(name, ".")) || err == nil && errListed == nil && listed.Unmap() == a {
			return true
		}
	}
	return err == nil && !a.IsUnspecified() && (a.IsLoopback() || slices.Contains(own, a))
}

// Wider reports whether an address listens beyond loopback.
func Wider(listen ...net.Addr) bool {
	return slices.ContainsFunc(listen, func(a net.Addr) bool { return a.Network() == "tcp" && !address(a).IsLoopback() })
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
