package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestForwardedFor(t *testing.T) {
	cfg := Config{TrustedProxies: prefixes("10.0.0.0/8", "fd00::/8")}
	for _, tc := range []struct {
		peer string
		hops []string
		want string
	}{
		{"192.0.2.1:999", nil, "192.0.2.1:999"},
		{"192.0.2.1:999", []string{"198.51.100.7"}, "192.0.2.1:999"}, // nobody we know says so
		{"[::ffff:192.0.2.1]:999", nil, "192.0.2.1:999"},
		{"10.0.0.1:999", nil, "10.0.0.1:999"},
		{"10.0.0.1:999", []string{"198.51.100.7"}, "198.51.100.7:0"},
		{"[::ffff:10.0.0.1]:999", []string{"198.51.100.7"}, "198.51.100.7:0"},
		{"10.0.0.1:999", []string{"203.0.113.9, 198.51.100.7, 10.0.0.2"}, "198.51.100.7:0"},
		{"10.0.0.1:999", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7:0"},
		{"10.0.0.1:999", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3:0"},
		{"10.0.0.1:999", []string{"unknown, 10.0.0.2"}, "10.0.0.2:0"},
		{"10.0.0.1:999", []string{"nonsense"}, "10.0.0.1:999"},
		{"10.0.0.1:999", []string{"198.51.100.7:5555"}, "198.51.100.7:0"},
		{"[fd00::1]:999", []string{"[2001:db8::1]:443"}, "[2001:db8::1]:0"},
		{"[fd00::1]:999", []string{"[2001:db8::1]"}, "[2001:db8::1]:0"},
		{"[fd00::1]:999", []string{"2001:db8::1"}, "[2001:db8::1]:0"},
		{"[fd00::1]:999", []string{"::ffff:198.51.100.7"}, "198.51.100.7:0"},
	} {
		r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{"X-Forwarded-For": tc.hops}}
		if got := cfg.clientAddr(r).String(); got != tc.want {
			t.Errorf("%s via %q: %s, want %s", tc.peer, tc.hops, got, tc.want)
		}
	}
	if got := cfg.clientAddr(&http.Request{RemoteAddr: "@"}); got.IsValid() {
		t.Errorf("unix socket: %v", got)
	}
}

// v2 is a version 2 header: command, family and protocol, then what the length counts.
func v2(command, family byte, rest string) string {
	return proxyV2Signature + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	v2IPv4 = "\xc6\x33\x64\x07\x0a\x00\x00\x01\x12\x34\x07\x5b" // 198.51.100.7, 10.0.0.1, 4660, 1883
	v2IPv6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x12\x34\x07\x5b"
)

var proxyHeaders = []struct {
	header string
	want   string // address; "none": valid without one; empty: refused
}{
	{"PROXY TCP4 198.51.100.7 10.0.0.1 4660 1883\r\n", "198.51.100.7:4660"},
	{"PROXY TCP6 2001:db8::1 2001:db8::2 4660 1883\r\n", "[2001:db8::1]:4660"},
	{"PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n", "198.51.100.7:1"},
	{"PROXY UNKNOWN\r\n", "none"},
	{"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "none"},
	{"PROXY TCP4 2001:db8::1 10.0.0.1 4660 1883\r\n", ""},
	{"PROXY TCP6 198.51.100.7 10.0.0.1 4660 1883\r\n", ""},
	{"PROXY TCP6 fe80::1%eth0 ::1 4660 1883\r\n", ""},
	{"PROXY TCP4 198.51.100.7 10.0.0.1 65536 1883\r\n", ""},
	{"PROXY TCP4 198.51.100.7 10.0.0.1 4660\r\n", ""},
	{"PROXY UDP4 198.51.100.7 10.0.0.1 4660 1883\r\n", ""},
	{"PROXY TCP4 198.51.100.7 10.0.0.1 4660 1883\n", ""},
	{"PROXY " + strings.Repeat("x", 200) + "\r\n", ""},
	{"PROXY      \r\n", ""},
	{"\x10\x1a\x00\x04MQTT\x04\x02\x00\x3c", ""}, // CONNECT
	{"PROXY", ""},
	{"", ""},
	{v2(0x21, 0x11, v2IPv4), "198.51.100.7:4660"},
	{v2(0x21, 0x11, v2IPv4+"\x04\x00\x01x"), "198.51.100.7:4660"},
	{v2(0x21, 0x21, v2IPv6), "[2001:db8::1]:4660"},
	{v2(0x21, 0x31, strings.Repeat("u", 216)), "none"},
	{v2(0x21, 0x00, ""), "none"},
	{v2(0x20, 0x00, ""), "none"},
	{v2(0x20, 0x11, v2IPv4), "none"},
	{v2(0x22, 0x11, v2IPv4), ""},
	{v2(0x11, 0x11, v2IPv4), ""},
	{v2(0x21, 0x11, v2IPv4[:11]), ""},
	{v2(0x21, 0x21, v2IPv4), ""},
	{v2(0x21, 0x11, v2IPv4)[:20], ""},
	{v2(0x21, 0x11, v2IPv4)[:14], ""},
	{v2(0x21, 0x11, strings.Repeat("x", proxyV2Max+1)), ""},
}

func TestProxyHeader(t *testing.T) {
	for _, tc := range proxyHeaders {
		r := strings.NewReader(tc.header + "MQTT")
		if tc.want == "" {
			r = strings.NewReader(tc.header)
		}
		ap, err := readProxyHeader(r)
		switch tc.want {
		case "":
			if err == nil {
				t.Errorf("%q: not refused, %v", tc.header, ap)
			}
			continue
		case "none":
			tc.want = netip.AddrPort{}.String()
		}
		if err != nil || ap.String() != tc.want {
			t.Errorf("%q: %v, %v; want %s", tc.header, ap, err, tc.want)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "MQTT" {
			t.Errorf("%q: left %q", tc.header, rest)
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	for _, tc := range proxyHeaders {
		f.Add([]byte(tc.header))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		ap, err := readProxyHeader(r)
		if err != nil && ap.IsValid() {
			t.Errorf("%v and %v", ap, err)
		}
		if err != nil && !errors.Is(err, errProxyHeader) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("unexpected %v", err)
		}
		if ap.IsValid() && (ap.Addr().Is4In6() || ap.Addr().Zone() != "") {
			t.Errorf("address not in its plain form: %v", ap)
		}
		read := in[:len(in)-r.Len()]
		if v1 := bytes.HasPrefix(read, []byte("PROXY ")); v1 && len(read) > proxyV1Max || len(read) > 16+proxyV2Max {
			t.Errorf("read %d bytes", len(read))
		}
	})
}

func TestProxyProtocolOnTheWire(t *testing.T) {
	got := make(chan string, 1)
	h := func(c *Conn) {
		got <- c.RemoteAddr().String() + " " + c.RemoteIP().String()
		echo(c)
	}
	header := "PROXY TCP4 198.51.100.7 10.0.0.1 4660 1883\r\n"
	g := open(t, Config{ProxyProtocol: true, TrustedProxies: prefixes("127.0.0.0/8")}, h)

	conn := dialTCP(t, g.tcp)
	mustWrite(t, conn, header+"data")
	mustRead(t, conn, "data")
	if s := <-got; s != "198.51.100.7:4660 198.51.100.7" {
		t.Errorf("tcp client is %s", s)
	}

	conn = dialTCP(t, g.http)
	mustWrite(t, conn, header+upgradeRequest+masked(0x82, "data"))
	mustRead(t, conn, "HTTP/1.1 101 ")
	if s := <-got; s != "198.51.100.7:4660 198.51.100.7" {
		t.Errorf("websocket client is %s", s)
	}

	conn = dialTCP(t, g.tcp)
	mustWrite(t, conn, v2(0x20, 0, "")+"data")
	mustRead(t, conn, "data")
	if s := <-got; s != conn.LocalAddr().String()+" 127.0.0.1" {
		t.Errorf("proxy's own connection is %s", s)
	}

	conn = dialTCP(t, g.tcp)
	mustWrite(t, conn, "\x10\x1a\x00\x04MQTT\x04\x02\x00\x3c")
	if rest, _ := io.ReadAll(conn); len(rest) > 0 {
		t.Errorf("answered %q", rest)
	}
	if n := g.count("lmqgate_connections_refused_total", "tcp", refusedProxyHeader); n != 1 {
		t.Errorf("%v refusals", n)
	}
	conn = dialTCP(t, g.http)
	mustWrite(t, conn, upgradeRequest)
	if rest, _ := io.ReadAll(conn); strings.HasPrefix(string(rest), "HTTP/1.1 101") {
		t.Errorf("upgraded without a header")
	}
}

// Who is not a trusted proxy speaks for itself only.
func TestProxyHeadersOfStrangers(t *testing.T) {
	got := make(chan string, 1)
	g := open(t, Config{ProxyProtocol: true, TrustedProxies: prefixes("10.0.0.0/8")}, func(c *Conn) {
		got <- c.RemoteIP().String()
		echo(c)
	})
	conn := dialTCP(t, g.tcp)
	mustWrite(t, conn, "PROXY TCP4 198.51.100.7 10.0.0.1 4660 1883\r\n")
	mustRead(t, conn, "PROXY TCP4") // it is data, and not MQTT
	if ip := <-got; ip != "127.0.0.1" {
		t.Errorf("tcp client is %s", ip)
	}
	if _, _, err := g.try(http.Header{"X-Forwarded-For": {"198.51.100.7"}}, "mqtt"); err != nil {
		t.Fatal(err)
	}
	if ip := <-got; ip != "127.0.0.1" {
		t.Errorf("websocket client is %s", ip)
	}
}
