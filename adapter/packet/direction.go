package packet

// CheckFromClient returns an *Error if p is a packet, or holds something, that only a server may send. A Decoder reads
// both directions, so a server asks this of each packet; what it costs is a type switch.
func CheckFromClient(p Packet) error {
	switch p := p.(type) {
	case *Connack, *Suback, *Unsuback, *Pingresp:
		return failf(ProtocolError, "%v from a client", p.Type())
	case *Publish:
		if len(p.SubscriptionIDs) > 0 { // [MQTT-3.3.4-6]
			return failf(ProtocolError, "PUBLISH with subscription identifier from a client")
		}
	case *Disconnect:
		if p.ServerReference != "" || !p.Code.clientDisconnect() { // section 3.14.2
			return failf(ProtocolError, "DISCONNECT of a server from a client")
		}
	case *Auth:
		if p.Code == Success { // section 3.15.2.1: sent by the server
			return failf(ProtocolError, "AUTH with success from a client")
		}
	}
	return nil
}

// CheckFromServer returns an *Error if p is a packet, or holds something, that only a client may send.
func CheckFromServer(p Packet) error {
	switch p := p.(type) {
	case *Connect, *Subscribe, *Unsubscribe, *Pingreq:
		return failf(ProtocolError, "%v from a server", p.Type())
	case *Disconnect:
		if p.HasSessionExpiry || p.Code == DisconnectWithWill { // [MQTT-3.14.2-2]
			return failf(ProtocolError, "DISCONNECT of a client from a server")
		}
	case *Auth:
		if p.Code == ReAuthenticate { // section 3.15.2.1: sent by the client
			return failf(ProtocolError, "AUTH with re-authenticate from a server")
		}
	}
	return nil
}

// clientDisconnect says whether a client may send the code in DISCONNECT (table 3-10).
func (c ReasonCode) clientDisconnect() bool {
	switch c {
	case NormalDisconnection, DisconnectWithWill, UnspecifiedError, MalformedPacket, ProtocolError,
		ImplementationSpecificError, TopicNameInvalid:
		return true
	}
	return c >= ReceiveMaximumExceeded && c <= PayloadFormatInvalid
}
