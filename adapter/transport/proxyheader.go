package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol (haproxy's proxy-protocol.txt) puts one header before the first byte of a connection.
//
// Version 1: "PROXY TCP4|TCP6 <source> <destination> <source port> <destination port>\r\n", at most 107 bytes, or
// "PROXY UNKNOWN...\r\n".
//
// Version 2: 12 B signature | 1 B version 2 and command (0 LOCAL, 1 PROXY) | 1 B family (1 IPv4, 2 IPv6, 3 unix) and
// protocol | 2 B length of the rest | source, destination, source port, destination port | TLVs, ignored.
const (
	proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV1Max       = 107
	proxyV2Max       = 4096 // addresses take 216 bytes at most, TLVs a few hundred
)

var errProxyHeader = errors.New("no valid PROXY protocol header")

// readProxyHeader reads the header from r and not one byte more. The address is the client's; it is zero if the proxy
// speaks for itself (LOCAL, a health check) or does not know (UNKNOWN, unix socket), and the peer's own counts then.
func readProxyHeader(r io.Reader) (netip.AddrPort, error) {
	var start [len(proxyV2Signature)]byte // as long as the signature, shorter than any header of version 1
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return netip.AddrPort{}, fmt.Errorf("read proxy header: %w", err)
	}
	if string(start[:]) == proxyV2Signature {
		return readProxyV2(r)
	}
	if bytes.HasPrefix(start[:], []byte("PROXY ")) {
		return readProxyV1(r, start[:])
	}
	return netip.AddrPort{}, errProxyHeader
}

func readProxyV1(r io.Reader, start []byte) (netip.AddrPort, error) {
	line := make([]byte, len(start), proxyV1Max)
	copy(line, start)
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == proxyV1Max {
			return netip.AddrPort{}, errProxyHeader
		}
		n := len(line)
		if _, err := io.ReadFull(r, line[n:n+1]); err != nil {
			return netip.AddrPort{}, fmt.Errorf("read proxy header: %w", err)
		}
		line = line[:n+1]
	}
	return parseProxyV1(string(line[:len(line)-2]))
}

func parseProxyV1(line string) (netip.AddrPort, error) {
	f := strings.Split(line, " ")
	if f[1] == "UNKNOWN" {
		return netip.AddrPort{}, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return netip.AddrPort{}, errProxyHeader
	}
	ip, err := netip.ParseAddr(f[2])
	if err != nil || ip.Is4() != (f[1] == "TCP4") || ip.Zone() != "" {
		return netip.AddrPort{}, errProxyHeader
	}
	port, err := strconv.ParseUint(f[4], 10, 16)
	if err != nil {
		return netip.AddrPort{}, errProxyHeader
	}
	return unmapped(netip.AddrPortFrom(ip, uint16(port))), nil
}

func readProxyV2(r io.Reader) (netip.AddrPort, error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return netip.AddrPort{}, fmt.Errorf("read proxy header: %w", err)
	}
	length := int(binary.BigEndian.Uint16(fixed[2:]))
	if fixed[0]>>4 != 2 || length > proxyV2Max {
		return netip.AddrPort{}, errProxyHeader
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return netip.AddrPort{}, fmt.Errorf("read proxy header: %w", err)
	}
	switch fixed[0] & 0x0f {
	case 0:
		return netip.AddrPort{}, nil
	case 1:
		return parseProxyV2(fixed[1]>>4, rest)
	}
	return netip.AddrPort{}, errProxyHeader
}

func parseProxyV2(family byte, b []byte) (netip.AddrPort, error) {
	size := 0
	switch family {
	case 1:
		size = 4
	case 2:
		size = 16
	default:
		return netip.AddrPort{}, nil
	}
	if len(b) < 2*size+4 {
		return netip.AddrPort{}, errProxyHeader
	}
	ip, _ := netip.AddrFromSlice(b[:size])
	return unmapped(netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2*size:]))), nil
}
