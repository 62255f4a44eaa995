package packet

import "log/slog"

// Connect is the first packet of a client (section 3.1).
//
//	name "MQIsdp" or "MQTT" | level | flags | keep alive | properties (5.0) | client id | will | user name | password
type Connect struct {
	Version     Version // which protocol name and level; when encoding, 0 means the version given to Append
	CleanStart  bool    // "clean session" before 5.0
	KeepAlive   uint16  // seconds, 0 = off
	ClientID    string
	HasUsername bool
	HasPassword bool
	Username    string
	Password    []byte
	Will        *Will // nil = none
	Properties  ConnectProperties
}

// ConnectProperties are the MQTT 5.0 properties of CONNECT (section 3.1.2.11); the zero value means all are absent.
type ConnectProperties struct {
	SessionExpiry       uint32 // seconds; 0 = ends with the connection, 0xFFFFFFFF = never
	ReceiveMaximum      uint16 // 0 = absent, which means 65,535
	MaximumPacketSize   uint32 // 0 = absent, which means no limit
	TopicAliasMaximum   uint16
	RequestResponseInfo bool
	NoProblemInfo       bool   // request problem information = 0 [MQTT-3.1.2-29]
	AuthMethod          string // "" = absent
	AuthData            []byte // nil = absent
	User                []UserProperty
}

// bits of the connect flags; bit 0 is reserved [MQTT-3.1.2-3].
const (
	flagReserved   = 1 << 0
	flagClean      = 1 << 1
	flagWill       = 1 << 2
	shiftWillQoS   = 3
	flagWillRetain = 1 << 5
	flagPassword   = 1 << 6
	flagUsername   = 1 << 7
)

// Type returns CONNECT.
func (c *Connect) Type() Type { return CONNECT }

// LogValue leaves out what is secret.
func (c *Connect) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("client_id", c.ClientID),
		slog.String("version", c.Version.String()),
		slog.Bool("clean_start", c.CleanStart),
		slog.Int("keep_alive", int(c.KeepAlive)),
		slog.Bool("will", c.Will != nil),
	)
}

// Append encodes the packet for c.Version, or for v if that is 0.
func (c *Connect) Append(dst []byte, v Version) ([]byte, error) {
	if c.Version != 0 {
		v = c.Version
	}
	w := begin(dst, CONNECT)
	if !v.Valid() {
		w.fail("unknown protocol version")
	}
	if !c.clientIDAllowed(v) {
		w.fail("client identifier is empty")
	}
	if v == V31 {
		w.text("MQIsdp", "protocol name")
	} else {
		w.text("MQTT", "protocol name")
	}
	w.byte(byte(v))
	w.byte(c.flags(&w, v))
	w.uint16(c.KeepAlive)
	if v == V5 {
		c.Properties.write(&w)
	}
	w.text(c.ClientID, "client identifier")
	if c.Will != nil {
		c.Will.write(&w, v)
	}
	if c.HasUsername {
		w.text(c.Username, "user name")
	}
	if c.HasPassword {
		w.binary(c.Password, "password")
	}
	return w.finish()
}

func (c *Connect) flags(w *writer, v Version) byte {
	var f byte
	if c.CleanStart {
		f |= flagClean
	}
	if c.Will != nil {
		f |= flagWill | c.Will.QoS&3<<shiftWillQoS
		if c.Will.Retain {
			f |= flagWillRetain
		}
	}
	if c.HasPassword {
		f |= flagPassword
		if !c.HasUsername && v != V5 { // [3.1.1 MQTT-3.1.2-22]
			w.fail("password without user name")
		}
	}
	if c.HasUsername {
		f |= flagUsername
	}
	return f
}

// clientIDAllowed says whether an empty client identifier may stand: never in 3.1, in 3.1.1 only with a clean session
// [3.1.1 MQTT-3.1.3-8], in 5.0 always.
func (c *Connect) clientIDAllowed(v Version) bool {
	return c.ClientID != "" || v == V5 || v == V311 && c.CleanStart
}

func (p *ConnectProperties) write(w *writer) {
	at := w.openLength()
	w.uint32Property(sessionExpiry, p.SessionExpiry, p.SessionExpiry != 0)
	w.uint16Property(receiveMaximum, p.ReceiveMaximum)
	w.uint32Property(maximumPacketSize, p.MaximumPacketSize, p.MaximumPacketSize != 0)
	w.uint16Property(topicAliasMaximum, p.TopicAliasMaximum)
	w.bitProperty(requestResponseInfo, p.RequestResponseInfo)
	w.notProperty(requestProblemInfo, p.NoProblemInfo)
	w.auth(p.AuthMethod, p.AuthData)
	w.userProperties(p.User)
	w.closeLength(at)
}

// auth writes the two properties of enhanced authentication.
func (w *writer) auth(method string, data []byte) {
	if method == "" && data != nil {
		w.fail("authentication data without method")
	}
	w.textProperty(authMethod, method, "authentication method")
	w.binaryProperty(authData, data, "authentication data")
}
