package packet

func readPublish(r *reader, flags byte) *Publish {
	p := &Publish{DUP: flags&8 != 0, QoS: flags >> 1 & 3, Retain: flags&1 != 0}
	switch {
	case p.QoS == 3: // [MQTT-3.3.1-4]
		r.fail(MalformedPacket, "QoS is 3")
	case p.DUP && p.QoS == 0 && r.version == V31: // without meaning there
		p.DUP = false
	case p.DUP && p.QoS == 0: // [MQTT-3.3.1-2]
		r.fail(MalformedPacket, "DUP with QoS 0")
	}
	p.Topic = r.text("topic")
	if p.QoS > 0 {
		p.PacketID = r.packetID()
	}
	if r.version == V5 {
		p.readProperties(r)
	}
	p.checkTopic(r)
	p.Payload = r.take(len(r.b), "payload")
	return p
}

// checkTopic looks at the topic and its alias together. Whether an alias is known or too large is the caller's.
func (p *Publish) checkTopic(r *reader) {
	switch {
	case r.err != nil:
	case hasWildcard(p.Topic): // [MQTT-3.3.2-2]
		r.fail(TopicNameInvalid, "topic has a wildcard")
	case p.Topic == "" && p.TopicAlias == 0: // section 3.3.2.1, [MQTT-4.7.3-1]
		r.fail(ProtocolError, "topic is empty")
	}
}

func (p *Publish) readProperties(r *reader) {
	props := r.properties(inPublish)
	for props.next(r) {
		switch props.id {
		case topicAlias:
			p.TopicAlias = uint16(props.num)
			if p.TopicAlias == 0 { // [MQTT-3.3.2-8]
				r.fail(TopicAliasInvalid, "topic alias is 0")
			}
		case subscriptionID:
			p.SubscriptionIDs = append(p.SubscriptionIDs, props.num)
		default:
			props.setMessage(r, &p.Properties)
		}
	}
}
