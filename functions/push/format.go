package push

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"lmqgate/meta/message"
	"lmqgate/meta/push"
)

// Types of the CloudEvents.
const (
	MessageType = "lmqgate.message" // of a message that a client or application published; events have "lmqgate." and their own
	specVersion = "1.0"
)

// eventTopics begins the topics of the gateway's own events.
const eventTopics = "$SYS/events/"

// event is a message as it is sent: every attempt sends the same, but for the time and number of the attempt.
type event struct {
	id, kind, source, subject string
	at                        time.Time
	contentType               string
	m                         *message.Message
	arrival                   message.Arrival
}

func newEvent(a message.Arrival) *event {
	m := a.Message
	e := &event{id: m.Key, kind: MessageType, source: "/mqtt", subject: m.Topic, at: time.UnixMilli(m.BornMillis).UTC(), contentType: m.Properties.ContentType, m: m, arrival: a}
	if kind, ok := strings.CutPrefix(m.Topic, eventTopics); ok {
		var about struct {
			ClientID string `json:"client_id"`
			Instance string `json:"instance"`
		}
		_ = json.Unmarshal(m.Payload, &about)
		e.kind, e.subject, e.source = "lmqgate."+strings.ReplaceAll(kind, "/", "."), about.ClientID, "/instances/"+url.PathEscape(about.Instance)
	}
	if e.id == "" { // of an application that sets no UNIQ_KEY: the same for every attempt
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %q", m.Topic, m.StoreMillis, m.Payload))
		e.id = hex.EncodeToString(sum[:16])
	}
	switch {
	case e.contentType != "":
	case m.Properties.HasFormat && m.Properties.PayloadFormat == 1:
		e.contentType = "text/plain; charset=utf-8"
	default:
		e.contentType = "application/octet-stream"
	}
	return e
}

// encode makes body and headers in a target's format.
func (e *event) encode(t *push.Target, attempt int) (body []byte, h http.Header, err error) {
	h = make(http.Header)
	switch t.Format {
	case push.CloudEventsStructured:
		h.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		body, err = e.structured()
	case push.PubSub:
		h.Set("Content-Type", "application/json")
		body, err = e.pubsub(t.Name, attempt)
	case push.Raw:
		h.Set("Content-Type", headerValue(e.contentType))
		h.Set("Mqtt-Topic", percent(e.m.Topic))
		body = e.m.Payload
	default:
		h.Set("Content-Type", headerValue(e.contentType))
		for name, value := range e.attributes() {
			h.Set("Ce-"+name, percent(fmt.Sprint(value)))
		}
		body = e.m.Payload
	}
	return body, h, err
}

// attributes are those of the CloudEvent but for datacontenttype. Names are lower-case letters and digits (CloudEvents 1.0.2
// section 3.1).
func (e *event) attributes() map[string]any {
	p := &e.m.Properties
	a := map[string]any{
		"specversion": specVersion, "id": e.id, "source": e.source, "type": e.kind, "subject": e.subject,
		"time": e.at.Format("2006-01-02T15:04:05.000Z07:00"), "qos": int(e.m.QoS),
	}
	if p.ResponseTopic != "" {
		a["responsetopic"] = p.ResponseTopic
	}
	if p.CorrelationData != nil {
		a["correlationdata"] = base64.StdEncoding.EncodeToString(p.CorrelationData)
	}
	if len(p.User) > 0 {
		text, err := json.Marshal(pairsOf(p.User))
		if err == nil {
			a["userproperties"] = string(text)
		}
	}
	return a
}

func pairsOf(user []message.UserProperty) [][2]string {
	list := make([][2]string, len(user))
	for i, u := range user {
		list[i] = [2]string{u.Key, u.Value}
	}
	return list
}

// structured is the JSON format of CloudEvents: the payload in data where it is JSON or text, else in data_base64.
func (e *event) structured() ([]byte, error) {
	a := e.attributes()
	a["datacontenttype"] = e.contentType
	switch payload := e.m.Payload; {
	case isJSON(e.contentType) && json.Valid(payload) && utf8.Valid(payload):
		a["data"] = json.RawMessage(payload)
	case isText(e.contentType) && utf8.Valid(payload):
		a["data"] = string(payload)
	default:
		a["data_base64"] = base64.StdEncoding.EncodeToString(payload) // of none too, not null
	}
	return plainJSON(a)
}

// pubsub is the JSON that Google Cloud Pub/Sub pushes. User properties are attributes; of several with one name the last counts,
// and of one named like ours ours.
func (e *event) pubsub(name string, attempt int) ([]byte, error) {
	attributes := make(map[string]string)
	for _, u := range e.m.Properties.User {
		attributes[u.Key] = u.Value
	}
	attributes["topic"], attributes["qos"], attributes["contentType"] = e.m.Topic, fmt.Sprint(e.m.QoS), e.contentType
	at := e.at.Format("2006-01-02T15:04:05.000Z07:00")
	return plainJSON(map[string]any{
		"message": map[string]any{
			"data": base64.StdEncoding.EncodeToString(e.m.Payload), "attributes": attributes, "messageId": e.id, "message_id": e.id,
			"publishTime": at, "publish_time": at, "orderingKey": e.m.Topic,
		},
		"subscription":    "projects/lmqgate/subscriptions/" + name,
		"deliveryAttempt": attempt,
	})
}

// plainJSON does not escape <, > and &.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasPrefix(kind, "text/") || kind == "application/xml" || strings.HasSuffix(kind, "+xml"))
}

// percent writes a value as the HTTP binding of CloudEvents wants it (section 3.1.3.2): printable ASCII but for space, '"' and '%'
// as it is, everything else as %XX of its UTF-8.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7F && c != '"' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// headerValue is a publisher's content type, unless a header cannot carry it.
func headerValue(contentType string) string {
	for i := range len(contentType) {
		if c := contentType[i]; c < ' ' || c >= 0x7F {
			return "application/octet-stream"
		}
	}
	return contentType
}
