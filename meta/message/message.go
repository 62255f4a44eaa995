// Package message is an application message as it travels between MQTT, HTTP and RocketMQ, and its encoding as a
// RocketMQ message in the format of Apache RocketMQ MQTT.
package message

import "context"

// UserProperty is one name-value pair; order and repetition matter [MQTT-3.3.2-17].
type UserProperty struct{ Key, Value string }

// Properties are the MQTT 5.0 properties that travel with a message.
type Properties struct {
	PayloadFormat   byte // 0 unspecified bytes, 1 UTF-8
	HasFormat       bool
	Expiry          uint32 // seconds since publication
	HasExpiry       bool
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte // nil = absent
	User            []UserProperty
}

// Message is one application message. Payload must not be changed once the message was handed on.
type Message struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Retain     bool
	Properties Properties

	Key         string // UNIQ_KEY
	TraceParent string // W3C Trace Context that a RocketMQ message carries on, "" = none; Decode leaves it out
	TraceState  string
	Publisher   string // client id of an MQTT 5.0 publisher (for No Local), "" if unknown
	BornMillis  int64  // when the gateway accepted it
	StoreMillis int64  // when the broker stored it; 0 before
}

// Result tells where a published message went.
type Result struct {
	Key    string // UNIQ_KEY
	Queues int    // LMQs it was dispatched to; 0 = nobody subscribes
}

// Publisher publishes messages. Success means that the message is kept, if it is a retained one, and that the broker has
// acknowledged it. With ErrNotRetained the Result is valid too.
type Publisher interface {
	Publish(ctx context.Context, m *Message) (Result, error)
}
