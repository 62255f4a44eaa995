package gateway

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// names is a DNS server for this process that answers for the names set, with addresses of IPv4; others do not exist.
type names struct {
	conn net.PacketConn

	mu   sync.Mutex // protects addr
	addr map[string]netip.Addr
}

// newNames has the resolver of this process ask a server of its own until the test ends. Not for parallel tests.
func newNames(t *testing.T) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{conn: conn, addr: map[string]netip.Addr{}}
	served := make(chan struct{})
	go func() { defer close(served); n.serve() }()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = conn.Close()
		<-served
	})
	return n
}

// set gives a name, with its final dot, an address.
func (n *names) set(name, addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addr[name] = netip.MustParseAddr(addr)
}

func (n *names) serve() {
	buf := make([]byte, 512)
	for {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := n.answer(buf[:size]); answer != nil {
			_, _ = n.conn.WriteTo(answer, from)
		}
	}
}

// answer answers a query with one question (RFC 1035, section 4): header of 12 bytes, labels, type, class.
func (n *names) answer(query []byte) []byte {
	name, at := "", 12
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end > len(query) {
			return nil
		}
		name += strings.ToLower(string(query[at+1:end])) + "."
		at = end
	}
	if at+5 > len(query) {
		return nil
	}
	question, kind := query[12:at+5], binary.BigEndian.Uint16(query[at+1:])
	n.mu.Lock()
	addr, known := n.addr[name]
	n.mu.Unlock()
	head := []byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}
	switch {
	case !known:
		head[3] |= 3 // no such name
	case kind == 1: // A
		head[7] = 1
	}
	out := append(head, question...)
	if head[7] == 1 {
		ip := addr.As4()
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the name of the question, A, IN, no time to live, 4 bytes
		out = append(out, ip[:]...)
	}
	return out
}
