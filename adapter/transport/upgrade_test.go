package transport

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRequestsThatAreNoUpgrade(t *testing.T) {
	g := open(t, Config{}, echo)
	for _, tc := range []struct {
		method string
		status int
		header string
		value  string
		words  string
		reason string
	}{
		{"GET", 426, "Upgrade", "websocket", `/mqtt is an MQTT over WebSocket endpoint`, refusedNoUpgrade},
		{"HEAD", 426, "Upgrade", "websocket", "", refusedNoUpgrade},
		{"POST", 405, "Allow", "GET, HEAD", "begins with GET", refusedMethod},
		{"OPTIONS", 405, "Allow", "GET, HEAD", "begins with GET", refusedMethod},
	} {
		before := g.count("lmqgate_connections_refused_total", "ws", tc.reason)
		r, err := http.NewRequestWithContext(t.Context(), tc.method, g.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tc.status || resp.Header.Get(tc.header) != tc.value || !strings.Contains(string(body), tc.words) {
			t.Errorf("%s: %d %v %q", tc.method, resp.StatusCode, resp.Header, body)
		}
		if g.count("lmqgate_connections_refused_total", "ws", tc.reason) != before+1 {
			t.Errorf("%s: not counted as %s", tc.method, tc.reason)
		}
	}
}

func TestSubprotocols(t *testing.T) {
	for _, tc := range []struct {
		offer []string
		want  string // empty: refused
	}{
		{[]string{"mqtt"}, "mqtt"},
		{[]string{"mqttv3.1"}, "mqttv3.1"},
		{[]string{"mqttv3.1", "mqtt"}, "mqtt"},
		{[]string{"chat", "mqtt"}, "mqtt"},
		{[]string{"MQTT", "mqtt"}, "mqtt"},
		{[]string{"MQTT"}, ""},
		{[]string{"chat"}, ""},
		{nil, ""},
	} {
		got := make(chan string, 1)
		g := open(t, Config{}, func(c *Conn) { got <- c.Subprotocol() })
		c, resp, err := g.try(nil, tc.offer...)
		if tc.want == "" {
			if err == nil || resp.StatusCode != 400 {
				t.Errorf("%q: not refused: %v %v", tc.offer, resp, err)
				continue
			}
			if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "Sec-WebSocket-Protocol: mqtt") {
				t.Errorf("%q: no help in %q", tc.offer, body)
			}
			continue
		}
		if err != nil || c.Subprotocol() != tc.want || <-got != tc.want {
			t.Errorf("%q: want %q, client has %q: %v", tc.offer, tc.want, c.Subprotocol(), err)
		}
	}
}

func TestNoCompression(t *testing.T) {
	g := open(t, Config{}, echo)
	_, resp, err := g.try(http.Header{"Sec-WebSocket-Extensions": {"permessage-deflate"}}, "mqtt")
	if err != nil || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("%v %v", resp.Header, err)
	}
}

func TestBrokenHandshake(t *testing.T) {
	g := open(t, Config{MaxConnections: 1}, echo)
	for range 2 { // a failed handshake gives its place back
		conn := dialTCP(t, g.http)
		mustWrite(t, conn, strings.Replace(upgradeRequest, "dGhlIHNhbXBsZSBub25jZQ==", "short", 1))
		mustRead(t, conn, "HTTP/1.1 400 ")
	}
	if n := g.count("lmqgate_connections_refused_total", "ws", refusedHandshake); n != 2 {
		t.Errorf("%v counted", n)
	}
	g.dial()
}

func TestOrigins(t *testing.T) {
	for _, tc := range []struct {
		patterns string
		origin   string
		allowed  bool
	}{
		{"", "", true},
		{"", "http://gate.example", true},
		{"", "https://GATE.example", true},
		{"", "https://gate.example:443", true},
		{"", "http://gate.example:8080", false},
		{"", "https://evil.example", false},
		{"", "https://gate.example.evil.example", false},
		{"", "null", false},
		{"", "https://", false},
		{"", "://", false},
		{"*", "https://evil.example", true},
		{"*", "null", true},
		{"app.example", "https://app.example", true},
		{"app.example", "http://APP.example", true},
		{"app.example", "https://app.example:8443", false},
		{"localhost:*", "http://localhost:5173", true},
		{"https://*.example.com", "https://a.example.com", true},
		{"https://*.example.com", "https://a.b.example.com", true},
		{"https://*.Example.com", "https://a.example.com", true},
		{"https://*.example.com", "http://a.example.com", false},
		{"https://*.example.com", "https://example.com", false},
		{"https://*.example.com", "https://a.example.com.evil.example", false},
		{"https://*.example.com", "https://evil.example/.example.com", false},
		{"[", "https://evil.example", false},
		{"one.example two.example", "https://two.example", true},
	} {
		r := &http.Request{Host: "gate.example", Header: http.Header{}}
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		if got := originAllowed(r, strings.Fields(tc.patterns)); got != tc.allowed {
			t.Errorf("patterns %q, origin %q: %v", tc.patterns, tc.origin, got)
		}
	}
}

func TestForeignOriginIsRefused(t *testing.T) {
	g := open(t, Config{Origins: []string{"https://app.example"}}, echo)
	if _, resp, err := g.try(http.Header{"Origin": {"https://evil.example"}}, "mqtt"); err == nil || resp.StatusCode != 403 {
		t.Errorf("%v %v", resp, err)
	} else if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "WS_ORIGINS") {
		t.Errorf("no help in %q", body)
	}
	if _, _, err := g.try(http.Header{"Origin": {"https://app.example"}}, "mqtt"); err != nil {
		t.Error(err)
	}
}

func TestCheckOriginPattern(t *testing.T) {
	for pattern, ok := range map[string]bool{
		"*": true, "app.example": true, "*.example": true, "https://*.example": true, "http://localhost:*": true,
		"": false, "[": false, "https://": false, "://x": false, "https://app.example/": false,
	} {
		if err := CheckOriginPattern(pattern); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestHeaderUntilDropped(t *testing.T) {
	type seen struct{ before, after http.Header }
	got := make(chan seen, 1)
	g := open(t, Config{ConnectTimeout: time.Hour}, func(c *Conn) {
		c.Established()
		before := c.Header()
		c.DropHeader()
		if c.timer != nil {
			t.Error("the connect timeout goes on")
		}
		got <- seen{before, c.Header()}
	})
	if _, _, err := g.try(http.Header{"Authorization": {"Bearer x"}, "Cookie": {"a=b"}, "X-Other": {"y"}}, "mqtt"); err != nil {
		t.Fatal(err)
	}
	s := <-got
	if s.before.Get("Authorization") != "Bearer x" || s.before.Get("Cookie") != "a=b" || s.before.Get("User-Agent") == "" || len(s.before) != 3 {
		t.Errorf("kept %v", s.before)
	}
	if s.after != nil {
		t.Errorf("still kept %v", s.after)
	}
	dialTCP(t, g.tcp)
	if s := <-got; s.before != nil {
		t.Errorf("tcp has %v", s.before)
	}
}
