package client

import (
	"errors"
	"strings"

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
	if err := c.meter(len(p.Payload)); err != nil {
		return err
	}
	if err := topic.ValidName(p.Topic); err != nil { // [MQTT-3.3.2-2]
		return reject(packet.TopicNameInvalid, "%v", err)
	}
	if err := c.publishable(p); err != nil {
		return c.refusePublish(p, err)
	}
	c.taken++
	m := &message.Message{
		Topic: p.Topic, Payload: p.Payload, QoS: p.QoS, Retain: p.Retain, Properties: p.Properties,
		BornMillis: c.srv.cfg.Now().UnixMilli(),
	}
	if c.version == packet.V5 {
		m.Publisher = c.id
	}
	if err := c.place(m); err != nil {
		return err
	}
	c.pace()
	in := c.inbound()
	if err := in.enter(p); err != nil {
		return err
	}
	if in.lane == nil {
		in.lane = c.srv.deps.Lanes.NewLane()
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

// publishable says what stands against a PUBLISH that is right in itself. One that repeats a packet id of QoS 2 was let
// through before.
func (c *client) publishable(p *packet.Publish) error {
	err := c.mayPublish(p.Topic, p.Retain)
	if err == nil {
		err = formatted(&p.Properties, p.Payload)
	}
	if err != nil && p.QoS == 2 && c.inbound().open(p.PacketID) {
		return nil
	}
	return err
}

// refusePublish answers a PUBLISH that is not taken. Where no acknowledgement can say so, with QoS 0 and before 5.0, the
// connection ends: nothing is acknowledged that is not stored [3.1.1 MQTT-3.3.5-2].
func (c *client) refusePublish(p *packet.Publish, err error) error {
	var e *packet.Error
	if p.QoS == 0 || c.version != packet.V5 || !errors.As(err, &e) {
		return err
	}
	in := c.inbound()
	if err := in.enter(p); err != nil {
		return err
	}
	why := ""
	if c.problems {
		why = e.Msg
	}
	in.refuse(p, e.Code, why)
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
	case errors.Is(err, message.ErrNotRetained):
		c.srv.warn("a message was not retained", "client_id", c.id, "error", err)
		if c.version != packet.V5 { // it is stored: there is no other way to say so
			return packet.Success, "", true
		}
		return c.failed(packet.QuotaExceeded, "the message was published but not retained")
	case errors.Is(err, message.ErrRefused):
		c.srv.warn("a message was refused for good", "client_id", c.id, "error", err)
		if c.version == packet.V5 {
			return c.failed(packet.ImplementationSpecificError, "RocketMQ does not take this message as it is")
		}
		// Before 5.0 the choice is to acknowledge or to close (3.1.1: [MQTT-3.3.5-2]). A client whose connection is closed
		// sends the message again, with whatever stands behind it, and is refused again, without end.
		return packet.Success, "", true
	}
	if c.giveUp(packet.ServerBusy, "a message could not be stored, connect again and repeat it") {
		c.srv.warn("publish failed, closing the connection", "client_id", c.id, "error", err)
	}
	return 0, "", false
}

// failed is the outcome of a code, without words for a client that does not want them [MQTT-3.1.2-29].
func (c *client) failed(code packet.ReasonCode, words string) (packet.ReasonCode, string, bool) {
	if !c.problems {
		words = ""
	}
	return code, words, true
}

// resolveAlias sets the topic of a PUBLISH that uses a topic alias, section 3.3.2.3.4.
func (c *client) resolveAlias(p *packet.Publish) error {
	n := int(p.TopicAlias)
	if n == 0 {
		return nil
	}
	if n > c.srv.cfg.TopicAliases { // [MQTT-3.3.2-9], [MQTT-3.3.2-12]
		return reject(packet.TopicAliasInvalid, "topic alias beyond the maximum")
	}
	in := c.inbound()
	if p.Topic == "" {
		if n > len(in.aliases) || in.aliases[n-1] == "" {
			return reject(packet.ProtocolError, "topic alias is not set")
		}
		p.Topic = in.aliases[n-1]
		return nil
	}
	for len(in.aliases) < n {
		in.aliases = append(in.aliases, "")
	}
	in.aliases[n-1] = strings.Clone(p.Topic) // not to keep the payload alive
	return nil
}
