package packet

import "encoding/binary"

// Template is one application message encoded once for one protocol version, from which a PUBLISH for each of many
// subscribers is put together by copying. It is immutable and safe for concurrent use.
//
// A packet consists of a head, which differs from client to client (flags, packet id, alias, subscription identifiers,
// remaining expiry), and a tail, which never does (the other properties and the payload).
type Template struct {
	version Version
	shared  []byte // the whole packet with QoS 0, nothing set
	topic   []byte // part of shared: length and bytes of the topic
	tail    []byte // part of shared
	props   int    // bytes of the tail that are properties

	hasExpiry bool
	expiry    uint32
}

// Delivery is what makes one client's copy of a Template its own. The zero value is QoS 0 without anything.
type Delivery struct {
	QoS             byte // 0, 1 or 2
	DUP             bool // ignored with QoS 0 [MQTT-3.3.1-2]
	Retain          bool
	PacketID        uint16   // must not be 0 with QoS 1 and 2
	Waited          uint32   // seconds since the template was made, taken off the message expiry interval [MQTT-3.3.2-6]
	SubscriptionIDs []uint32 // 5.0; each 1 to 268,435,455, as a decoded SUBSCRIBE has them
	TopicAlias      uint16   // 5.0; 0 = none
	OmitTopic       bool     // 5.0, with TopicAlias: the client knows the alias already
}

// NewTemplate encodes the topic, the properties and the payload of m; its other fields are not looked at. It fails
// where m could not be encoded as a PUBLISH.
func NewTemplate(m *Publish, v Version) (*Template, error) {
	p := Publish{Topic: m.Topic, Payload: m.Payload, Properties: m.Properties}
	size := p.EncodedSize(v)
	if size > maxVarint-1<<16 { // leaves room for what a head can add
		return nil, &Error{PacketTooLarge, "encode: message longer than the protocol allows"}
	}
	shared, err := p.Append(make([]byte, 0, size), v)
	if err != nil {
		return nil, err
	}
	t := &Template{version: v, shared: shared}
	start := 1 + varintSize(p.remaining(v))
	end := start + 2 + len(p.Topic)
	t.topic = shared[start:end:end]
	if v == V5 {
		t.props = messageTailSize(&p.Properties)
		t.hasExpiry, t.expiry = p.Properties.HasExpiry, p.Properties.Expiry
	}
	t.tail = shared[len(shared)-t.props-len(p.Payload):]
	return t, nil
}

// Version is the protocol version the template is encoded for.
func (t *Template) Version() Version { return t.version }

// Topic is the topic name. It is shared by all callers: never write to it.
func (t *Template) Topic() []byte { return t.topic[2:] }

// Bytes is the packet for a zero Delivery. It is shared by all callers: write it, never write to it.
func (t *Template) Bytes() []byte { return t.shared }

// Tail is what follows every Head. It is shared by all callers: write it, never write to it.
func (t *Template) Tail() []byte { return t.tail }

// EncodedSize is the length of what Append will write, to hold against the receiver's Maximum Packet Size.
func (t *Template) EncodedSize(d Delivery) int {
	_, n := t.sizes(&d)
	return 1 + varintSize(n) + n
}

// Append writes the whole packet. It allocates nothing if dst has room.
func (t *Template) Append(dst []byte, d Delivery) []byte {
	return append(t.AppendHead(dst, d), t.tail...)
}

// AppendHead writes the packet up to where Tail goes on, so that a large payload can be written to many connections
// (net.Buffers) without a copy for each.
func (t *Template) AppendHead(dst []byte, d Delivery) []byte {
	props, remaining := t.sizes(&d)
	dst = append(dst, t.firstByte(&d))
	dst = appendVarint(dst, remaining)
	if t.omitTopic(&d) {
		dst = append(dst, 0, 0)
	} else {
		dst = append(dst, t.topic...)
	}
	if d.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, d.PacketID)
	}
	if t.version != V5 {
		return dst
	}
	dst = appendVarint(dst, props)
	if d.TopicAlias != 0 {
		dst = append(dst, byte(topicAlias))
		dst = binary.BigEndian.AppendUint16(dst, d.TopicAlias)
	}
	for _, id := range d.SubscriptionIDs {
		dst = append(dst, byte(subscriptionID))
		dst = appendVarint(dst, int(id))
	}
	if t.hasExpiry {
		dst = append(dst, byte(messageExpiry))
		dst = binary.BigEndian.AppendUint32(dst, t.expiry-min(t.expiry, d.Waited))
	}
	return dst
}

// sizes returns the property length and the remaining length of a copy.
func (t *Template) sizes(d *Delivery) (props, remaining int) {
	remaining = len(t.topic) + len(t.tail)
	if t.omitTopic(d) {
		remaining += 2 - len(t.topic)
	}
	if d.QoS > 0 {
		remaining += 2
	}
	if t.version != V5 {
		return 0, remaining
	}
	head := subscriptionIDsSize(d.SubscriptionIDs)
	if d.TopicAlias != 0 {
		head += 3
	}
	if t.hasExpiry {
		head += 5
	}
	props = head + t.props
	return props, remaining + head + varintSize(props)
}

func (t *Template) omitTopic(d *Delivery) bool {
	return d.OmitTopic && d.TopicAlias != 0 && t.version == V5
}

func (t *Template) firstByte(d *Delivery) byte {
	b := byte(PUBLISH)<<4 | d.QoS&3<<1
	if d.DUP && d.QoS > 0 {
		b |= 1 << 3
	}
	if d.Retain {
		b |= 1
	}
	return b
}
