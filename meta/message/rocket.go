package message

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
)

// Property names and values of a RocketMQ message, as Apache RocketMQ MQTT writes and reads them.
const (
	PropTags       = "TAGS"
	PropWait       = "WAIT"
	PropTopic      = "originMqttTopic"
	PropQoS        = "qosLevel"
	PropRetryTimes = "retryTimes"
	PropEmpty      = "IS_EMPTY_MSG"
	PropExtData    = "extData"
	PropKey        = "UNIQ_KEY"                 // added by the producer
	PropDispatch   = "INNER_MULTI_DISPATCH"     // added by the producer: LMQ names joined by ','
	PropOffsets    = "INNER_MULTI_QUEUE_OFFSET" // added by the broker, aligned with PropDispatch

	TagCommon = "MQTT_COMMON" // what RocketMQ consumers of MQTT messages subscribe to
	TagPart   = "MQTT_PART"   // further parts of a message split by SplitDispatch: consumers of TagCommon see it once
)

// Properties of our own. A publish of an MQTT 3.1.1 client without retain has none of them, so that it is byte for byte
// what the Java gateway writes.
const (
	PropRetain    = "LMQGATE_RETAIN" // "true" if the PUBLISH had RETAIN set (for Retain As Published)
	PropPublisher = "LMQGATE_CLIENT" // client id of the MQTT 5.0 publisher, percent-encoded
	PropPart      = "LMQGATE_PART"   // number of a part of a split message, from 0; absent in a whole one
)

// W3C Trace Context of a message: only where tracing is on, or a RocketMQ application set it.
const (
	PropTraceParent = "traceparent"
	PropTraceState  = "tracestate"
)

// separators are the bytes that delimit properties on the wire; no property may contain them. They are legal in an MQTT
// topic, which then travels in extData.mqttRealTopic, where JSON escapes them, and with U+FFFD in their place in originMqttTopic.
const separators = "\x01\x02"

// EmptyBody stands for an empty payload, since RocketMQ has no empty bodies; it does so only beside IS_EMPTY_MSG=true.
const EmptyBody = "★\r\n\t☀"

// Rocket is a message as it is given to a RocketMQ producer, to which the producer adds PropKey and PropDispatch. The
// RocketMQ topic is topic.RocketMQTopic's.
type Rocket struct {
	Body       []byte            // shared with Message.Payload
	Properties map[string]string // with TAGS; owned by the caller
}

// Encode returns the RocketMQ form of a message with a valid topic and QoS. MQTT 5.0 properties travel in extData.
func Encode(m *Message) Rocket {
	qos := strconv.Itoa(int(m.QoS))
	p := make(map[string]string, 12)
	p[PropTags] = TagCommon
	p[PropWait] = "true"
	p[PropTopic] = m.Topic
	p[PropQoS] = qos
	p[PropRetryTimes] = "0"
	p[PropEmpty] = strconv.FormatBool(len(m.Payload) == 0)
	realTopic := ""
	if strings.ContainsAny(m.Topic, separators) {
		realTopic = m.Topic
		p[PropTopic] = strings.Map(replaceSeparator, m.Topic)
	}
	p[PropExtData] = encodeExt(qos, realTopic, &m.Properties)
	if m.Retain {
		p[PropRetain] = "true"
	}
	if m.TraceParent != "" {
		p[PropTraceParent] = m.TraceParent
		if m.TraceState != "" {
			p[PropTraceState] = m.TraceState
		}
	}
	if m.Publisher != "" {
		p[PropPublisher] = url.PathEscape(m.Publisher)
	}
	r := Rocket{Body: m.Payload, Properties: p}
	if len(m.Payload) == 0 {
		r.Body = []byte(EmptyBody)
	}
	return r
}

// Part returns the message for part n of a list split by SplitDispatch: part 0 is r itself, further ones share the body
// and have properties of their own with TagPart and PropPart. With more than one part the caller sets PropPart of the
// first one too; a whole message has none.
func (r Rocket) Part(n int) Rocket {
	if n == 0 {
		return r
	}
	p := maps.Clone(r.Properties)
	p[PropTags] = TagPart
	p[PropPart] = strconv.Itoa(n)
	return Rocket{Body: r.Body, Properties: p}
}

func replaceSeparator(r rune) rune {
	if r == 1 || r == 2 {
		return '\uFFFD'
	}
	return r
}
