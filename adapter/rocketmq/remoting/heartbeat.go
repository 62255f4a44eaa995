package remoting

import (
	"encoding/json"
	"fmt"
)

// Heartbeat is the body of HeartBeat. One with empty sets is accepted by
// brokers and keeps the connection from being closed as idle (120 s).
type Heartbeat struct {
	ClientID  string          `json:"clientID"`
	Producers []ProducerGroup `json:"producerDataSet"`
	Consumers []ConsumerGroup `json:"consumerDataSet"`
}

// ProducerGroup is one producer group of a client.
type ProducerGroup struct {
	Name string `json:"groupName"`
}

// ConsumerGroup is one consumer group of a client.
type ConsumerGroup struct {
	Name          string         `json:"groupName"`
	Type          string         `json:"consumeType"`
	Model         string         `json:"messageModel"`
	From          string         `json:"consumeFromWhere"`
	Subscriptions []Subscription `json:"subscriptionDataSet"`
	UnitMode      bool           `json:"unitMode"`
}

// Subscription is one topic of a ConsumerGroup.
type Subscription struct {
	Topic      string `json:"topic"`
	Expression string `json:"subString"`
	Type       string `json:"expressionType,omitempty"`
	Version    int64  `json:"subVersion"`
}

// Encode returns the heartbeat as JSON.
func (h Heartbeat) Encode() ([]byte, error) {
	if h.Producers == nil {
		h.Producers = []ProducerGroup{}
	}
	if h.Consumers == nil {
		h.Consumers = []ConsumerGroup{}
	}
	return json.Marshal(h)
}

// DecodeHeartbeat reads the body of a HeartBeat request.
func DecodeHeartbeat(body []byte) (Heartbeat, error) {
	var h Heartbeat
	if err := json.Unmarshal(quoteKeys(body), &h); err != nil {
		return Heartbeat{}, fmt.Errorf("decode heartbeat: %w", err)
	}
	return h, nil
}
