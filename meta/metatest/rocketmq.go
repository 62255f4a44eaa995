package metatest

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

//go:embed testdata/contract.json
var contractJSON []byte

// Contract is testdata/contract.json: what we write for RocketMQ and what we read from it, in the words of Apache RocketMQ
// MQTT (Java). Its expectations were made apart from this repository's code.
type Contract struct {
	Rows []struct {
		Row, What string
		Tests     []string // "package TestName"
	}
	Names []struct {
		Row, Name, LMQ string
		RocketMQ       string // the RocketMQ topic of a PUBLISH to that name; "" if it is a filter, or a queue
	}
	Subscribed []string // filters with a subscriber, in Written and Read
	Written    []Written
	Read       []Read
}

// ContractMessage is the MQTT side.
type ContractMessage struct {
	Topic      string
	Payload    Hex
	QoS        byte
	Retain     bool
	Publisher  string
	Properties struct {
		PayloadFormat              byte
		HasFormat                  bool
		Expiry                     uint32
		HasExpiry                  bool
		ResponseTopic, ContentType string
		CorrelationData            Hex
		User                       []message.UserProperty
	}
}

// Written is a PUBLISH and the message in RocketMQ that it becomes.
type Written struct {
	Row      string
	MQTT     ContractMessage
	RocketMQ struct {
		Topic      string
		Body       Hex
		Dispatch   string            // INNER_MULTI_DISPATCH, "" = absent
		Properties map[string]string // with TAGS, and complete but for UNIQ_KEY and INNER_MULTI_DISPATCH
	}
}

// Read is a message in RocketMQ and the PUBLISH that it becomes, for those of the subscribed filters named by Readers.
type Read struct {
	Row, Note string
	RocketMQ  struct {
		Body       Hex
		Properties map[string]string
	}
	MQTT    *ContractMessage // nil: nothing for MQTT clients
	Readers []string
	Client  string // id of a client that gets it without a subscription
}

// Hex is bytes in hexadecimal.
type Hex []byte

// UnmarshalJSON reads a JSON string; "" and null are nil.
func (h *Hex) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s == "" {
		*h = nil
		return err
	}
	var err error
	*h, err = hex.DecodeString(s)
	return err
}

// Message is the message as the rest of the code knows it.
func (m *ContractMessage) Message() *message.Message {
	p := m.Properties
	return &message.Message{
		Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain, Publisher: m.Publisher,
		Properties: message.Properties{
			PayloadFormat: p.PayloadFormat, HasFormat: p.HasFormat, Expiry: p.Expiry, HasExpiry: p.HasExpiry,
			ResponseTopic: p.ResponseTopic, ContentType: p.ContentType, CorrelationData: p.CorrelationData, User: p.User,
		},
	}
}

// LoadContract returns the contract with another first level in place of "chat", and in its client ids; "" for the same.
func LoadContract(t testing.TB, first string) *Contract {
	t.Helper()
	plain := parseContract(t, string(contractJSON))
	if first == "" {
		return plain
	}
	// Hashes are of names: those of the other names stand for those of the given ones.
	var pairs []string
	for _, f := range plain.Subscribed {
		if lmq := topic.LMQ(f); topic.IsHashedLMQ(lmq) {
			pairs = append(pairs, lmq, topic.LMQ(strings.ReplaceAll(f, "chat", first)))
		}
	}
	return parseContract(t, strings.NewReplacer(append(pairs, "chat", first, "gold", first+"-gold")...).Replace(string(contractJSON)))
}

func parseContract(t testing.TB, text string) *Contract {
	t.Helper()
	c := &Contract{}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		t.Fatalf("read contract: %v", err)
	}
	return c
}

// Filters are the subscribed filters that match a topic, in the order of their LMQ names.
func (c *Contract) Filters(name string) []string {
	var all []string
	for _, f := range c.Subscribed {
		if topic.Match(f, name) {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(topic.LMQ(a), topic.LMQ(b)) })
	return all
}

// LMQ is the queue of a topic or filter.
func (c *Contract) LMQ(nameOrFilter string) string { return topic.LMQ(nameOrFilter) }
