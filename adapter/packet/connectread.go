package packet

// readConnect decodes a CONNECT. *version is set as soon as the level is known, so that the caller can answer in the
// client's version even if the rest is wrong.
func readConnect(r *reader, version *Version) *Connect {
	c := &Connect{}
	c.Version = readProtocol(r, version)
	flags := r.byte("connect flags")
	checkConnectFlags(r, flags)
	c.CleanStart = flags&flagClean != 0
	c.KeepAlive = r.uint16("keep alive")
	if r.version == V5 {
		c.Properties.read(r)
	}
	c.ClientID = r.text("client identifier")
	if r.err == nil && !c.clientIDAllowed(c.Version) {
		r.fail(ClientIdentifierNotValid, "client identifier is empty")
	}
	if flags&flagWill != 0 {
		c.Will = readWill(r, flags)
	}
	// MQTT 3.1: the remaining length outweighs the two flags; a missing string is allowed (3.1, "Connect flags").
	if flags&flagUsername != 0 && !(r.version == V31 && len(r.b) == 0) {
		c.HasUsername, c.Username = true, r.text("user name")
	}
	if flags&flagPassword != 0 && !(r.version == V31 && len(r.b) == 0) {
		c.HasPassword, c.Password = true, r.binary("password")
	}
	return c
}

// readProtocol reads the protocol name and level. Anything but the three known pairs is an unsupported version
// [MQTT-3.1.2-1], [MQTT-3.1.2-2]; the answer then goes out in the nearest version.
func readProtocol(r *reader, version *Version) Version {
	name := r.take(int(r.uint16("protocol name")), "protocol name")
	level := Version(r.byte("protocol level"))
	if r.err != nil {
		return 0
	}
	known := string(name) == "MQTT" && (level == V311 || level == V5) || string(name) == "MQIsdp" && level == V31
	switch {
	case known:
		*version = level
	case string(name) == "MQTT" && level > V5:
		*version = V5
	default:
		*version = V311
	}
	if !known {
		r.fail(UnsupportedProtocolVersion, "unknown protocol name or level")
	}
	r.version = level
	return level
}

func checkConnectFlags(r *reader, flags byte) {
	willQoS := flags >> shiftWillQoS & 3
	switch {
	case r.err != nil:
	case flags&flagReserved != 0 && r.version != V31: // [MQTT-3.1.2-3]; unused in 3.1
		r.fail(MalformedPacket, "reserved connect flag is set")
	case willQoS == 3: // [MQTT-3.1.2-12]
		r.fail(MalformedPacket, "will QoS is 3")
	case flags&flagWill == 0 && (willQoS != 0 || flags&flagWillRetain != 0): // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
		r.fail(MalformedPacket, "will QoS or will retain without will")
	case flags&flagPassword != 0 && flags&flagUsername == 0 && r.version != V5: // [3.1.1 MQTT-3.1.2-22]
		r.fail(MalformedPacket, "password without user name")
	}
}

func (c *ConnectProperties) read(r *reader) {
	p := r.properties(inConnect)
	for p.next(r) {
		switch p.id {
		case sessionExpiry:
			c.SessionExpiry = p.num
		case receiveMaximum:
			c.ReceiveMaximum = uint16(p.num)
		case maximumPacketSize:
			c.MaximumPacketSize = p.num
		case topicAliasMaximum:
			c.TopicAliasMaximum = uint16(p.num)
		case requestResponseInfo:
			c.RequestResponseInfo = p.num == 1
		case requestProblemInfo:
			c.NoProblemInfo = p.num == 0
		case authMethod:
			c.AuthMethod = p.text
		case authData:
			c.AuthData = p.binary
		case userProperty:
			c.User = append(c.User, p.pair)
		}
	}
	p.checkAuth(r)
}

// checkAuth refuses authentication data without a method (section 3.1.2.11.10) and a method without a name.
func (p *properties) checkAuth(r *reader) {
	switch {
	case r.err != nil:
	case p.has(authData) && !p.has(authMethod):
		r.fail(ProtocolError, "authentication data without method")
	case p.emptyMethod:
		r.fail(BadAuthenticationMethod, "authentication method is empty")
	}
}
