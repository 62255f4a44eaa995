package push

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"lmqgate/functions/openapi/openapitest"
	"lmqgate/meta/message"
	"lmqgate/meta/push"
)

// caught keeps the last request.
type caught struct {
	r    *http.Request
	body []byte
}

func (c *caught) Check(string) error { return nil }

func (c *caught) RoundTrip(r *http.Request) (*http.Response, error) {
	c.r = r
	c.body, _ = io.ReadAll(r.Body)
	return nil, errors.New("caught")
}

// TestWebhooks: what is sent is what the OpenAPI document says, in each format, for whatever message.
func TestWebhooks(t *testing.T) {
	c := openapitest.All(t)
	text := message.Properties{HasFormat: true, PayloadFormat: 1}
	event := `{"type":"client.connected","at":"2026-03-01T12:00:00Z","instance":"i/1","client_id":"c"}`
	for name, m := range map[string]*message.Message{
		"text":   {Topic: "a/ü", Payload: []byte("hi"), QoS: 1, Properties: text, Key: "K1", BornMillis: 1},
		"bytes":  {Topic: "a", Payload: []byte{0, 0xff}, QoS: 2},
		"none":   {Topic: "a"},
		"JSON":   {Topic: "a", Payload: []byte(`{"a":[1,null]}`), Properties: message.Properties{ContentType: "application/json"}},
		"broken": {Topic: "a", Payload: []byte(`{"a":`), Properties: message.Properties{ContentType: "application/json; charset=\x00"}},
		"all": {Topic: "a", Payload: []byte("x"), Properties: message.Properties{
			ContentType: "text/plain", ResponseTopic: "r/ä", CorrelationData: []byte{1}, HasExpiry: true, Expiry: 9,
			User: []message.UserProperty{{Key: "k", Value: "v"}, {Key: "k", Value: "\x7f"}, {Key: "topic", Value: "t"}},
		}},
		"event": {Topic: "$SYS/events/client/connected", Payload: []byte(event), Properties: message.Properties{ContentType: "application/json"}},
	} {
		for format, webhook := range map[string]string{
			push.CloudEventsBinary: "message", push.CloudEventsStructured: "messageStructured", push.PubSub: "messagePubSub", push.Raw: "messageRaw",
		} {
			client := &caught{}
			s := &Service{cfg: Config{Client: client, Now: time.Now}}
			target := &push.Target{Name: "t", URL: "https://example.com/hook", Format: format, Timeout: 60_000}
			s.post(context.Background(), target, [][]byte{bytes.Repeat([]byte("k"), leastKey)}, newEvent(message.Arrival{Message: m}), 1)
			if client.r == nil {
				t.Fatalf("%s, %s: nothing was sent", name, format)
			}
			if err := c.CheckWebhook(webhook, client.r, client.body); err != nil {
				t.Errorf("%s, %s: %v", name, format, err)
			}
			if format == push.CloudEventsBinary && name == "event" {
				if err := c.CheckWebhook("event", client.r, client.body); err != nil {
					t.Errorf("event: %v", err)
				}
			}
			client.r.Header.Del("Webhook-Id")
			if c.CheckWebhook(webhook, client.r, client.body) == nil {
				t.Errorf("%s, %s: an id is not missed", name, format)
			}
		}
	}
}
