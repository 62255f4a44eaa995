package packet

import "lmqgate/meta/message"

// Properties are the properties that belong to an application message and travel with it from publisher to
// subscriber: those of PUBLISH and of a will without what concerns one connection only.
type Properties = message.Properties

// setMessage stores the current property in m if it is one of a message and says whether it was.
func (p *properties) setMessage(r *reader, m *Properties) bool {
	switch p.id {
	case payloadFormat:
		m.HasFormat, m.PayloadFormat = true, byte(p.num)
	case messageExpiry:
		m.HasExpiry, m.Expiry = true, p.num
	case contentType:
		m.ContentType = p.text
	case responseTopic:
		m.ResponseTopic = p.text
		if p.text == "" || hasWildcard(p.text) { // [MQTT-3.3.2-14]
			r.fail(ProtocolError, "response topic is not a topic name")
		}
	case correlationData:
		m.CorrelationData = p.binary
	case userProperty:
		m.User = append(m.User, p.pair)
	default:
		return false
	}
	return true
}

// message writes the properties of a message; the expiry comes first.
func (w *writer) message(m *Properties) {
	w.uint32Property(messageExpiry, m.Expiry, m.HasExpiry)
	w.messageTail(m)
}

// messageTail writes the properties that are the same for every receiver, which the expiry is not [MQTT-3.3.2-6].
func (w *writer) messageTail(m *Properties) {
	if m.HasFormat {
		w.property(payloadFormat)
		w.byte(m.PayloadFormat)
		if m.PayloadFormat > 1 {
			w.fail("payload format is neither 0 nor 1")
		}
	}
	w.textProperty(contentType, m.ContentType, "content type")
	w.textProperty(responseTopic, m.ResponseTopic, "response topic")
	if hasWildcard(m.ResponseTopic) {
		w.fail("response topic has a wildcard")
	}
	w.binaryProperty(correlationData, m.CorrelationData, "correlation data")
	w.userProperties(m.User)
}

// messageSize is the number of bytes that message writes.
func messageSize(m *Properties) int {
	n := messageTailSize(m)
	if m.HasExpiry {
		n += 5
	}
	return n
}

// messageTailSize is the number of bytes that messageTail writes.
func messageTailSize(m *Properties) int {
	n := 0
	if m.HasFormat {
		n += 2
	}
	if m.ContentType != "" {
		n += 3 + len(m.ContentType)
	}
	if m.ResponseTopic != "" {
		n += 3 + len(m.ResponseTopic)
	}
	if m.CorrelationData != nil {
		n += 3 + len(m.CorrelationData)
	}
	for i := range m.User {
		n += 5 + len(m.User[i].Key) + len(m.User[i].Value)
	}
	return n
}
