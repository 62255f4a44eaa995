package message

import (
	"errors"
	"net/url"
	"strings"

	"lmqgate/meta/topic"
)

// ErrNotMQTT says that a RocketMQ message has no MQTT topic: it was not meant for MQTT clients and is to be skipped.
var ErrNotMQTT = errors.New("message has no mqtt topic")

// DefaultQoS is the QoS of a message whose writer named none. The Java gateway delivers such a message at the
// subscription's QoS; so does the lower of that and 2.
const DefaultQoS = 2

// Decode reads a RocketMQ message as this gateway, the Java gateway or a RocketMQ application wrote it. prop returns a
// property of the message, "" if absent; the body becomes the payload without being copied. BornMillis and StoreMillis
// are left to the caller.
//
// The topic is extData.mqttRealTopic, else originMqttTopic, else the last LMQ without wildcard with every '%' read as '/' and
// the trailing slash dropped; each counts only if it is a valid topic name. With none the error is ErrNotMQTT, the
// only one. Malformed properties are left out.
func Decode(body []byte, prop func(key string) string) (*Message, error) {
	e := decodeExt(prop(PropExtData))
	name := e.realTopic
	if topic.ValidName(name) != nil {
		name = prop(PropTopic)
	}
	if topic.ValidName(name) != nil {
		name = lastTopic(prop(PropDispatch))
	}
	if topic.ValidName(name) != nil {
		return nil, ErrNotMQTT
	}
	m := &Message{
		Topic:      name,
		Payload:    body,
		QoS:        decodeQoS(e.qos, prop(PropQoS)),
		Retain:     prop(PropRetain) == "true",
		Properties: e.props,
		Key:        prop(PropKey),
		Publisher:  decodePublisher(prop(PropPublisher)),
	}
	if string(body) == EmptyBody && strings.EqualFold(prop(PropEmpty), "true") {
		m.Payload = nil
	}
	return m, nil
}

// lastTopic returns the topic of the last LMQ in the list that names one.
func lastTopic(list string) string {
	for list != "" {
		i := strings.LastIndexByte(list, ',')
		lmq := list[i+1:]
		list = list[:max(i, 0)]
		name, ok := strings.CutPrefix(lmq, topic.LMQPrefix)
		if !ok || topic.IsWildcard(name) || topic.IsHashedLMQ(lmq) {
			continue
		}
		name = strings.ReplaceAll(name, "%", "/")
		if len(name) > 1 {
			name = strings.TrimSuffix(name, "/")
		}
		return name
	}
	return ""
}

func decodeQoS(values ...string) byte {
	for _, v := range values {
		if v == "0" || v == "1" || v == "2" {
			return v[0] - '0'
		}
	}
	return DefaultQoS
}

func decodePublisher(s string) string {
	id, err := url.PathUnescape(s)
	if err != nil {
		return ""
	}
	return id
}
