package publish

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

const traced = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestHeaders: what headers say is carried on, and what MQTT cannot carry is refused.
func TestHeaders(t *testing.T) {
	r := newRig(t)
	r.ok("/v1/topics/a?user_property=z=1", "x", "X-Mqtt-User-Colour", "r\u00f6t", "X-Mqtt-User-", "nameless", "X-Mqtt-User-A", "",
		"Traceparent", traced, "Tracestate", "a=b")
	m := r.log.published()[0].Message
	want := []message.UserProperty{{Key: "z", Value: "1"}, {Key: "a", Value: ""}, {Key: "colour", Value: "r\u00f6t"}}
	if d := cmp.Diff(want, m.Properties.User); d != "" || m.TraceParent != traced || m.TraceState != "a=b" {
		t.Errorf("%s %q %q", d, m.TraceParent, m.TraceState)
	}
	r.ok("/v1/topics/a", "x", "Traceparent", "nonsense\x01")
	if m := r.log.published()[1].Message; m.TraceParent != "" {
		t.Errorf("%q", m.TraceParent)
	}
	r.refused(400, "/v1/topics/a", "x", "X-Mqtt-User-A", "\xff")
	r.refused(400, "/v1/topics/a?user_property="+strings.Repeat("a=&user_property=", 100)+"a=", "x")
	r.refused(415, "/v1/topics/a", "x", "Content-Encoding", "gzip")
	r.ok("/v1/topics/a", "x", "Content-Encoding", "identity")
}

// TestTraceIsNoContent: a repetition in another trace is a repetition all the same.
func TestTraceIsNoContent(t *testing.T) {
	r := newRig(t)
	first := r.ok("/v1/topics/a", "x", KeyHeader, "k", "Traceparent", traced)
	if again := r.ok("/v1/topics/a", "x", KeyHeader, "k", "Traceparent", strings.Replace(traced, "4bf9", "aaaa", 1)); again != first {
		t.Errorf("%+v, then %+v", first, again)
	}
}

