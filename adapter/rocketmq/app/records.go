package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// Records returns the RocketMQ messages that carry m to the readers of filters, for an application that sends them with a
// producer of its own: one, or several with the same UNIQ_KEY where the list is too long for one, to be sent in order to
// the same queue. Each filter must match the topic; readers of the topic itself read a filter too. With the topic of one
// client, `first/p2p/<client id>/...`, filters must be empty. Retain is a property then and keeps nothing.
func Records(m *message.Message, filters ...string) ([]*primitive.Message, error) {
	if err := topic.ValidName(m.Topic); err != nil {
		return nil, fmt.Errorf("record for %q: %w", m.Topic, err)
	}
	if m.QoS > 2 {
		return nil, fmt.Errorf("record for %q: QoS %d", m.Topic, m.QoS)
	}
	lmqs, err := named(m.Topic, filters)
	if err != nil {
		return nil, fmt.Errorf("record for %q: %w", m.Topic, err)
	}
	own := *m
	if own.Key == "" {
		own.Key = rocketmq.NewKey()
	}
	parts, err := message.Parts(&own, lmqs, room, false)
	if err != nil {
		return nil, fmt.Errorf("record for %q: %w", m.Topic, err)
	}
	records := make([]*primitive.Message, len(parts))
	for i, p := range parts {
		if len(p.Dispatch) > 0 {
			if err := rocketmq.CheckDispatch(p.Dispatch); err != nil { // a broker would end its log at a name that is too long
				return nil, fmt.Errorf("record for %q: %w", m.Topic, err)
			}
		}
		r := primitive.NewMessage(topic.RocketMQTopic(m.Topic, DefaultFallback, nil), p.Body)
		r.WithProperties(p.Properties)
		r.WithTag(p.Tag)
		r.WithProperty(message.PropKey, p.Key)
		if len(p.Dispatch) > 0 {
			r.WithProperty(message.PropDispatch, strings.Join(p.Dispatch, ","))
		}
		records[i] = r
	}
	return records, nil
}

// named returns the queues of filters that an application names.
func named(name string, filters []string) ([]string, error) {
	if id, ok := topic.P2P(name); ok {
		if len(filters) > 0 {
			return nil, fmt.Errorf("it is for the client %q alone and has no filters", id)
		}
		return []string{topic.P2PLMQ(id)}, nil
	}
	for _, f := range filters {
		if _, _, shared, _ := topic.ParseShared(f); shared {
			return nil, fmt.Errorf("filter %q: give the filter inside, without $share and group", f)
		}
		if err := topic.ValidFilter(f); err != nil {
			return nil, fmt.Errorf("filter %q: %w", f, err)
		}
		if !topic.Match(f, name) {
			return nil, fmt.Errorf("filter %q does not match it", f)
		}
	}
	return topic.Queues(filters), nil
}

// Decode reads a message that a RocketMQ consumer got; message.ErrNotMQTT says that it is none for or of MQTT clients.
func Decode(r *primitive.MessageExt) (*message.Message, error) {
	m, err := message.Decode(r.Body, r.GetProperty)
	if err != nil {
		return nil, err
	}
	m.BornMillis, m.StoreMillis = r.BornTimestamp, r.StoreTimestamp
	return m, nil
}

// Expired reports whether the message expiry interval of a message is over [MQTT-3.3.2-5].
func Expired(m *message.Message, now time.Time) bool {
	return m.Properties.HasExpiry && now.After(time.UnixMilli(m.BornMillis).Add(time.Duration(m.Properties.Expiry)*time.Second))
}
