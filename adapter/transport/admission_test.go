package transport

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(10)
		take := func(n int, from, step time.Duration) {
			t.Helper()
			for i := range n {
				want := from + time.Duration(i)*step
				if wait, ok := b.take(); !ok || (wait-want).Abs() > time.Microsecond {
					t.Fatalf("token %d: %v %v, want %v", i, wait, ok, want)
				}
			}
		}
		take(10, 0, 0)
		take(20, 100*time.Millisecond, 100*time.Millisecond)
		if _, ok := b.take(); ok {
			t.Error("a wait of more than two seconds")
		}
		time.Sleep(300 * time.Millisecond)
		take(3, 1800*time.Millisecond, 100*time.Millisecond)
		time.Sleep(time.Hour)
		take(10, 0, 0)
		take(1, 100*time.Millisecond, 0)
	})
	for range 100_000 {
		if wait, ok := newBucket(0).take(); wait != 0 || !ok {
			t.Fatal("rate 0 is a limit")
		}
	}
}

// telling answers a refused connection with the reason, as client does with a CONNACK, and keeps the others until they
// close.
func telling(c *Conn) {
	if why := c.Refused(); why != "" {
		_, _ = c.Write([]byte(why))
		return
	}
	c.Established()
	_, _ = c.Write([]byte("welcome"))
	untilClosed(c)
}

// answer is all that comes on a connection that the server ends.
func answer(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil && len(b) == 0 {
		return "closed" // reset rather than ended
	}
	return string(b)
}

// Connections beyond MaxConnections are told so, as many at once as there are places for that, and the places come back.
func TestFullIsTold(t *testing.T) {
	g := open(t, Config{MaxConnections: 1}, telling)
	mustRead(t, dialTCP(t, g.tcp), "welcome")
	for range refusalPlaces + 10 {
		c := dialTCP(t, g.tcp)
		if got := answer(t, c); got != string(RefusedFull) {
			t.Fatalf("answer %q", got)
		}
		_ = c.Close()
	}
	if n := g.count("lmqgate_connections_refused_total", "tcp", refusedFull); n != refusalPlaces+10 {
		t.Errorf("%v refusals counted", n)
	}
}

// Those that say nothing hold few places, each for a short time; beyond them connections are closed at once.
func TestRefusalsAreBounded(t *testing.T) {
	g := open(t, Config{MaxConnections: 1}, func(c *Conn) {
		if c.Refused() == "" {
			c.Established()
		}
		untilClosed(c)
	})
	dialTCP(t, g.tcp)
	for g.Len() == 0 {
		time.Sleep(time.Millisecond)
	}
	silent := make([]net.Conn, refusalPlaces+1)
	for i := range silent {
		silent[i] = dialTCP(t, g.tcp)
	}
	if got := answer(t, silent[refusalPlaces]); got != "" && got != "closed" {
		t.Errorf("answer %q", got)
	}
	for _, c := range silent { // refusalTime ends them
		_ = answer(t, c)
	}
	for g.Len() > 1 {
		time.Sleep(time.Millisecond)
	}
}

// Beyond the rate connections are told so, on TCP by the handler, on WebSocket with 503.
func TestConnectRate(t *testing.T) {
	g := open(t, Config{ConnectRate: 1}, telling)
	for round := range 10 {
		conns := make([]net.Conn, 40)
		for i := range conns {
			conns[i] = dialTCP(t, g.tcp)
		}
		_, resp, err := g.try(nil, "mqtt")
		told := 0
		for _, c := range conns {
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			first := make([]byte, 1)
			if _, err := io.ReadFull(c, first); err != nil { // beyond those that are told
				continue
			}
			if first[0] == RefusedRate[0] {
				if rest := answer(t, c); rest != string(RefusedRate[1:]) {
					t.Fatalf("told %q", rest)
				}
				told++
			}
			_ = c.Close()
		}
		if told == 0 {
			t.Fatal("nobody is told")
		}
		if err == nil { // a slow machine: its turn had come
			t.Logf("round %d: the WebSocket was not refused", round)
			continue
		}
		if resp == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("websocket: %v %v", resp, err)
		}
		return
	}
	t.Error("no websocket refused")
}

func TestAdmit(t *testing.T) {
	var closed atomic.Bool
	asked := make(chan netip.Addr, 10)
	g := open(t, Config{
		Admit: func(a netip.Addr) Refusal {
			asked <- a
			if closed.Load() {
				return RefusedMemory
			}
			return ""
		},
		ProxyProtocol: true, TrustedProxies: prefixes("127.0.0.0/8"),
	}, telling)
	const header = "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n"
	try := func() string {
		c := dialTCP(t, g.tcp)
		mustWrite(t, c, header)
		b := make([]byte, 6)
		_, err := io.ReadFull(c, b)
		if err != nil {
			t.Fatal(err)
		}
		if a := <-asked; a != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("asked for %v", a)
		}
		return string(b)
	}
	if got := try(); got != "welcom" {
		t.Errorf("got %q", got)
	}
	closed.Store(true)
	if got := try(); got != string(RefusedMemory) {
		t.Errorf("got %q", got)
	}
	web := dialTCP(t, g.http)
	mustWrite(t, web, header+upgradeRequest)
	resp, err := http.ReadResponse(bufio.NewReader(web), nil)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("websocket: %v %v", resp, err)
	}
	if n := g.count("lmqgate_connections_refused_total", "tcp", refusedMemory) + g.count("lmqgate_connections_refused_total", "ws", refusedMemory); n != 2 {
		t.Errorf("%v counted", n)
	}
}

func TestNotices(t *testing.T) {
	var n notices
	now := time.Unix(1000, 0)
	for i, step := range []struct {
		after time.Duration
		why   Refusal
		want  int
	}{{0, RefusedFull, 1}, {1, RefusedFull, 0}, {1, RefusedRate, 1}, {notice, RefusedFull, 2}, {1, RefusedFull, 0}} {
		now = now.Add(step.after)
		if got := n.note(step.why, now); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
}
