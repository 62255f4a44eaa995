package outgoing

import (
	"fmt"
	"net/netip"
	"strings"
)

// special are addresses that are not of the public internet, from the IANA special-purpose registries (RFC 6890), and the
// public address under which Azure's machines find their platform.
var special = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers; Alibaba's metadata
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"), // Azure
	netip.MustParsePrefix("169.254.0.0/16"),   // metadata of most platforms
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), // metadata of Oracle
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.31.196.0/24"),
	netip.MustParsePrefix("192.52.193.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("192.175.48.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"), // multicast, reserved, broadcast
	// Of IPv6 only 2000::/3 is public, without:
	netip.MustParsePrefix("2001::/23"), // Teredo, ORCHID, benchmarking
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: another way to write any IPv4 address
	netip.MustParsePrefix("2620:4f:8000::/48"),
	netip.MustParsePrefix("3fff::/20"),
}

var (
	global = netip.MustParsePrefix("2000::/3")
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // an IPv4 address in its last 4 bytes
)

// Public reports whether an address is one of the public internet.
func Public(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if !a.IsValid() {
		return false
	}
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Allow says what may be called beside public addresses by https: by http too. The zero value: nothing.
type Allow struct {
	nets  []netip.Prefix
	names map[string]bool // lower case; with "." in front all names below
}

// ParseAllow reads a list of addresses, networks (10.0.0.0/8) and names (hooks.internal, *.internal).
func ParseAllow(list []string) (Allow, error) {
	a := Allow{names: make(map[string]bool)}
	for _, one := range list {
		if p, err := netip.ParsePrefix(one); err == nil {
			if p.Addr().Is4In6() {
				return Allow{}, fmt.Errorf("%q: write it as IPv4", one)
			}
			a.nets = append(a.nets, p.Masked())
			continue
		}
		if ip, err := netip.ParseAddr(one); err == nil {
			ip = ip.WithZone("").Unmap()
			a.nets = append(a.nets, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		name := strings.TrimPrefix(strings.ToLower(one), "*")
		if bare := strings.TrimPrefix(name, "."); bare == "" || strings.HasPrefix(one, "*") != strings.HasPrefix(name, ".") || !isName(bare) {
			return Allow{}, fmt.Errorf("%.100q is no address, network or host name", one)
		}
		a.names[name] = true
	}
	return a, nil
}

func isName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	})
}

func (a *Allow) addr(ip netip.Addr) bool {
	for _, p := range a.nets {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// host reports whether a name, as a URL has it, is allowed wherever it leads.
func (a *Allow) host(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if a.names[name] {
		return true
	}
	for i := range len(name) {
		if name[i] == '.' && a.names[name[i:]] {
			return true
		}
	}
	return false
}
