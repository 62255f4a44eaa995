package packet

// ValidIn says whether MQTT 5.0 allows the code in a packet of type t, whoever sends it (tables 3-1, 3-4 to 3-8, 3-10
// and sections 3.9.3, 3.11.3, 3.15.2). 0x8C is accepted in DISCONNECT, where section 2.4 lists it and 3.14.2 forgot it.
func (c ReasonCode) ValidIn(t Type) bool {
	switch t {
	case CONNACK:
		switch c {
		case Success, BadAuthenticationMethod, TopicNameInvalid, PacketTooLarge, QuotaExceeded, PayloadFormatInvalid,
			RetainNotSupported, QoSNotSupported, UseAnotherServer, ServerMoved, ConnectionRateExceeded:
			return true
		}
		return c >= UnspecifiedError && c <= Banned
	case PUBACK, PUBREC:
		switch c {
		case Success, NoMatchingSubscribers, UnspecifiedError, ImplementationSpecificError, NotAuthorized,
			TopicNameInvalid, PacketIdentifierInUse, QuotaExceeded, PayloadFormatInvalid:
			return true
		}
	case PUBREL, PUBCOMP:
		return c == Success || c == PacketIdentifierNotFound
	case SUBACK:
		switch c {
		case GrantedQoS0, GrantedQoS1, GrantedQoS2, UnspecifiedError, ImplementationSpecificError, NotAuthorized,
			TopicFilterInvalid, PacketIdentifierInUse, QuotaExceeded, SharedSubscriptionsNotSupported,
			SubscriptionIdentifiersNotSupported, WildcardSubscriptionsNotSupported:
			return true
		}
	case UNSUBACK:
		switch c {
		case Success, NoSubscriptionExisted, UnspecifiedError, ImplementationSpecificError, NotAuthorized,
			TopicFilterInvalid, PacketIdentifierInUse:
			return true
		}
	case DISCONNECT:
		return c.validInDisconnect()
	case AUTH:
		return c == Success || c == ContinueAuthentication || c == ReAuthenticate
	}
	return false
}

func (c ReasonCode) validInDisconnect() bool {
	switch c {
	case NormalDisconnection, DisconnectWithWill, UnspecifiedError, MalformedPacket, ProtocolError,
		ImplementationSpecificError, NotAuthorized, ServerBusy:
		return true
	case PacketIdentifierInUse, PacketIdentifierNotFound:
		return false
	}
	return c >= ServerShuttingDown && c <= WildcardSubscriptionsNotSupported
}

// For returns the code to send in a packet of type t: c itself where it is allowed there, else the nearest one that
// is. So an error met while a client is connected needs no second thought at the place that sends it: 0x88, which only
// CONNACK knows, leaves as 0x89 in DISCONNECT. Append applies it.
func (c ReasonCode) For(t Type) ReasonCode {
	switch {
	case c.ValidIn(t):
		return c
	case !c.Failed():
		return Success
	case t == PUBREL || t == PUBCOMP:
		return PacketIdentifierNotFound
	case t == DISCONNECT && c == ServerUnavailable, t == CONNACK && c == ServerShuttingDown:
		return ServerBusy
	case t == DISCONNECT && (c == BadUserNameOrPassword || c == Banned):
		return NotAuthorized
	}
	return UnspecifiedError
}

// V3 maps the code to a CONNACK return code of MQTT 3.1 and 3.1.1 (table 3.1 there). Those versions know five
// refusals: what may pass with time becomes 3 (server unavailable), what will not becomes 5 (not authorized). Values 1
// to 5 are return codes already and stay.
func (c ReasonCode) V3() byte {
	switch c {
	case Success, 1, 2, 3, 4, 5:
		return byte(c)
	case UnsupportedProtocolVersion:
		return 1
	case ClientIdentifierNotValid:
		return 2
	case UnspecifiedError, ImplementationSpecificError, ServerUnavailable, ServerBusy, ServerShuttingDown,
		QuotaExceeded, MessageRateTooHigh, UseAnotherServer, ServerMoved, ConnectionRateExceeded:
		return 3
	case BadUserNameOrPassword:
		return 4
	}
	return 5
}

// FromV3 maps a CONNACK return code of MQTT 3.1 and 3.1.1 to the reason code of the same meaning.
func FromV3(code byte) ReasonCode {
	switch code {
	case 0:
		return Success
	case 1:
		return UnsupportedProtocolVersion
	case 2:
		return ClientIdentifierNotValid
	case 3:
		return ServerUnavailable
	case 4:
		return BadUserNameOrPassword
	case 5:
		return NotAuthorized
	}
	return UnspecifiedError
}
