package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

// ask calls a handler; headers are name, value, name, value.
func ask(h http.Handler, method string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://gw.test/v1/x", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestCORS(t *testing.T) {
	const allow, creds = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"
	for name, c := range map[string]struct {
		patterns, origin string
		status           int
		allow, creds     string
	}{
		"no page":               {"", "", 200, "", ""},
		"the same origin":       {"", "http://gw.test", 200, "", ""},
		"its port said":         {"", "http://gw.test:80", 200, "", ""},
		"another port":          {"", "http://gw.test:81", 403, "", ""},
		"nobody listed":         {"", "https://app.test", 403, "", ""},
		"listed":                {"app.test", "https://app.test", 200, "https://app.test", "true"},
		"listed in capitals":    {"App.Test", "https://app.test", 200, "https://app.test", "true"},
		"by pattern":            {"a.test,*.app.test", "https://x.app.test", 200, "https://x.app.test", "true"},
		"by scheme":             {"https://app.test", "https://app.test", 200, "https://app.test", "true"},
		"another scheme":        {"https://app.test", "http://app.test", 403, "", ""},
		"a longer name":         {"app.test", "https://app.test.evil.test", 403, "", ""},
		"a name before it":      {"app.test", "https://evilapp.test", 403, "", ""},
		"anybody":               {"*", "https://evil.test", 200, "*", ""},
		"anybody, and listed":   {"*,app.test", "https://app.test", 200, "https://app.test", "true"},
		"anybody, not listed":   {"*,app.test", "https://evil.test", 200, "*", ""},
		"a page without origin": {"app.test", "null", 403, "", ""},
		"null, anybody":         {"*", "null", 200, "*", ""},
		"no URL":                {"*", "http://[", 403, "", ""},
		"a space in it":         {"*.app.test", "https://evil.test/.app.test", 403, "", ""},
	} {
		var patterns []string
		if c.patterns != "" {
			patterns = strings.Split(c.patterns, ",")
		}
		h := NewEdge(EdgeConfig{Origins: patterns}).Wrap("x", hello)
		var headers []string
		if c.origin != "" {
			headers = []string{"Origin", c.origin}
		}
		w := ask(h, "POST", headers...)
		if w.Code != c.status || w.Header().Get(allow) != c.allow || w.Header().Get(creds) != c.creds {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if (c.patterns != "") != (w.Header().Get("Vary") == "Origin") {
			t.Errorf("%s: Vary %q", name, w.Header().Get("Vary"))
		}
		if c.status == 403 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: no problem document", name)
		}
	}
}

func TestPreflight(t *testing.T) {
	reached := false
	h := NewEdge(EdgeConfig{Origins: []string{"app.test"}}).Wrap("x", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached = true
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	w := ask(h, "OPTIONS", "Origin", "https://app.test", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "Authorization,Idempotency-Key, X-Mqtt-User-Colour,x-mqtt-user-,x-evil,x-mqtt-user-a b")
	if reached || w.Code != http.StatusNoContent || !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "DELETE") ||
		w.Header().Get("Access-Control-Allow-Headers") != "authorization, idempotency-key, x-mqtt-user-colour" ||
		w.Header().Get("Access-Control-Max-Age") != "600" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := ask(h, "OPTIONS", "Origin", "https://evil.test", "Access-Control-Request-Method", "POST"); reached || w.Code != 403 ||
		w.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("a stranger: %d %v", w.Code, w.Header())
	}
	if w := ask(h, "OPTIONS"); !reached || w.Code != http.StatusMethodNotAllowed {
		t.Errorf("an OPTIONS that is no preflight: %d", w.Code)
	}
}

func TestRequestID(t *testing.T) {
	var inside string
	h := NewEdge(EdgeConfig{}).Wrap("x", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = RequestID(r.Context()) }))
	for said, kept := range map[string]bool{
		"": false, "abc-1.2/3=": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "a b": false, "a\x1b[m": false, "<a>": false, "gr\u00fcn": false,
	} {
		w := ask(h, "GET", RequestIDHeader, said)
		id := w.Header().Get(RequestIDHeader)
		if id == "" || id != inside || kept != (id == said) {
			t.Errorf("%q became %q, inside %q", said, id, inside)
		}
	}
	if a, b := ask(h, "GET").Header().Get(RequestIDHeader), ask(h, "GET").Header().Get(RequestIDHeader); a == b {
		t.Error("two requests have one name")
	}
}

