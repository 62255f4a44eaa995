package client

import (
	"errors"
	"strings"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// publish handles PUBLISH: checks it and hands it to the lane. Acknowledgements go out in the order of the PUBLISHes of
// their QoS [MQTT-4.6.0-2], [MQTT-4.6.0-3].
func (c *client) publish(p *packet.Publish) error {
	if err := c.resolveAlias(p); err != nil {
		return err
	}
	if err := topic.ValidName(p.Topic); err != nil {
		return &packet.Error{Code: packet.TopicNameInvalid, Msg: err.Error()}
	}
	if p.Retain && c.version == packet.V5 { // [MQTT-3.2.2-14]
		return &packet.Error{Code: packet.RetainNotSupported, Msg: "retained messages are not available"}
	}
	m := &message.Message{
		Topic: p.Topic, Payload: p.Payload, QoS: p.QoS, Retain: p.Retain, Properties: p.Properties,
		BornMillis: time.Now().UnixMilli(),
	}
	if c.version == packet.V5 {
		m.Publisher = c.id
	}
	in := c.inbound()
	if err := in.enter(p); err != nil {
		return err
	}
	if c.lane == nil {
		c.lane = c.srv.deps.Lanes.NewLane()
	}
	switch p.QoS {
	case 0:
		in.publish0(m)
	case 1:
		in.publish1(p.PacketID, m)
	case 2:
		in.publish2(p.PacketID, m)
	}
	return nil
}

// outcome turns the end of a publication into a reason code. ok is false when nothing can be acknowledged and the
// connection is closed instead: before 5.0 a failure has no code, and an unknown outcome has none in any version.
func (c *client) outcome(r message.Result, err error) (code packet.ReasonCode, why string, ok bool) {
	switch {
	case err == nil && r.Queues == 0:
		return packet.NoMatchingSubscribers, "", true
	case err == nil:
		return packet.Success, "", true
	case errors.Is(err, errUnkept):
		return 0, "", false
	case errors.Is(err, message.ErrRefused) && c.version == packet.V5:
		c.srv.warn("a message was refused", "client_id", c.id, "error", err)
		if c.problems {
			why = "RocketMQ does not take this message as it is"
		}
		return packet.ImplementationSpecificError, why, true
	}
	if c.end(packet.ServerBusy, "a message could not be stored, connect again and repeat it") {
		c.srv.warn("publish failed, closing the connection", "client_id", c.id, "error", err)
	}
	return 0, "", false
}

// resolveAlias sets the topic of a PUBLISH that uses a topic alias [MQTT-3.3.2-8..12].
func (c *client) resolveAlias(p *packet.Publish) error {
	n := int(p.TopicAlias)
	if n == 0 {
		return nil
	}
	if n > c.srv.cfg.TopicAliases {
		return &packet.Error{Code: packet.TopicAliasInvalid, Msg: "topic alias beyond the maximum"}
	}
	if p.Topic == "" {
		if n > len(c.aliases) || c.aliases[n-1] == "" {
			return &packet.Error{Code: packet.ProtocolError, Msg: "topic alias is not set"}
		}
		p.Topic = c.aliases[n-1]
		return nil
	}
	for len(c.aliases) < n {
		c.aliases = append(c.aliases, "")
	}
	c.aliases[n-1] = strings.Clone(p.Topic) // not to keep the payload alive
	return nil
}
