package deliver

import "lmqgate/adapter/packet"

// Link is the connection of a session. Its methods are called under the session's lock: they must not block and must
// not call back into the session.
type Link interface {
	// Version is the protocol version agreed on.
	Version() packet.Version
	// MaxPacket is the largest packet the client accepts, bytes; 0 = no limit [MQTT-3.1.2-24].
	MaxPacket() int
	// Send encodes the packet and queues the bytes; it keeps nothing of p. A packet that cannot be encoded is dropped
	// and reported by the link.
	Send(p packet.Packet)
	// SendDelivery queues the bytes of one copy of a template of the link's version; it keeps nothing of d.
	SendDelivery(t *packet.Template, d packet.Delivery)
	// Full says that more bytes wait to be written than the link wants; it calls Session.Wake when that has changed.
	Full() bool
	// Close asks the connection to end with the reason. The session's Close follows from another goroutine.
	Close(code packet.ReasonCode)
}
