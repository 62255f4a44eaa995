package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
)

// gate is a Server on loopback: HTTP at url, TCP at tcp.
type gate struct {
	*Server
	t     *testing.T
	url   string // http://host:port/mqtt
	http  string // host:port
	tcp   string // host:port
	reg   *prometheus.Registry
	ended chan error // ServeTCP's answer
}

// open starts a gate with h; the test's end stops it and waits for its connections.
func open(t *testing.T, cfg Config, h Handler) *gate {
	t.Helper()
	reg := prometheus.NewRegistry()
	cfg.Registerer = reg
	g := &gate{Server: New(cfg, h), t: t, reg: reg, ended: make(chan error, 1)}

	mux := http.NewServeMux()
	mux.Handle(g.Path(), g.Server)
	web := httptest.NewUnstartedServer(mux)
	web.Listener = g.Listener(web.Listener)
	web.Start()
	g.http = web.Listener.Addr().String()
	g.url = web.URL + g.Path()

	ln := listen(t)
	g.tcp = ln.Addr().String()
	go func() { g.ended <- g.ServeTCP(t.Context(), ln) }()

	t.Cleanup(func() {
		g.StopAccepting()
		g.AbortAll()
		if err := g.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return g
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dial connects a WebSocket client that offers "mqtt".
func (g *gate) dial() *websocket.Conn {
	g.t.Helper()
	c, resp, err := g.try(nil, "mqtt")
	if err != nil {
		g.t.Fatalf("dial: %v (%v)", err, resp)
	}
	return c
}

func (g *gate) try(h http.Header, subprotocols ...string) (*websocket.Conn, *http.Response, error) {
	c, resp, err := websocket.Dial(g.t.Context(), g.url, &websocket.DialOptions{HTTPHeader: h, Subprotocols: subprotocols})
	if c != nil {
		c.SetReadLimit(-1)
		g.t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, resp, err
}

// dialTCP connects to addr.
func dialTCP(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const upgradeRequest = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

// dialRaw upgrades by hand, sending extra right behind the request, and leaves the frames to the caller.
func (g *gate) dialRaw(extra string) (net.Conn, *bufio.Reader) {
	g.t.Helper()
	c := dialTCP(g.t, g.http)
	mustWrite(g.t, c, upgradeRequest+extra)
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		g.t.Fatalf("upgrade: %v %v", resp, err)
	}
	return c, br
}

// masked is one client frame with a mask of zeros: 1 B FIN and opcode, 1 B mask bit and length, 4 B mask, payload.
func masked(first byte, payload string) string {
	return string([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

func mustWrite(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

// echo sends every read back.
func echo(c *Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// untilClosed reads until the stream ends.
func untilClosed(c *Conn) { _, _ = io.Copy(io.Discard, c) }

// closeCode reads until the connection ends and returns the code and reason of the close frame.
func closeCode(t *testing.T, c *websocket.Conn) (StatusCode, string) {
	t.Helper()
	for {
		_, _, err := c.Read(t.Context())
		if err == nil {
			continue
		}
		var ce websocket.CloseError
		if !errors.As(err, &ce) {
			t.Fatalf("no close frame: %v", err)
		}
		return StatusCode(ce.Code), ce.Reason
	}
}

// count is the sum of a metric over the label values given as kind and, if not empty, reason.
func (g *gate) count(name, kind, reason string) (sum float64) {
	g.t.Helper()
	families, err := g.reg.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += l.GetName() + "=" + l.GetValue() + " "
			}
			if strings.Contains(labels, "kind="+kind+" ") && (reason == "" || strings.Contains(labels, "reason="+reason+" ")) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func prefixes(all ...string) (p []netip.Prefix) {
	for _, s := range all {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}
