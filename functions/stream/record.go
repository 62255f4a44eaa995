package stream

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"lmqgate/meta/message"
)

// Record is a message as callers see it in JSON.
type Record struct {
	ID              string      `json:"id,omitempty"` // goes into Last-Event-ID or after=; none for a retained message
	Topic           string      `json:"topic"`
	Payload         string      `json:"payload"`
	Encoding        string      `json:"encoding"` // "plain": payload is the text; "base64": it is no UTF-8
	QoS             byte        `json:"qos"`
	Retained        bool        `json:"retained,omitempty"` // it was there before the subscription
	MessageID       string      `json:"message_id"`         // the UNIQ_KEY in RocketMQ
	Time            string      `json:"time,omitempty"`     // when it was published, RFC 3339 with milliseconds
	ContentType     string      `json:"content_type,omitempty"`
	ResponseTopic   string      `json:"response_topic,omitempty"`
	CorrelationData string      `json:"correlation_data,omitempty"` // base64
	Expiry          *uint32     `json:"expiry,omitempty"`           // seconds from publication
	UserProperties  [][2]string `json:"user_properties,omitempty"`
}

// recordOf shows a message.
func recordOf(a *asked, arrival *message.Arrival) *Record {
	m := arrival.Message
	r := &Record{
		Topic: m.Topic, Payload: string(m.Payload), Encoding: "plain", QoS: m.QoS, Retained: arrival.Retained, MessageID: m.Key,
		ContentType: m.Properties.ContentType, ResponseTopic: m.Properties.ResponseTopic,
	}
	if arrival.Position != "" {
		r.ID = a.id(arrival.Position)
	}
	if !utf8.Valid(m.Payload) {
		r.Payload, r.Encoding = base64.StdEncoding.EncodeToString(m.Payload), "base64"
	}
	if m.BornMillis > 0 {
		r.Time = time.UnixMilli(m.BornMillis).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	if m.Properties.CorrelationData != nil {
		r.CorrelationData = base64.StdEncoding.EncodeToString(m.Properties.CorrelationData)
	}
	if m.Properties.HasExpiry {
		expiry := m.Properties.Expiry
		r.Expiry = &expiry
	}
	for _, u := range m.Properties.User {
		r.UserProperties = append(r.UserProperties, [2]string{u.Key, u.Value})
	}
	return r
}

// appendJSON appends v without a line end.
func appendJSON(b *bytes.Buffer, v any) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of strings and numbers: cannot fail
	b.Truncate(b.Len() - 1)
}

// appendEvent appends one event of a stream. Of the payload as it is, every line becomes a data field, since a reader joins
// them with line feeds; a payload that is no UTF-8 cannot be sent so and goes as base64 under the event name "base64".
func appendEvent(b *bytes.Buffer, a *asked, arrival *message.Arrival) {
	if arrival.Position != "" {
		b.WriteString("id: " + a.id(arrival.Position) + "\n")
	}
	if !a.raw {
		b.WriteString("data: ")
		appendJSON(b, recordOf(a, arrival))
		b.WriteString("\n\n")
		return
	}
	text := string(arrival.Message.Payload)
	if !utf8.ValidString(text) {
		b.WriteString("event: base64\n")
		text = base64.StdEncoding.EncodeToString(arrival.Message.Payload)
	}
	for _, line := range strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteString("\n")
}
