package packet

func readConnack(r *reader) *Connack {
	c := &Connack{}
	flags := r.byte("connack flags")
	if r.version == V31 {
		flags = 0 // reserved, not used
	}
	if flags > 1 { // [MQTT-3.2.2-1]
		r.fail(MalformedPacket, "reserved connack flag is set")
	}
	c.SessionPresent = flags == 1
	if r.version == V5 {
		c.Code = r.reason(CONNACK)
		c.Properties.read(r)
	} else {
		c.Code = ReasonCode(r.byte("return code"))
		if c.Code > 5 {
			r.fail(ProtocolError, "unknown return code")
		}
	}
	if c.SessionPresent && c.Code != Success { // [MQTT-3.2.2-6]
		r.fail(ProtocolError, "session present in a refusal")
	}
	return c
}

func (c *ConnackProperties) read(r *reader) {
	p := r.properties(inConnack)
	for p.next(r) {
		c.set(&p)
	}
	p.checkAuth(r)
}

func (c *ConnackProperties) set(p *properties) {
	switch p.id {
	case sessionExpiry:
		c.HasSessionExpiry, c.SessionExpiry = true, p.num
	case receiveMaximum:
		c.ReceiveMaximum = uint16(p.num)
	case maximumQoS:
		c.HasMaximumQoS, c.MaximumQoS = true, byte(p.num)
	case retainAvailable:
		c.NoRetain = p.num == 0
	case maximumPacketSize:
		c.MaximumPacketSize = p.num
	case assignedClientID:
		c.AssignedClientID = p.text
	case topicAliasMaximum:
		c.TopicAliasMaximum = uint16(p.num)
	case reasonString:
		c.Reason = p.text
	case userProperty:
		c.User = append(c.User, p.pair)
	case wildcardAvailable:
		c.NoWildcard = p.num == 0
	case subscriptionIDsAvail:
		c.NoSubscriptionIDs = p.num == 0
	case sharedAvailable:
		c.NoShared = p.num == 0
	case serverKeepAlive:
		c.HasServerKeepAlive, c.ServerKeepAlive = true, uint16(p.num)
	case responseInfo:
		c.ResponseInfo = p.text
	case serverReference:
		c.ServerReference = p.text
	case authMethod:
		c.AuthMethod = p.text
	case authData:
		c.AuthData = p.binary
	}
}
