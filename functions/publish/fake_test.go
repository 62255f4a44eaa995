package publish

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/functions/openapi/openapitest"
	"lmqgate/functions/web"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
)

// log takes publications; answer says what becomes of each.
type log struct {
	mu     sync.Mutex // protects the fields below
	list   []message.Publication
	answer func(p *message.Publication) error
}

func (l *log) NewLane() message.Lane { return l }

// Publish implements message.Lane.
func (l *log) Publish(p *message.Publication) {
	finish := func(err error) {
		l.mu.Lock()
		kept := *p
		m := *p.Message
		kept.Message = &m
		l.list = append(l.list, kept)
		answer := l.answer
		l.mu.Unlock()
		if err == nil && answer != nil {
			err = answer(p)
		}
		p.Done(message.Result{Key: m.Key, Queues: 1}, err)
	}
	if p.Message.Key == "" {
		p.Message.Key = "K-" + p.Message.Topic
	}
	if p.Prepare != nil {
		p.Prepare(p.Message.Key, message.Place{Topic: "t", Broker: "b", Queue: 1}, finish)
		return
	}
	finish(nil)
}

func (l *log) published() []message.Publication {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]message.Publication(nil), l.list...)
}

func (l *log) fails(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = func(*message.Publication) error { return err }
}

// named lets in whoever names a user other than "wrong".
type named struct{}

func (named) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	if l.Username == "wrong" {
		return access.Identity{}, access.ErrDenied
	}
	return access.Identity{Username: l.Username, Method: "test"}, nil
}

// rules forbid topics with these names in them.
type rules struct{}

func (rules) Allowed(_ access.Identity, _ string, a access.Action, topic string) bool {
	return !strings.Contains(topic, "secret") && (a != access.Retain || !strings.Contains(topic, "fleeting"))
}

type rig struct {
	*Handler
	t     *testing.T
	log   *log
	redis *miniredis.Miniredis
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	m := miniredis.RunT(t)
	store, err := redisstore.Open(redisstore.Config{URL: "redis://" + m.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	l := &log{}
	cfg := Config{Lanes: l, Guard: &web.Guard{Verifier: named{}, Access: rules{}}, Requests: store.Requests(), MaxPayload: 1000, MaxBatch: 5, Wait: 5 * time.Second}
	for _, c := range change {
		c(&cfg)
	}
	return &rig{Handler: New(cfg), t: t, log: l, redis: m}
}

// post makes a request; headers are name and value in turn.
func (r *rig) post(path, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.SetBasicAuth("ann", "x")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	openapitest.Watch(r.t, r.Handler).ServeHTTP(w, req)
	return w
}

// ok is post of what succeeds.
func (r *rig) ok(path, body string, header ...string) Result {
	r.t.Helper()
	w := r.post(path, body, header...)
	var res Result
	if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil || w.Code != http.StatusOK || res.MessageID == "" {
		r.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return res
}

// refused is post of what does not; it checks that the answer is a problem document.
func (r *rig) refused(status int, path, body string, header ...string) {
	r.t.Helper()
	w := r.post(path, body, header...)
	var p web.Problem
	text, _ := io.ReadAll(w.Body)
	if err := json.Unmarshal(text, &p); err != nil || w.Code != status || p.Status != status || p.Detail == "" || w.Header().Get("Content-Type") != "application/problem+json" {
		r.t.Errorf("%s %.60s: %d %s, want %d", path, body, w.Code, text, status)
	}
	if (status == 429 || status == 503 || status == 409) && w.Header().Get("Retry-After") == "" {
		r.t.Errorf("%s: no Retry-After", path)
	}
}
