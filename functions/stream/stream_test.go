package stream

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/functions/openapi/openapitest"
	"lmqgate/functions/web"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
)

// answer is a stream as a test reads it.
type answer struct {
	t    *testing.T
	resp *http.Response
	r    *bufio.Reader
}

func get(t *testing.T, srv *httptest.Server, path string, header ...string) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &answer{t, resp, bufio.NewReader(resp.Body)}
}

// event reads one event, or one line of NDJSON.
func (a *answer) event() string {
	a.t.Helper()
	var all strings.Builder
	for {
		line, err := a.r.ReadString('\n')
		if err != nil {
			return all.String() + line
		}
		if line == "\n" || a.resp.Header.Get("Content-Type") == "application/x-ndjson" {
			return all.String() + strings.TrimSuffix(line, "\n")
		}
		all.WriteString(line)
	}
}

func (a *answer) problem() (status int, detail string) {
	a.t.Helper()
	var p struct {
		Status int
		Detail string
	}
	if err := json.NewDecoder(a.r).Decode(&p); err != nil || p.Status != a.resp.StatusCode || a.resp.Header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%d is no problem document: %v", a.resp.StatusCode, err)
	}
	return p.Status, p.Detail
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(openapitest.Watch(t, h))
	t.Cleanup(srv.Close)
	return srv
}

func idOf(t *testing.T, event string) string {
	t.Helper()
	for _, line := range strings.Split(event, "\n") {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			return id
		}
	}
	t.Fatalf("no id in %q", event)
	return ""
}

// sealed is an id as the handler gives it to the user of a login without a name, for filters in their order.
func sealed(position string, filters ...string) string {
	a := &asked{ticket: "abcdefghijkl", filters: filters}
	key, _ := secret(context.Background())
	a.seal = newSeal(key, a.name(&web.Caller{Identity: access.Identity{Method: "test"}}))
	return a.id(message.Position(position))
}

// unsealed is an event without the seals of its ids, and the ids.
func unsealed(event string) (string, []string) {
	id := regexp.MustCompile(`[a-z2-7]{12}\.[0-9]+\.[A-Za-z0-9_-]{16}`)
	return id.ReplaceAllStringFunc(event, func(s string) string { return s[:strings.LastIndexByte(s, '.')] }), id.FindAllString(event, -1)
}

func TestStream(t *testing.T) {
	l := newLog()
	srv := serve(t, handler(t, l))
	a := get(t, srv, "/v1/stream?filter=a/%23&filter=b")
	if ct := a.resp.Header.Get("Content-Type"); a.resp.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("%d %s", a.resp.StatusCode, ct)
	}
	first := a.event()
	ticket, position, _ := strings.Cut(idOf(t, first), ".")
	if !strings.HasPrefix(first, "retry: ") || !strings.HasPrefix(position, "0.") {
		t.Errorf("begins with %q", first)
	}
	l.publish("a/1", "one")
	l.publish("b", "\xff")
	got, ids := unsealed(a.event())
	if want := lines("id: "+ticket+".1",
		`data: {"id":"`+ticket+`.1","topic":"a/1","payload":"one","encoding":"plain","qos":1,"message_id":"K0","time":"1970-01-01T00:00:00.001Z"}`); got != want || len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("%s", cmp.Diff(want, got))
	}
	if got := a.event(); !strings.Contains(got, `"payload":"/w==","encoding":"base64"`) {
		t.Errorf("%q", got)
	}
	_ = a.resp.Body.Close()

	again := get(t, srv, "/v1/stream?filter=b&filter=a/%23", "Last-Event-ID", ids[0])
	if first := again.event(); idOf(t, first) != ids[0] {
		t.Errorf("goes on with %q", first)
	}
	if got := again.event(); !strings.HasPrefix(idOf(t, got), ticket+".2.") {
		t.Errorf("%q", got)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened[0].Name != l.opened[1].Name || !strings.HasPrefix(l.opened[0].Name, "$http/") || l.opened[1].From != "1" || l.opened[0].Expiry != time.Minute || l.opened[0].QoS != 0 {
		t.Errorf("%+v", l.opened)
	}
}

