package packet

// propertyID identifies an MQTT 5.0 property (table 2-4). All identifiers fit one byte, though the wire has a Variable
// Byte Integer.
type propertyID byte

const (
	payloadFormat        propertyID = 0x01
	messageExpiry        propertyID = 0x02
	contentType          propertyID = 0x03
	responseTopic        propertyID = 0x08
	correlationData      propertyID = 0x09
	subscriptionID       propertyID = 0x0B
	sessionExpiry        propertyID = 0x11
	assignedClientID     propertyID = 0x12
	serverKeepAlive      propertyID = 0x13
	authMethod           propertyID = 0x15
	authData             propertyID = 0x16
	requestProblemInfo   propertyID = 0x17
	willDelay            propertyID = 0x18
	requestResponseInfo  propertyID = 0x19
	responseInfo         propertyID = 0x1A
	serverReference      propertyID = 0x1C
	reasonString         propertyID = 0x1F
	receiveMaximum       propertyID = 0x21
	topicAliasMaximum    propertyID = 0x22
	topicAlias           propertyID = 0x23
	maximumQoS           propertyID = 0x24
	retainAvailable      propertyID = 0x25
	userProperty         propertyID = 0x26
	maximumPacketSize    propertyID = 0x27
	wildcardAvailable    propertyID = 0x28
	subscriptionIDsAvail propertyID = 0x29
	sharedAvailable      propertyID = 0x2A
)

// wireKind is how the value of a property is encoded, and which values are allowed.
type wireKind byte

const (
	kindNone   wireKind = iota
	kindBit             // one byte, 0 or 1
	kindU16             // two bytes
	kindU16Pos          // two bytes, not 0
	kindU32             // four bytes
	kindU32Pos          // four bytes, not 0
	kindVarPos          // Variable Byte Integer, not 0
	kindText            // UTF-8 encoded string
	kindBinary          // binary data
	kindPair            // two UTF-8 encoded strings
)

// places is a set of packet types, one bit each; bit 0, which is no type, stands for the will inside CONNECT.
type places uint16

const (
	inWill    places = 1
	inConnect places = 1 << CONNECT
	inConnack places = 1 << CONNACK
	inPublish places = 1 << PUBLISH
	inAcks    places = 1<<PUBACK | 1<<PUBREC | 1<<PUBREL | 1<<PUBCOMP
	inSub     places = 1 << SUBSCRIBE
	inSubacks places = 1<<SUBACK | 1<<UNSUBACK
	inUnsub   places = 1 << UNSUBSCRIBE
	inDisc    places = 1 << DISCONNECT
	inAuth    places = 1 << AUTH
	anywhere  places = inWill | inConnect | inConnack | inPublish | inAcks | inSub | inSubacks | inUnsub | inDisc | inAuth
)

// rule is one row of table 2-4: the name, the encoding and the packets the property may stand in.
func (id propertyID) rule() (name string, kind wireKind, in places) {
	switch id {
	case payloadFormat:
		return "payload format indicator", kindBit, inPublish | inWill
	case messageExpiry:
		return "message expiry interval", kindU32, inPublish | inWill
	case contentType:
		return "content type", kindText, inPublish | inWill
	case responseTopic:
		return "response topic", kindText, inPublish | inWill
	case correlationData:
		return "correlation data", kindBinary, inPublish | inWill
	case subscriptionID:
		return "subscription identifier", kindVarPos, inPublish | inSub
	case sessionExpiry:
		return "session expiry interval", kindU32, inConnect | inConnack | inDisc
	case assignedClientID:
		return "assigned client identifier", kindText, inConnack
	case serverKeepAlive:
		return "server keep alive", kindU16, inConnack
	case authMethod:
		return "authentication method", kindText, inConnect | inConnack | inAuth
	case authData:
		return "authentication data", kindBinary, inConnect | inConnack | inAuth
	case requestProblemInfo:
		return "request problem information", kindBit, inConnect
	case willDelay:
		return "will delay interval", kindU32, inWill
	case requestResponseInfo:
		return "request response information", kindBit, inConnect
	case responseInfo:
		return "response information", kindText, inConnack
	case serverReference:
		return "server reference", kindText, inConnack | inDisc
	case reasonString:
		return "reason string", kindText, inConnack | inAcks | inSubacks | inDisc | inAuth
	case receiveMaximum:
		return "receive maximum", kindU16Pos, inConnect | inConnack
	case topicAliasMaximum:
		return "topic alias maximum", kindU16, inConnect | inConnack
	case topicAlias:
		return "topic alias", kindU16, inPublish
	case maximumQoS:
		return "maximum QoS", kindBit, inConnack
	case retainAvailable:
		return "retain available", kindBit, inConnack
	case userProperty:
		return "user property", kindPair, anywhere
	case maximumPacketSize:
		return "maximum packet size", kindU32Pos, inConnect | inConnack
	case wildcardAvailable:
		return "wildcard subscription available", kindBit, inConnack
	case subscriptionIDsAvail:
		return "subscription identifiers available", kindBit, inConnack
	case sharedAvailable:
		return "shared subscription available", kindBit, inConnack
	}
	return "", kindNone, 0
}
