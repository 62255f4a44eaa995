package push

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"lmqgate/functions/outgoing"
	"lmqgate/meta/message"
	"lmqgate/meta/push"
)

// FuzzSpec: what a caller says becomes a target within all bounds, or an error; what is kept of it reads back the same.
func FuzzSpec(f *testing.F) {
	f.Add(`{"url":"https://example.com/","filters":["a/#"]}`)
	f.Add(`{"url":"https://example.com/","filters":["$share/g/a"],"dead_letter":"d","timeout":"1s","max_age":"0s","secrets":["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}`)
	f.Add(`{"url":"https://[::1]/","filters":["\u0000"],"headers":{"X":"\r\n"},"min_backoff":"-1h","max_attempts":-1}`)
	check := outgoing.New(outgoing.Allow{}).Check
	f.Fuzz(func(t *testing.T, text string) {
		var spec Spec
		if json.Unmarshal([]byte(text), &spec) != nil {
			return
		}
		target, err := spec.Target("x", &push.Target{}, check)
		if err != nil {
			return
		}
		if n := len(target.Filters); n < 1 || n > mostFilters || target.Concurrency < 1 || target.Concurrency > mostConcurrency ||
			target.Timeout < 1000 || target.Timeout > mostTimeout.Milliseconds() || target.MinBackoff <= 0 || target.MaxBackoff < target.MinBackoff ||
			target.MaxAge < 0 || target.MaxAttempts < 0 || len(target.Secrets) > mostSecrets {
			t.Errorf("%+v", target)
		}
		for name, value := range target.Headers {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				t.Errorf("header %q: %q", name, value)
			}
		}
		kept, err := target.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := push.Decode(kept)
		if err != nil || !same(back, target) {
			t.Errorf("%v: %+v, want %+v", err, back, target)
		}
	})
}

// FuzzFormats: whatever a message has, headers are ones that HTTP can carry, and JSON is JSON.
func FuzzFormats(f *testing.F) {
	f.Add("a/ü \r\n%", []byte("{}"), "application/json", "k\x00", "v\n", "resp\u2028")
	f.Add("$SYS/events/client/connected", []byte(`{"client_id":"a\r\nb","instance":"%"}`), "", "", "", "")
	f.Add("\xff", []byte{0xFF}, "a/b; c=\"\r\nX: y\"", "Ce-Id", "x", "y")
	f.Fuzz(func(t *testing.T, topic string, payload []byte, contentType, name, value, response string) {
		m := &message.Message{Topic: topic, Payload: payload, QoS: 1, Properties: message.Properties{
			ContentType: contentType, ResponseTopic: response, CorrelationData: payload, User: []message.UserProperty{{Key: name, Value: value}},
		}}
		for _, format := range []string{push.CloudEventsBinary, push.CloudEventsStructured, push.PubSub, push.Raw} {
			body, h, err := newEvent(message.Arrival{Message: m}).encode(&push.Target{Name: "x", Format: format}, 1)
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			for name, values := range h {
				if !httpguts.ValidHeaderFieldName(name) || len(values) != 1 || !httpguts.ValidHeaderFieldValue(values[0]) {
					t.Errorf("%s: header %q: %q", format, name, values)
				}
			}
			if kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); format != push.Raw && format != push.CloudEventsBinary && (err != nil || !json.Valid(body)) {
				t.Errorf("%s: %s, %q", format, kind, body)
			}
			if subject, err := url.PathUnescape(h.Get("Ce-Subject")); format == push.CloudEventsBinary && (err != nil || subject != newEvent(message.Arrival{Message: m}).subject) {
				t.Errorf("subject %q: %v", h.Get("Ce-Subject"), err)
			}
		}
	})
}

// FuzzAnswer: no answer makes a pause without end, or words that break a log.
func FuzzAnswer(f *testing.F) {
	f.Add(429, "120", []byte("slow\r\ndown"))
	f.Add(503, "Wed, 21 Oct 2065 07:28:00 GMT", []byte{0xFF, 0})
	f.Add(503, "99999999999999999999", []byte(nil))
	f.Fuzz(func(t *testing.T, status int, after string, said []byte) {
		o := judge(push.Raw, &http.Response{StatusCode: status, Status: "x", Header: http.Header{"Retry-After": {after}}}, said, time.Unix(1_800_000_000, 0))
		if o.pause < 0 || o.pause > mostPause || len(o.words) > 4*mostWords {
			t.Errorf("%+v", o)
		}
		if (o.verdict == taken) != (status >= 200 && status < 300) {
			t.Errorf("%d: %+v", status, o)
		}
	})
}
