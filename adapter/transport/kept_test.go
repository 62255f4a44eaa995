package transport

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestKeptHeader: a token among the subprotocols is kept for authentication, and a cookie for the pages that may use it: the
// gateway's own and those that are listed, not those that only "any page" lets in.
func TestKeptHeader(t *testing.T) {
	for name, c := range map[string]struct {
		origin   string
		patterns []string
		cookie   bool
	}{
		"no page":          {"", []string{"*"}, true},
		"its own page":     {"http://gw.test", []string{"*"}, true},
		"a listed page":    {"https://app.test", []string{"*", "app.test"}, true},
		"by pattern":       {"https://x.app.test", []string{"*.app.test"}, true},
		"any page":         {"https://evil.test", []string{"*"}, false},
		"any page by that": {"https://evil.test", []string{"**", "*://*", "https://*"}, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://gw.test/mqtt", nil)
		r.Header.Set("Cookie", "session=x")
		r.Header.Set("Authorization", "Bearer y")
		r.Header.Set("X-Other", "z")
		r.Header.Add("Sec-WebSocket-Protocol", "mqtt, bearer.a.b.c")
		r.Header.Add("Sec-WebSocket-Protocol", strings.Repeat("x", 100))
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if !originAllowed(r, c.patterns) {
			t.Errorf("%s: may not connect", name)
		}
		kept := keptHeader(r, c.patterns)
		if got := kept.Get("Cookie") != ""; got != c.cookie {
			t.Errorf("%s: cookie kept: %v", name, got)
		}
		if kept.Get("Authorization") != "Bearer y" || kept.Get("X-Other") != "" {
			t.Errorf("%s: %v", name, kept)
		}
		if got := strings.Join(kept.Values("Sec-WebSocket-Protocol"), "|"); got != "bearer.a.b.c" {
			t.Errorf("%s: subprotocols %q", name, got)
		}
	}
}

// TestTokenAsSubprotocol: a browser's token comes to authentication, and is not what the connection speaks.
func TestTokenAsSubprotocol(t *testing.T) {
	got := make(chan http.Header, 1)
	g := open(t, Config{ConnectTimeout: time.Hour}, func(c *Conn) {
		c.Established()
		got <- c.Header()
	})
	c, resp, err := g.try(nil, "bearer.a.b.c", "mqtt")
	if err != nil {
		t.Fatal(err)
	}
	if sub := c.Subprotocol(); sub != "mqtt" || strings.Contains(strings.Join(resp.Header.Values("Sec-WebSocket-Protocol"), ","), "bearer") {
		t.Errorf("speaks %q: %v", sub, resp.Header)
	}
	if h := <-got; h.Get("Sec-WebSocket-Protocol") != "bearer.a.b.c" {
		t.Errorf("kept %v", h)
	}
}