// Nobody goes on with a stream of somebody else, or of other filters, whatever they show.
func TestStreamsAreApart(t *testing.T) {
	l := newLog()
	srv := serve(t, handler(t, l))
	names := map[string]string{}
	stolen := sealed("0", "a") // of ann below, were she nobody
	for _, c := range []struct{ user, client, filters string }{
		{"ann", "", "filter=a"}, {"bob", "", "filter=a"}, {"ann", "c", "filter=a"}, {"ann", "", "filter=a&filter=b"}, {"ann", "", "filter=ab"}, {"", "", "filter=a"},
	} {
		r := httptest.NewRequest("GET", srv.URL+"/v1/messages?"+c.filters, nil)
		r.SetBasicAuth(c.user, "x")
		r.Header.Set("X-Mqtt-Client-Id", c.client)
		r.RequestURI = ""
		resp, err := srv.Client().Do(r)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
		name := l.opened[len(l.opened)-1].Name
		name = name[:strings.LastIndexByte(name, '/')]
		r.URL.RawQuery += "&after=" + stolen
		before := len(l.opened)
		resp, err = srv.Client().Do(r)
		if own := c.user+c.client == "" && c.filters == "filter=a"; err != nil || (resp.StatusCode == 200) != own || (len(l.opened) > before) != own {
			t.Errorf("%v goes on with a stream of another caller: %v, %v", c, resp, err)
		}
		_ = resp.Body.Close()
		if other, taken := names[name]; taken {
			t.Errorf("%v reads the session of %s", c, other)
		}
		names[name] = fmt.Sprint(c)
	}
}

