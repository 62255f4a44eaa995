package transport

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ClientAddr is the address that a request came from, as Conn.RemoteIP has it: behind trusted proxies the client's.
func (s *Server) ClientAddr(r *http.Request) netip.Addr { return s.cfg.clientAddr(r).Addr() }

// clientAddr is the address that an upgrade request came from: the peer's, or, if that is a trusted proxy, the
// rightmost X-Forwarded-For entry that is not one. What stands left of it was written by the client and proves nothing.
func (c *Config) clientAddr(r *http.Request) netip.AddrPort {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	peer = unmapped(peer)
	if !c.trusted(peer.Addr()) {
		return peer
	}
	client := peer
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		ip, ok := parseHop(hops[i])
		if !ok {
			break
		}
		client = netip.AddrPortFrom(ip, 0)
		if !c.trusted(ip) {
			break
		}
	}
	return client
}

// parseHop reads one entry: an address, with or without a port, an IPv6 address with or without brackets.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	if ap, err := netip.ParseAddrPort(hop); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]"))
	return ip.Unmap().WithZone(""), err == nil
}

// addrPort is the address of a socket's end, zero if it is no IP address.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return unmapped(t.AddrPort())
	}
	return netip.AddrPort{}
}

func unmapped(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
