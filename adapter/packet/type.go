package packet

import "strconv"

// Version is the protocol level as it stands in CONNECT.
type Version byte

// Protocol levels. The protocol name is "MQIsdp" for V31 and "MQTT" for the others.
const (
	V31  Version = 3
	V311 Version = 4
	V5   Version = 5
)

// Valid says whether v is a version this package speaks.
func (v Version) Valid() bool { return v == V31 || v == V311 || v == V5 }

// String returns the version as people write it.
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5.0"
	}
	return "level " + strconv.Itoa(int(v))
}

// Type is the control packet type, the upper four bits of a packet's first byte.
type Type byte

// Control packet types. The lower four bits of the first byte are 0 except where noted [MQTT-2.1.3-1].
const (
	CONNECT     Type = 1
	CONNACK     Type = 2
	PUBLISH     Type = 3 // DUP, QoS (2 bits), RETAIN
	PUBACK      Type = 4
	PUBREC      Type = 5
	PUBREL      Type = 6 // 0010
	PUBCOMP     Type = 7
	SUBSCRIBE   Type = 8 // 0010
	SUBACK      Type = 9
	UNSUBSCRIBE Type = 10 // 0010
	UNSUBACK    Type = 11
	PINGREQ     Type = 12
	PINGRESP    Type = 13
	DISCONNECT  Type = 14
	AUTH        Type = 15 // MQTT 5.0 only
)

// String returns the name in capitals, as the specifications write it.
func (t Type) String() string {
	switch t {
	case CONNECT:
		return "CONNECT"
	case CONNACK:
		return "CONNACK"
	case PUBLISH:
		return "PUBLISH"
	case PUBACK:
		return "PUBACK"
	case PUBREC:
		return "PUBREC"
	case PUBREL:
		return "PUBREL"
	case PUBCOMP:
		return "PUBCOMP"
	case SUBSCRIBE:
		return "SUBSCRIBE"
	case SUBACK:
		return "SUBACK"
	case UNSUBSCRIBE:
		return "UNSUBSCRIBE"
	case UNSUBACK:
		return "UNSUBACK"
	case PINGREQ:
		return "PINGREQ"
	case PINGRESP:
		return "PINGRESP"
	case DISCONNECT:
		return "DISCONNECT"
	case AUTH:
		return "AUTH"
	}
	return "type " + strconv.Itoa(int(t))
}

// flags are the lower four bits that a type other than PUBLISH must carry [MQTT-2.1.3-1].
func (t Type) flags() byte {
	if t == PUBREL || t == SUBSCRIBE || t == UNSUBSCRIBE {
		return 0b0010
	}
	return 0
}

// fixedLength is the only remaining length a type can have in a version, if there is only one. It lets the Decoder
// refuse a length before it reads or allocates a body.
func (t Type) fixedLength(v Version) (n int, fixed bool) {
	switch t {
	case PINGREQ, PINGRESP:
		return 0, true
	case DISCONNECT:
		return 0, v != V5
	case CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK:
		return 2, v != V5
	}
	return 0, false
}

// Packet is one control packet. Implementations are pointers to the structs of this package.
type Packet interface {
	// Type tells which struct the packet is.
	Type() Type
	// Append encodes the whole packet, fixed header included, behind dst and returns the extended slice. On an error
	// it returns dst as it was. What Append accepts, a Decoder accepts too.
	Append(dst []byte, v Version) ([]byte, error)
}
