package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/functions/openapi/openapitest"
	"lmqgate/meta/message"
)

func TestRaw(t *testing.T) {
	r := newRig(t)
	mux := http.NewServeMux() // which cleans paths
	mux.Handle("/v1/topics/", openapitest.Watch(t, r))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for path, want := range map[string]message.Message{
		"a/b": {Topic: "a/b", QoS: 1},
		"a/b?qos=2&retain=true&expiry=60&content_type=x/y&response_topic=r&correlation_data=AA==&user_property=a=1&user_property=a=b=c": {
			Topic: "a/b", QoS: 2, Retain: true, Properties: message.Properties{
				HasExpiry: true, Expiry: 60, ContentType: "x/y", ResponseTopic: "r", CorrelationData: []byte{0},
				User: []message.UserProperty{{Key: "a", Value: "1"}, {Key: "a", Value: "b=c"}},
			},
		},
		"%2Fa%2F%2Fb%2F?qos=2": {Topic: "/a//b/", QoS: 2},
		"caf%C3%A9%20x":        {Topic: "café x", QoS: 1},
	} {
		res, err := http.Post(srv.URL+"/v1/topics/"+path, "text/plain", strings.NewReader("\x00hello"))
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", path, res, err)
			continue
		}
		_ = res.Body.Close()
		all := r.log.published()
		got := *all[len(all)-1].Message
		want.Payload, want.Key = []byte("\x00hello"), "K-"+want.Topic
		if want.Properties.ContentType == "" {
			want.Properties.ContentType = "text/plain"
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}

func TestJSON(t *testing.T) {
	r := newRig(t)
	for body, want := range map[string]message.Message{
		`{"topic":"t","payload":"hi"}`:                                          {Topic: "t", Payload: []byte("hi"), QoS: 1, Properties: message.Properties{HasFormat: true, PayloadFormat: 1}},
		`{"topic":"t","payload":{"a": [1, 2]},"qos":2}`:                         {Topic: "t", Payload: []byte(`{"a":[1,2]}`), QoS: 2, Properties: message.Properties{HasFormat: true, PayloadFormat: 1}},
		`{"topic":"t","retain":true}`:                                           {Topic: "t", Payload: []byte{}, QoS: 1, Retain: true},
		`{"topic":"t","payload":"/w==","encoding":"base64","qos":2}`:            {Topic: "t", Payload: []byte{0xff}, QoS: 2},
		`{"topic":"t","properties":{"expiry":0,"user_properties":[["k","v"]]}}`: {Topic: "t", Payload: []byte{}, QoS: 1, Properties: message.Properties{HasExpiry: true, User: []message.UserProperty{{Key: "k", Value: "v"}}}},
	} {
		if res := r.ok("/v1/publish", body); res.Topic != "t" || res.Queues != 1 || res.MessageID != "K-t" {
			t.Errorf("%s: %+v", body, res)
		}
		all := r.log.published()
		want.Key = "K-t"
		if d := cmp.Diff(want, *all[len(all)-1].Message); d != "" {
			t.Errorf("%s: %s", body, d)
		}
	}
}

func TestRefuses(t *testing.T) {
	r := newRig(t)
	for path, status := range map[string]int{
		"/v1/topics/": 400, "/v1/topics/a/%23": 400, "/v1/topics/a%00": 400, "/v1/topics/a%FF": 400, "/v1/topics/a?qos=3": 400, "/v1/topics/a?qos=x": 400,
		"/v1/topics/a?retain=maybe": 400, "/v1/topics/a?expiry=-1": 400, "/v1/topics/a?user_property=x": 400, "/v1/topics/a?ttl=1": 400, "/v1/topics/a?qos=1&qos=2": 400,
		"/v1/topics/a?response_topic=%23": 400, "/v1/topics/a?content_type=%00": 400, "/v1/topics/$SYS/x": 403, "/v1/topics/%25SYS_MQTT/x": 403, "/v1/topics/secret": 403,
		"/v1/topics/fleeting?retain=true": 403, "/v1/other": 404,
	} {
		r.refused(status, path, "x")
	}
	r.refused(413, "/v1/topics/a", strings.Repeat("x", 1001))
	for body, status := range map[string]int{
		``: 400, `{}`: 400, `{"topic":"a","qos":3}`: 400, `{"topic":"a","payload":1,"encoding":"base64"}`: 400, `{"topic":"a","payload":"%","encoding":"base64"}`: 400,
		`{"topic":"a","encoding":"hex"}`: 400, `{"topic":"a","colour":"red"}`: 400, `{"topic":"secret"}`: 403, `{"topic":"a","payload":"` + strings.Repeat("x", 1001) + `"}`: 413,
		`{"topic":"a","properties":{"correlation_data":"%"}}`: 400, "{\"topic\":\"a\xff\"}": 400, "{\"topic\":\"a\",\"payload\":{\"b\":\"\xff\"}}": 400, `{"topic":"a","properties":{"user_properties":[["a"]]}}`: 400, `{"topic":"a","properties":{"user_properties":[["a","b","c"]]}}`: 400,
		`{"topic":"a","payload":"` + strings.Repeat("x", 70_000) + `"}`: 413,
	} {
		r.refused(status, "/v1/publish", body)
	}
	if n := len(r.log.published()); n != 0 {
		t.Errorf("%d were published", n)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/publish", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", w.Code)
	}
	req := httptest.NewRequest(http.MethodPost, "/v1/publish", nil)
	req.SetBasicAuth("wrong", "x")
	w = httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("wrong password: %d", w.Code)
	}
}

