package packet

// Publish carries an application message (section 3.3).
//
//	first byte 0011, DUP, QoS (2 bits), RETAIN | topic | packet id (QoS 1, 2) | properties (5.0) | payload
//
// In a decoded packet the topic, the payload and the properties share one allocation made for this packet, which the
// Decoder never touches again. Clone what is to outlive the payload, and write to none of it.
type Publish struct {
	DUP        bool
	QoS        byte
	Retain     bool
	Topic      string // "" in 5.0 if TopicAlias stands for it
	PacketID   uint16 // not 0 for QoS 1 and 2; not sent for QoS 0
	Payload    []byte
	Properties Properties // of the message, 5.0

	TopicAlias      uint16   // of this connection, 5.0; 0 = absent
	SubscriptionIDs []uint32 // of the receiver's subscriptions, 5.0; only servers send them [MQTT-3.3.4-6]
}

// Type returns PUBLISH.
func (p *Publish) Type() Type { return PUBLISH }

// EncodedSize is the length of what Append will write, to hold against the receiver's Maximum Packet Size.
func (p *Publish) EncodedSize(v Version) int {
	n := p.remaining(v)
	return 1 + varintSize(n) + n
}

// Append encodes the packet. It allocates nothing if dst has room.
func (p *Publish) Append(dst []byte, v Version) ([]byte, error) {
	n := p.remaining(v)
	if err := p.check(v, n); err != nil {
		return dst, err
	}
	first := byte(PUBLISH)<<4 | p.QoS<<1
	if p.DUP && p.QoS > 0 { // [MQTT-3.3.1-2]
		first |= 1 << 3
	}
	if p.Retain {
		first |= 1
	}
	w := writer{b: append(dst, first), start: len(dst)}
	w.b = appendVarint(w.b, n)
	w.text(p.Topic, "topic")
	if p.QoS > 0 {
		w.packetID(p.PacketID)
	}
	if v == V5 {
		w.b = appendVarint(w.b, p.propertiesSize())
		w.uint16Property(topicAlias, p.TopicAlias)
		for _, id := range p.SubscriptionIDs {
			w.subscriptionIDProperty(id)
		}
		w.message(&p.Properties)
	}
	if w.err != nil {
		return dst, w.err
	}
	return append(w.b, p.Payload...), nil
}

func (p *Publish) check(v Version, remaining int) error {
	switch {
	case p.QoS > 2:
		return &Error{ImplementationSpecificError, "encode: QoS is 3"}
	case hasWildcard(p.Topic): // [MQTT-3.3.2-2]
		return &Error{TopicNameInvalid, "encode: topic has a wildcard"}
	case p.Topic == "" && (v != V5 || p.TopicAlias == 0): // [MQTT-4.7.3-1]
		return &Error{TopicNameInvalid, "encode: topic is empty"}
	case remaining > maxVarint:
		return &Error{PacketTooLarge, "encode: packet longer than the protocol allows"}
	}
	return nil
}

func (p *Publish) remaining(v Version) int {
	n := 2 + len(p.Topic) + len(p.Payload)
	if p.QoS > 0 {
		n += 2
	}
	if v == V5 {
		props := p.propertiesSize()
		n += varintSize(props) + props
	}
	return n
}

func (p *Publish) propertiesSize() int {
	n := messageSize(&p.Properties) + subscriptionIDsSize(p.SubscriptionIDs)
	if p.TopicAlias != 0 {
		n += 3
	}
	return n
}

func subscriptionIDsSize(ids []uint32) int {
	n := 0
	for _, id := range ids {
		n += 1 + varintSize(int(id))
	}
	return n
}
