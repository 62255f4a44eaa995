package admin

import (
	"context"
	"errors"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
)

// Retained is the retained message of one topic.
type Retained struct {
	Topic     string     `json:"topic"`
	QoS       byte       `json:"qos"`
	Bytes     int        `json:"bytes"` // of the payload
	Publisher string     `json:"publisher"`
	Published *time.Time `json:"published"`
	Expires   *time.Time `json:"expires"` // null: never
	Key       string     `json:"key"`     // UNIQ_KEY
	Type      string     `json:"content_type,omitempty"`
	Payload   []byte     `json:"payload,omitempty"` // Base64 in JSON; only in the answer for one topic
}

// RetainedPage is one page; see retain.Store.Match.
type RetainedPage struct {
	Retained []Retained `json:"retained"`
	Next     string     `json:"next"`
	// Unreadable says that some on this page have a format that this build does not know.
	Unreadable bool `json:"unreadable,omitempty"`
}

// RetainedMatch lists the retained messages whose topics match a filter, without their payloads.
func (a *Admin) RetainedMatch(ctx context.Context, filter, cursor string, limit int) (RetainedPage, error) {
	out := RetainedPage{Retained: []Retained{}}
	found, next, err := a.cfg.Retained.Match(ctx, filter, cursor, page(limit))
	if err != nil && !errors.Is(err, retain.ErrFormat) {
		return out, err
	}
	out.Next, out.Unreadable = next, err != nil
	for _, m := range found {
		r := retained(m)
		r.Payload = nil
		out.Retained = append(out.Retained, r)
	}
	return out, nil
}

// RetainedGet returns the retained message of a topic, or retain.ErrNotFound.
func (a *Admin) RetainedGet(ctx context.Context, topic string) (Retained, error) {
	m, err := a.cfg.Retained.Get(ctx, topic)
	if err != nil {
		return Retained{}, err
	}
	return retained(m), nil
}

// RetainedDelete removes the retained message of a topic and returns it, or retain.ErrNotFound. Subscribers are not told, as
// they are not of a retained message that expires.
func (a *Admin) RetainedDelete(ctx context.Context, topic string) (Retained, error) {
	m, err := a.cfg.Retained.Get(ctx, topic)
	if err != nil {
		return Retained{}, err
	}
	return retained(m), a.cfg.Retained.Set(ctx, &message.Message{Topic: topic, Retain: true})
}

func retained(m *message.Message) Retained {
	r := Retained{
		Topic: m.Topic, QoS: m.QoS, Bytes: len(m.Payload), Publisher: m.Publisher, Key: m.Key, Type: m.Properties.ContentType, Payload: m.Payload,
	}
	if m.BornMillis > 0 {
		born := time.UnixMilli(m.BornMillis)
		r.Published = timestamp(born)
		if m.Properties.HasExpiry {
			r.Expires = timestamp(born.Add(time.Duration(m.Properties.Expiry) * time.Second))
		}
	}
	return r
}