// TestPanics: a panic is an answer, and a broken connection once an answer has begun.
func TestPanics(t *testing.T) {
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	e := NewEdge(EdgeConfig{Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: reg})
	w := ask(e.Wrap("x", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret of the inside") })), "GET", RequestIDHeader, "r1")
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret of the inside") || !strings.Contains(log.String(), "request_id=r1") || !strings.Contains(log.String(), "edge_test.go") {
		t.Errorf("the log has %s", &log)
	}
	aborts := func(h http.HandlerFunc) (what any) {
		defer func() { what = recover() }()
		ask(e.Wrap("x", h), "GET")
		return nil
	}
	if what := aborts(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("half")); panic("x") }); what != http.ErrAbortHandler {
		t.Errorf("after half an answer: %v", what)
	}
	if what := aborts(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }); what != http.ErrAbortHandler {
		t.Errorf("an abort: %v", what)
	}
	if n := testutil.ToFloat64(e.metrics.panics); n != 2 {
		t.Errorf("%v panics counted", n)
	}
}

func TestEdgeCounts(t *testing.T) {
	e := NewEdge(EdgeConfig{})
	for _, status := range []int{200, 204, 404, 503} {
		ask(e.Wrap("f", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(status)
		})), "GET")
	}
	ask(e.Wrap("f", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), "GET")
	for class, want := range map[string]float64{"1xx": 0, "2xx": 3, "4xx": 1, "5xx": 1} {
		if n := testutil.ToFloat64(e.metrics.requests.WithLabelValues("f", class)); n != want {
			t.Errorf("%s: %v", class, n)
		}
	}
}

// TestEdgeBounds: bodies under way are bounded, and what has none goes through.
func TestEdgeBounds(t *testing.T) {
	e := NewEdge(EdgeConfig{MaxBody: 100, MaxBytes: 150})
	post := func(h http.Handler, size int64) int {
		r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
		r.ContentLength = size
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	plain := e.Wrap("f", hello)
	inside := e.Wrap("f", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for size, want := range map[int64]int{50: 200, 51: 503, -1: 503, 1e12: 503, 0: 200} {
			if code := post(plain, size); code != want {
				t.Errorf("%d bytes beside 100: %d", size, code)
			}
		}
	}))
	for range 2 {
		post(inside, -1)
	}
	if n := e.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// TestEdgeWaits: until the last request is done, one that panicked too, or as long as whoever waits will.
func TestEdgeWaits(t *testing.T) {
	e := NewEdge(EdgeConfig{})
	if err := e.Wait(t.Context()); err != nil {
		t.Errorf("with nothing under way: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	came, goOn := make(chan struct{}), make(chan struct{})
	go ask(e.Wrap("f", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(came)
		<-goOn
		panic("x")
	})), "GET")
	<-came
	if err := e.Wait(over); !errors.Is(err, context.Canceled) {
		t.Errorf("with a request under way: %v", err)
	}
	waited := make(chan error)
	for range 2 {
		go func() { waited <- e.Wait(t.Context()) }()
	}
	close(goOn)
	for range 2 {
		if err := <-waited; err != nil {
			t.Error(err)
		}
	}
}

// TestEdgeStreams: what a handler asks of the connection reaches it.
func TestEdgeStreams(t *testing.T) {
	s := httptest.NewServer(NewEdge(EdgeConfig{}).Wrap("f", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := errors.Join(http.NewResponseController(w).Flush(), http.NewResponseController(w).EnableFullDuplex()); err != nil {
			t.Error(err)
		}
	})))
	defer s.Close()
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestTraceContext(t *testing.T) {
	const fine = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for said, kept := range map[string]bool{
		fine: true, "": false, "01" + fine[2:]: false, fine + "-x": false, strings.ToUpper(fine): false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": false, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": false,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Traceparent", said)
		r.Header.Set("Tracestate", "a=b")
		parent, state := TraceContext(r)
		if kept != (parent == said && state == "a=b") && said != "" || !kept && parent+state != "" {
			t.Errorf("%q: %q, %q", said, parent, state)
		}
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.Header["Traceparent"] = []string{fine, fine}
	if parent, _ := TraceContext(r); parent != "" {
		t.Error("two of them")
	}
}
