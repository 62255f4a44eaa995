package presence

import (
	"slices"
	"strings"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// What consumers know.
const (
	RocketMQTopic = "%SYS_MQTT"
	Tag           = "CLIENT_EVENT"
	Topic         = RocketMQTopic + "/online_offline_event"             // for MQTT clients
	JavaLMQ       = topic.LMQPrefix + "%SYS_MQTT%online_offline_event%" // of RocketMQ MQTT's clients
)

// Outgoing is one RocketMQ message to be sent. Its fields are those of dispatch.Outgoing, so that a pointer to one converts
// into the other.
type Outgoing struct {
	Place      message.Place
	Tag        string
	Key        string            // UNIQ_KEY
	Properties map[string]string // without TAGS, UNIQ_KEY and INNER_MULTI_DISPATCH; read only
	Dispatch   []string          // LMQ names, unique; read only
	Body       []byte            // read only
}

// outgoing is the message of an event, for the filters that match its topic.
func outgoing(text []byte, key string, at message.Place, filters []string) *Outgoing {
	r := message.Encode(&message.Message{Topic: Topic, Payload: text, QoS: 1})
	delete(r.Properties, message.PropTags)
	return &Outgoing{
		Place: at, Tag: Tag, Key: key, Properties: r.Properties, Dispatch: queues(filters), Body: r.Body,
	}
}

// queues are the LMQs of an event, each once. That only filters count whose first level is the event's bounds them: there
// are but five.
func queues(filters []string) []string {
	lmqs := []string{JavaLMQ}
	for _, f := range filters {
		if !strings.HasPrefix(f, RocketMQTopic+"/") || !topic.Match(f, Topic) {
			continue
		}
		name := topic.LMQ(f)
		if !slices.Contains(lmqs, name) {
			lmqs = append(lmqs, name)
		}
	}
	return lmqs
}
