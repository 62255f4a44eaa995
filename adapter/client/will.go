package client

import (
	"time"
	"unicode/utf8"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// willing checks what does not need anybody else.
func willing(w *packet.Will) error {
	if w == nil {
		return nil
	}
	if err := topic.ValidName(w.Topic); err != nil { // [MQTT-3.1.3-11]
		return reject(packet.TopicNameInvalid, "will topic: %v", err)
	}
	return formatted(&w.Properties, w.Payload)
}

// formatted holds a payload against its Payload Format Indicator, section 3.3.2.3.2.
func formatted(p *packet.Properties, payload []byte) error {
	if p.PayloadFormat == 1 && !utf8.Valid(payload) {
		return reject(packet.PayloadFormatInvalid, "payload is not UTF-8 as its format indicator says")
	}
	return nil
}

// will is what the store keeps of the client's will [MQTT-3.1.2-7]. Its message is born when it is published, which is
// when its expiry interval begins, section 3.1.3.2.4.
func (c *client) will(p *packet.Connect) (*session.Will, error) {
	w := p.Will
	if w == nil {
		return nil, nil
	}
	if err := c.mayPublish(w.Topic, w.Retain); err != nil {
		return nil, err
	}
	m := &message.Message{
		Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain, Properties: w.Properties, Key: c.srv.deps.NewKey(),
	}
	if c.version == packet.V5 {
		m.Publisher = c.id
	}
	if err := c.place(m); err != nil {
		return nil, err
	}
	return &session.Will{Message: m, Delay: time.Duration(w.Delay) * time.Second}, nil
}

// due hands on wills whose time has come.
func (s *Server) due(wills []session.DueWill) {
	if len(wills) > 0 && s.deps.Wills != nil {
		s.deps.Wills(wills)
	}
}
