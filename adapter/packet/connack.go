package packet

// Connack answers CONNECT (section 3.2).
//
//	flags: bit 0 session present | code | properties (5.0)
type Connack struct {
	SessionPresent bool // sent as false where Code is a failure [MQTT-3.2.2-6] and in 3.1, which has no such flag
	// Code is a reason code whatever the version: Append maps it to the return codes of 3.1 and 3.1.1 with
	// ReasonCode.V3. A decoded packet of those versions has the return code as it came; FromV3 maps it back.
	Code       ReasonCode
	Properties ConnackProperties
}

// ConnackProperties are the MQTT 5.0 properties of CONNACK (section 3.2.2.3). The zero value means that all are absent
// and every feature is available.
type ConnackProperties struct {
	HasSessionExpiry   bool // else it is as the client asked
	SessionExpiry      uint32
	ReceiveMaximum     uint16 // 0 = absent, which means 65,535
	HasMaximumQoS      bool   // else it is 2
	MaximumQoS         byte   // 0 or 1
	NoRetain           bool   // retain available = 0
	MaximumPacketSize  uint32 // 0 = absent, which means no limit
	AssignedClientID   string // "" = absent
	TopicAliasMaximum  uint16
	Reason             string // "" = absent
	User               []UserProperty
	NoWildcard         bool // wildcard subscription available = 0
	NoSubscriptionIDs  bool // subscription identifiers available = 0
	NoShared           bool // shared subscription available = 0
	HasServerKeepAlive bool // else it is as the client asked
	ServerKeepAlive    uint16
	ResponseInfo       string // "" = absent
	ServerReference    string // "" = absent
	AuthMethod         string // "" = absent
	AuthData           []byte // nil = absent
}

// Type returns CONNACK.
func (c *Connack) Type() Type { return CONNACK }

// Append encodes the packet.
func (c *Connack) Append(dst []byte, v Version) ([]byte, error) {
	w := begin(dst, CONNACK)
	var flags byte
	if c.SessionPresent && c.Code == Success && v != V31 {
		flags = 1
	}
	w.byte(flags)
	if v != V5 {
		w.byte(c.Code.V3())
		return w.finish()
	}
	w.byte(byte(c.Code.For(CONNACK)))
	c.Properties.write(&w)
	return w.finish()
}

func (p *ConnackProperties) write(w *writer) {
	at := w.openLength()
	w.uint32Property(sessionExpiry, p.SessionExpiry, p.HasSessionExpiry)
	w.uint16Property(receiveMaximum, p.ReceiveMaximum)
	if p.HasMaximumQoS {
		w.property(maximumQoS)
		w.byte(p.MaximumQoS)
		if p.MaximumQoS > 1 {
			w.fail("maximum QoS is neither 0 nor 1")
		}
	}
	w.notProperty(retainAvailable, p.NoRetain)
	w.uint32Property(maximumPacketSize, p.MaximumPacketSize, p.MaximumPacketSize != 0)
	w.textProperty(assignedClientID, p.AssignedClientID, "assigned client identifier")
	w.uint16Property(topicAliasMaximum, p.TopicAliasMaximum)
	w.reasonAndUser(p.Reason, p.User)
	w.notProperty(wildcardAvailable, p.NoWildcard)
	w.notProperty(subscriptionIDsAvail, p.NoSubscriptionIDs)
	w.notProperty(sharedAvailable, p.NoShared)
	if p.HasServerKeepAlive {
		w.property(serverKeepAlive)
		w.uint16(p.ServerKeepAlive)
	}
	w.textProperty(responseInfo, p.ResponseInfo, "response information")
	w.textProperty(serverReference, p.ServerReference, "server reference")
	w.auth(p.AuthMethod, p.AuthData)
	w.closeLength(at)
}