// TestAccepted: with QoS 0 the answer promises less.
func TestAccepted(t *testing.T) {
	r := newRig(t)
	for path, body := range map[string]string{"/v1/topics/a?qos=0": "x", "/v1/publish": `{"topic":"a","qos":0}`} {
		for range 2 {
			w := r.post(path, body, KeyHeader, path)
			var res Result
			if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil || w.Code != http.StatusAccepted || res.MessageID == "" {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
	if n := len(r.log.published()); n != 2 {
		t.Errorf("%d were published", n)
	}
}

// TestProblemTypes: callers branch on them, so they stay.
func TestProblemTypes(t *testing.T) {
	r := newRig(t)
	kind := func(path, body string, header ...string) string {
		var p web.Problem
		if err := json.Unmarshal(r.post(path, body, header...).Body.Bytes(), &p); err != nil {
			t.Error(err)
		}
		return strings.TrimPrefix(p.Type, web.ProblemPrefix)
	}
	r.ok("/v1/topics/a", "x", KeyHeader, "k")
	for got, want := range map[string]string{
		kind("/v1/topics/%23", "x"): "topic", kind("/v1/topics/secret", "x"): "not-allowed", kind("/v1/topics/a", strings.Repeat("x", 1001)): "too-large",
		kind("/v1/topics/a", "y", KeyHeader, "k"): "key-reused", kind("/v1/topics/a?x=1", ""): "about:blank",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for err, want := range map[error]string{
		message.ErrRefused: "refused", message.ErrBusy: "busy", message.ErrUnavailable: "unknown-outcome", message.ErrNotRetained: "not-retained",
	} {
		r.log.fails(err)
		if got := kind("/v1/topics/a", "x"); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// TestBatchOrder: behind a message that the caller is to repeat nothing of its topic is sent, behind one that has its
// outcome everything.
func TestBatchOrder(t *testing.T) {
	for err, sent := range map[error]string{
		nil: "[1 2 3]", message.ErrBusy: "[1 2]", message.ErrUnavailable: "[1 2]", message.ErrRefused: "[1 2 3]", message.ErrNotRetained: "[1 2 3]",
	} {
		r := newRig(t)
		r.log.answer = func(p *message.Publication) error {
			if string(p.Message.Payload) == "2" {
				return err
			}
			return nil
		}
		w := r.post("/v1/publish/batch", `{"messages":[{"topic":"a","payload":"1"},{"topic":"a","payload":"2"},{"topic":"a","payload":"3"}]}`)
		var got []string
		for _, p := range r.log.published() {
			got = append(got, string(p.Message.Payload))
		}
		var res BatchResult
		if e := json.Unmarshal(w.Body.Bytes(), &res); e != nil || fmt.Sprint(got) != sent {
			t.Errorf("%v: published %v, %s", err, got, w.Body)
		}
		if last := res.Results[2].Problem; len(got) == 2 && (last == nil || last.Type != web.ProblemPrefix+ProblemNotSent) {
			t.Errorf("%v: %s", err, w.Body)
		}
	}
}

// TestUnderWay: while the first request has no outcome, a repetition is asked to wait; the caller who leaves changes nothing.
func TestUnderWay(t *testing.T) {
	r := newRig(t)
	came, goOn := make(chan struct{}), make(chan struct{})
	r.log.answer = func(*message.Publication) error {
		close(came)
		<-goOn
		return nil
	}
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- r.post("/v1/topics/a", "x", KeyHeader, "k") }()
	<-came
	r.refused(409, "/v1/topics/a", "x", KeyHeader, "k")
	r.refused(422, "/v1/topics/a", "other", KeyHeader, "k")
	close(goOn)
	if w := <-done; w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.ok("/v1/topics/a", "x", KeyHeader, "k")
	if n := len(r.log.published()); n != 1 {
		t.Errorf("%d were published", n)
	}
}

// TestPathIsUnescaped: the prefix may be escaped too, and is no part of the topic.
func TestPathIsUnescaped(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]string{"/v1/t%6Fpics/a": "a", "/v1/topics/%25": "%", "/v1/topics//": "/", "/v1/topics/a%252F": "a%2F"} {
		if res := r.ok(path, "x"); res.Topic != want {
			t.Errorf("%s: %q", path, res.Topic)
		}
	}
	r.refused(403, "/v1/t%6Fpics/s%65cret", "x")
}

// TestBatchBomb: a body takes memory in proportion to its bytes, however many messages it claims to have.
func TestBatchBomb(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPayload = 256 << 10 })
	body := `{"messages":[{}` + strings.Repeat(",{}", 700_000) + `]}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.refused(400, "/v1/publish/batch", body)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 20*uint64(len(body)) {
		t.Errorf("%d bytes of memory for %d of body", used, len(body))
	}
	r.refused(400, "/v1/publish/batch", `{"messages":[{"topic":"a"},{"topic":1}]}`)
	r.refused(400, "/v1/publish/batch", `{"messages":{"topic":"a"}}`)
	r.refused(400, "/v1/publish/batch", `{}`)
	if n := len(r.log.published()); n != 0 {
		t.Errorf("%d were published", n)
	}
}

// FuzzJSON: no body makes the handler panic, or publish what MQTT cannot carry.
func FuzzJSON(f *testing.F) {
	f.Add(`{"topic":"a","payload":"x","encoding":"base64","qos":2,"retain":true,"properties":{"expiry":1,"user_properties":[["a","b"]]}}`)
	f.Add(`{"topic":"a/#","payload":{"a":[1]}}`)
	f.Add("{\"topic\":\"\\ud800\"}")
	h := New(Config{Guard: &web.Guard{Verifier: named{}}, Lanes: &log{answer: checked}})
	f.Fuzz(func(_ *testing.T, body string) {
		for _, b := range []string{body, `{"messages":[` + body + `]}`} {
			path := "/v1/publish"
			if b != body {
				path += "/batch"
			}
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, strings.NewReader(b)))
		}
	})
}

// checked panics on a message that should not have come so far.
func checked(p *message.Publication) error {
	m := p.Message
	r := message.Encode(m)
	again, err := message.Decode(r.Body, func(key string) string { return r.Properties[key] })
	if err != nil || again.Topic != m.Topic || len(again.Properties.User) != len(m.Properties.User) || again.Properties.ContentType != m.Properties.ContentType {
		panic(fmt.Sprintf("%+v came out as %+v, %v", m, again, err))
	}
	return nil
}