func TestOutcomes(t *testing.T) {
	for err, status := range map[error]int{
		message.ErrNotRetained: 507, message.ErrRefused: 422, message.ErrBusy: 429, message.ErrUnavailable: 503, errors.New("dial 10.0.0.1"): 500,
	} {
		r := newRig(t)
		r.log.fails(fmt.Errorf("broker-a: %w", err))
		r.refused(status, "/v1/topics/a", "x")
		if w := r.post("/v1/topics/a", "x"); strings.Contains(w.Body.String(), "broker-a") || strings.Contains(w.Body.String(), "10.0.0.1") {
			t.Errorf("%s", w.Body)
		}
	}
	r := newRig(t, func(c *Config) { c.Admit = func() error { return errors.New("no RocketMQ") } })
	r.refused(503, "/v1/topics/a", "x")
}

func TestBatch(t *testing.T) {
	r := newRig(t)
	r.log.answer = func(p *message.Publication) error {
		if string(p.Message.Payload) == "bad" {
			return message.ErrUnavailable
		}
		return nil
	}
	w := r.post("/v1/publish/batch", `{"messages":[{"topic":"a","payload":"1"},{"topic":"b","payload":"bad"},{"topic":"a","payload":"2"},{"topic":"b","payload":"3"},{"topic":"#"}]}`)
	var res BatchResult
	if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil || w.Code != http.StatusMultiStatus || res.Failed != 3 || len(res.Results) != 5 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for i, status := range []int{0, 503, 0, 503, 400} {
		it := res.Results[i]
		if status == 0 && (it.Problem != nil || it.Result == nil || it.MessageID != "K-a") || status > 0 && (it.Problem == nil || it.Problem.Status != status) {
			t.Errorf("%d: %+v", i, it)
		}
	}
	var a []string
	for _, p := range r.log.published() {
		if p.Message.Topic == "a" {
			a = append(a, string(p.Message.Payload))
		}
	}
	if fmt.Sprint(a) != "[1 2]" || len(r.log.published()) != 3 {
		t.Errorf("published %v and %d in all", a, len(r.log.published()))
	}
	if w := r.post("/v1/publish/batch", `{"messages":[{"topic":"a"}]}`); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.refused(400, "/v1/publish/batch", `{"messages":[]}`)
	r.refused(400, "/v1/publish/batch", `{"messages":[{},{},{},{},{},{}]}`)
}

// TestIdempotencyKey: a repetition gets the first outcome, and nothing is published again; others' keys are others.
func TestIdempotencyKey(t *testing.T) {
	r := newRig(t)
	first := r.ok("/v1/topics/a", "x", KeyHeader, "k1")
	if again := r.ok("/v1/topics/a", "x", KeyHeader, "k1"); again != first {
		t.Errorf("%+v, then %+v", first, again)
	}
	r.refused(422, "/v1/topics/a", "y", KeyHeader, "k1")
	r.refused(422, "/v1/topics/a?qos=2", "x", KeyHeader, "k1")
	if n := len(r.log.published()); n != 1 {
		t.Errorf("%d were published", n)
	}
	r.ok("/v1/topics/a", "x", KeyHeader, "k2")
	r.ok("/v1/topics/a", "x", KeyHeader, "k1", "X-Mqtt-Client-Id", "c") // another caller
	if n := len(r.log.published()); n != 3 {
		t.Errorf("%d were published", n)
	}
	r.refused(400, "/v1/topics/a", "x", KeyHeader, strings.Repeat("k", 256))
	for range 2 {
		r.post("/v1/publish/batch", `{"messages":[{"topic":"b"},{"topic":"c"}]}`, KeyHeader, "k3")
	}
	if n := len(r.log.published()); n != 5 {
		t.Errorf("%d were published", n)
	}
	r.redis.SetError("LOADING")
	r.refused(503, "/v1/topics/a", "x", KeyHeader, "k9")
}

// TestUnknownOutcome: what an earlier try may have sent is repeated under its key, at its place; what certainly was not sent is
// begun anew.
func TestUnknownOutcome(t *testing.T) {
	r := newRig(t)
	r.log.fails(message.ErrUnavailable)
	r.refused(503, "/v1/topics/a", "x", KeyHeader, "k")
	r.log.fails(nil)
	r.ok("/v1/topics/a", "x", KeyHeader, "k")
	all := r.log.published()
	if len(all) != 2 || all[0].Repeat || !all[1].Repeat || all[1].Message.Key != all[0].Message.Key || *all[1].Place != (message.Place{Topic: "t", Broker: "b", Queue: 1}) || time.Since(all[1].Since) > time.Minute {
		t.Errorf("%+v", all)
	}
	r.log.fails(message.ErrNotRetained)
	r.refused(507, "/v1/topics/a?retain=true", "x", KeyHeader, "k2")
	r.log.fails(nil)
	r.refused(507, "/v1/topics/a?retain=true", "x", KeyHeader, "k2") // that is final
	if n := len(r.log.published()); n != 3 {
		t.Errorf("%d were published", n)
	}
}
