package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"lmqgate/adapter/packet"
	"lmqgate/functions/push"
	"lmqgate/infra/config"
)

// hook is a receiver of pushes that verifies their signatures.
type hook struct {
	*httptest.Server
	t      *testing.T
	verify *webhooks.Webhook

	mu     sync.Mutex // protects the fields below
	down   bool
	got    []string
	events []map[string]any
	more   chan struct{} // has room for one
}

const hookKey = "the key of these tests, 32 bytes"

func newHook(t *testing.T) *hook {
	verify, err := webhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte(hookKey)))
	must(t, err)
	h := &hook{t: t, verify: verify, more: make(chan struct{}, 1)}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if err == nil {
		err = h.verify.Verify(body, r.Header)
	}
	if err != nil || r.Header.Get("Ce-Specversion") != "1.0" || r.Header.Get("Ce-Id") != r.Header.Get("Webhook-Id") {
		h.t.Errorf("%v: %v", err, r.Header)
	}
	if r.Header.Get("Ce-Type") == push.MessageType {
		h.got = append(h.got, r.Header.Get("Ce-Subject")+" "+string(body))
	} else {
		var e map[string]any
		if err := json.Unmarshal(body, &e); err != nil {
			h.t.Errorf("%s: %v", body, err)
		}
		e["ce-type"], e["ce-subject"] = r.Header.Get("Ce-Type"), r.Header.Get("Ce-Subject")
		h.events = append(h.events, e)
	}
	select {
	case h.more <- struct{}{}:
	default:
	}
}

func (h *hook) set(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

func (h *hook) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

// waits returns when ok does.
func (h *hook) waits(ok func() bool) {
	h.t.Helper()
	late := time.After(patience)
	for {
		h.mu.Lock()
		done := ok()
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-h.more:
		case <-late:
			h.mu.Lock()
			defer h.mu.Unlock()
			h.t.Fatalf("got %q, %v", h.got, h.events)
		}
	}
}

// has waits until each of these came, at least once.
func (h *hook) has(want ...string) {
	h.t.Helper()
	h.waits(func() bool {
		return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(h.got, w) })
	})
}

// eventually tries until it works.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
}

// operates makes a request with a body.
func operates(t *testing.T, g *Gateway, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+g.HTTPAddr().String()+path, strings.NewReader(body))
	must(t, err)
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

// TestPush: what MQTT clients publish reaches a URL, signed; nothing is lost while the receiver is down or an instance goes;
// a deleted target leaves no session.
func TestPush(t *testing.T) {
	noLeaks(t)
	defer http.DefaultClient.CloseIdleConnections()
	onServers(t, func(t *testing.T, cfg config.Config) {
		cfg.Admin = true
		cfg.PushAllow = []string{"127.0.0.0/8"}
		h := newHook(t)
		one, two := start(t, cfg), start(t, cfg)
		spec := fmt.Sprintf(`{"url":%q,"filters":["push/+/x"],"secrets":["whsec_%s"],"min_backoff":"100ms","max_backoff":"200ms"}`,
			h.URL, base64.StdEncoding.EncodeToString([]byte(hookKey)))
		if code, text := operates(t, one, "PUT", "/v1/push/t", spec); code != http.StatusCreated || strings.Contains(text, "whsec_") {
			t.Fatalf("%d %s", code, text)
		}
		p, _ := dial(t, two, connect("publisher", 0))
		p.says("push/a/x", "1", "2")
		p.says("push/b/x", "3")
		p.says("push/a/y", "not asked for")
		h.has("push/a/x 1", "push/a/x 2", "push/b/x 3")
		h.set(true)
		p.says("push/a/x", "4", "5")
		h.set(false)
		h.has("push/a/x 4", "push/a/x 5")
		stop(t, one)
		p.says("push/a/x", "6")
		h.has("push/a/x 6")
		if got := h.all(); slices.Index(got, "push/a/x 4") > slices.Index(got, "push/a/x 5") {
			t.Errorf("%q", got)
		}
		if code, text := operates(t, two, "PUT", "/v1/push/t", strings.Replace(spec, "push/+/x", "push/+/z", 1)); code != http.StatusOK {
			t.Fatalf("%d %s", code, text)
		}
		p.says("push/a/x", "not any more")
		p.says("push/a/z", "7")
		h.has("push/a/z 7")
		if got := h.all(); slices.Contains(got, "push/a/x not any more") || slices.Contains(got, "push/a/y not asked for") {
			t.Errorf("%q", got)
		}
		if code, text := operates(t, two, "GET", "/v1/admin/clients/$push%2Ft", ""); code != http.StatusOK {
			t.Errorf("%d %s", code, text)
		}
		if code, text := operates(t, two, "DELETE", "/v1/push/t", ""); code != http.StatusNoContent {
			t.Errorf("%d %s", code, text)
		}
		eventually(t, func() error {
			if code, text := operates(t, two, "GET", "/v1/admin/clients/$push%2Ft", ""); code != http.StatusNotFound {
				return fmt.Errorf("%d %s", code, text)
			}
			return nil
		})
	})
}

// TestEventHooks: what happens to clients reaches EVENTS_URL.
func TestEventHooks(t *testing.T) {
	noLeaks(t)
	h := newHook(t)
	cfg := load(t, "EVENTS_URL="+h.URL, "EVENTS_SECRET=whsec_"+base64.StdEncoding.EncodeToString([]byte(hookKey)))
	g := start(t, cfg)
	eventually(t, func() error { // nobody waits for the session of the target at start
		if _, st, err := g.store.Peek(t.Context(), "$push/events"); err != nil || len(st.Subscriptions) == 0 {
			return fmt.Errorf("%v, %v", st, err)
		}
		return nil
	})
	c, _ := dial(t, g, connect("c1", 0))
	c.subscribe("a/b", 1)
	c.send(&packet.Unsubscribe{PacketID: 2, Filters: []string{"a/b"}})
	c.next()
	_ = c.conn.Close()
	want := []string{"lmqgate.client.connected", "lmqgate.client.subscribed", "lmqgate.client.unsubscribed", "lmqgate.client.disconnected"}
	h.waits(func() bool { return len(h.events) >= len(want) })
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, e := range h.events {
		if e["ce-type"] != want[i] || e["ce-subject"] != "c1" || e["client_id"] != "c1" || e["instance"] == "" {
			t.Errorf("%v, want %s", e, want[i])
		}
	}
	if fmt.Sprint(h.events[1]["filters"]) != "[a/b]" || h.events[3]["reason"] == "" {
		t.Errorf("%v", h.events)
	}
}