func TestStreamLines(t *testing.T) {
	l := newLog()
	a := get(t, serve(t, handler(t, l)), "/v1/stream?filter=a", "Accept", "text/html, application/x-ndjson;q=0.9")
	var begin, one struct{ ID, Payload string }
	if err := json.Unmarshal([]byte(a.event()), &begin); err != nil || begin.ID == "" {
		t.Fatal(err)
	}
	l.publish("a", "<one>")
	if err := json.Unmarshal([]byte(a.event()), &one); err != nil || one.Payload != "<one>" || one.ID == begin.ID {
		t.Errorf("%+v, %v", one, err)
	}
	l.fail(message.ErrTakenOver)
	if got := a.event(); !strings.Contains(got, `{"end":"another stream`) {
		t.Errorf("ends with %q", got)
	}
	if rest, err := io.ReadAll(a.r); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestStreamRaw(t *testing.T) {
	l := newLog()
	a := get(t, serve(t, handler(t, l)), "/v1/stream?filter=a&format=raw")
	ticket, _, _ := strings.Cut(idOf(t, a.event()), ".")
	l.publish("a", "one\r\ntwo\n")
	l.publish("a", "\xfe")
	l.publish("a", "")
	for i, want := range []string{
		lines("id: "+ticket+".1", "data: one", "data: two", "data: "), lines("id: "+ticket+".2", "event: base64", "data: /g=="), lines("id: "+ticket+".3", "data: "),
	} {
		if got, _ := unsealed(a.event()); got != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
}

// A retained message has no id, so that a browser keeps the one before; a session that had ended is said.
func TestStreamTells(t *testing.T) {
	l := newLog()
	l.gap = true
	l.list = []*message.Message{{Topic: "a", Payload: []byte("kept"), Retain: true}}
	a := get(t, serve(t, handler(t, l)), "/v1/stream?filter=a&retained=true&last_event_id="+sealed("0", "a"))
	if a.event(); a.event() != "event: gap\ndata: the session had ended: messages may be missing\n" {
		t.Error("no gap")
	}
	if got := a.event(); strings.Contains(got, "id:") || !strings.Contains(got, `"retained":true`) {
		t.Errorf("%q", got)
	}
	if !l.opened[0].Retain {
		t.Error("retained messages were not asked for")
	}
}

func TestStreamRefuses(t *testing.T) {
	l := newLog()
	srv := serve(t, handler(t, l, func(c *Config) { c.MaxFilters = 2 }))
	for path, want := range map[string]int{
		"/v1/stream": 400, "/v1/stream?filter=a&filter=b&filter=c": 400, "/v1/stream?filter=a&format=xml": 400, "/v1/stream?filter=a&retained=perhaps": 400,
		"/v1/stream?filter=a&last_event_id=x": 400, "/v1/stream?filter=a&last_event_id=abcdefghijkl.x": 400, "/v1/stream?filter=a&last_event_id=ABCDEFGHIJKL.0": 400, "/v1/stream?filter=a&last_event_id=abcdefghijkl.0": 400,
		"/v1/stream?filter=a&last_event_id=abcdefghijkl.0.AAAAAAAAAAAAAAAA": 400, "/v1/stream?filter=a&last_event_id=" + sealed("0", "b"): 400, "/v1/stream?filter=a&last_event_id=" + sealed("0%0A", "a"): 400,
		"/v1/messages?filter=a&wait=soon": 400, "/v1/messages?filter=a&wait=-1": 400, "/v1/messages?filter=a&max=0": 400, "/v1/messages?filtre=a&filter=a": 400, "/v1/other": 404,
	} {
		if status, detail := get(t, srv, path).problem(); status != want || detail == "" {
			t.Errorf("%s: %d %s", path, status, detail)
		}
	}
	for code, want := range map[byte]int{0x87: 403, 0x8F: 400, 0x97: 429} {
		l.refuse = &message.FilterError{Filter: "a", Code: code, Reason: "because"}
		if status, detail := get(t, srv, "/v1/stream?filter=a").problem(); status != want || !strings.Contains(detail, "because") {
			t.Errorf("0x%x: %d %s", code, status, detail)
		}
	}
	for err, want := range map[error]int{
		message.ErrNotAllowed: 403, message.ErrUnavailable: 503, message.ErrGoing: 503, message.ErrPosition: 400, fmt.Errorf("10.0.0.1: %w", message.ErrUnavailable): 503,
	} {
		l.refuse = err
		a := get(t, srv, "/v1/messages?filter=a")
		if status, detail := a.problem(); status != want || strings.Contains(detail, "10.0") || want == 503 && a.resp.Header.Get("Retry-After") == "" {
			t.Errorf("%v: %d %s", err, status, detail)
		}
	}
	l.refuse = nil
	r := httptest.NewRequest("GET", "/v1/stream?filter=a", nil)
	r.SetBasicAuth("wrong", "x")
	w := httptest.NewRecorder()
	handler(t, l).ServeHTTP(w, r)
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d", w.Code)
	}
	resp, err := srv.Client().Post(srv.URL+"/v1/stream", "", nil)
	if err != nil || resp.StatusCode != 405 {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestStreamsAreCounted(t *testing.T) {
	l := newLog()
	h := handler(t, l, func(c *Config) { c.MaxStreams = 1 })
	srv := serve(t, h)
	a := get(t, srv, "/v1/stream?filter=a")
	a.event()
	if status, _ := get(t, srv, "/v1/stream?filter=a").problem(); status != 429 {
		t.Errorf("a second one: %d", status)
	}
	h.Stop()
	if rest, err := io.ReadAll(a.r); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if status, _ := get(t, srv, "/v1/messages?filter=a").problem(); status != 503 {
		t.Errorf("after Stop: %d", status)
	}
}

func TestMessages(t *testing.T) {
	l := newLog()
	h := handler(t, l)
	page := func(query string) (p Page) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/messages?filter=a"+query, nil))
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 || p.Messages == nil {
			t.Fatalf("%d %s %v", w.Code, w.Body, err)
		}
		return p
	}
	p := page("")
	if len(p.Messages) != 0 || p.Next == "" || p.Gap {
		t.Errorf("%+v", p)
	}
	for _, payload := range []string{"1", "2", "3"} {
		l.publish("a", payload)
	}
	p = page("&max=2&after=" + p.Next)
	if len(p.Messages) != 2 || p.Messages[1].Payload != "2" || p.Next != p.Messages[1].ID {
		t.Errorf("%+v", p)
	}
	p = page("&wait=30&after=" + p.Next)
	if len(p.Messages) != 1 || p.Messages[0].Payload != "3" {
		t.Errorf("%+v", p)
	}
	l.fail(message.ErrGoing)
	if p = page("&wait=30&after=" + p.Next); len(p.Messages) != 0 || p.Next == "" {
		t.Errorf("of an instance that goes: %+v", p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != len(l.opened) {
		t.Errorf("%d of %d closed", l.closed, len(l.opened))
	}
}

// pipe is a ResponseWriter whose reader may be slow.
type pipe struct {
	*io.PipeWriter
	header http.Header
}

func (p pipe) Header() http.Header { return p.header }

func (p pipe) WriteHeader(int) {}

func (p pipe) Flush() {}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		h := New(Config{Reader: l, Guard: handlerGuard(), Secret: secret})
		out, in := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(pipe{in, http.Header{}}, httptest.NewRequestWithContext(ctx, "GET", "/v1/stream?filter=a", nil))
		}()
		r := bufio.NewReader(out)
		start := time.Now()
		for range 3 { // retry, id, empty
			if _, err := r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		for n := 1; n <= 3; n++ {
			line, err := r.ReadString('\n')
			if err != nil || line != ":\n" || time.Since(start) != time.Duration(n)*15*time.Second {
				t.Fatalf("%q after %s, %v", line, time.Since(start), err)
			}
			_, _ = r.ReadString('\n')
		}
		cancel()
		<-done
	})
}
