package packet

import "fmt"

// decode makes a packet of a whole body. A remaining length that is not in its shortest form is refused in 5.0 only
// [MQTT-1.5.5-1]: small 3.1.1 clients pad it, and no clause there forbids it.
func (d *Decoder) decode(t Type, flags byte, body []byte, length varint) (Packet, error) {
	r := reader{b: body, version: d.version, alias: t == PUBLISH}
	p := d.read(&r, t, flags)
	if d.version == V5 && !length.minimal() {
		return nil, failf(MalformedPacket, "remaining length not in its shortest form")
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode %v: %w", t, err)
	}
	return p, nil
}

func (d *Decoder) read(r *reader, t Type, flags byte) Packet {
	switch t {
	case CONNECT:
		return readConnect(r, &d.version)
	case CONNACK:
		return readConnack(r)
	case PUBLISH:
		return readPublish(r, flags)
	case PUBACK:
		d.ack.read(r, t)
		return &d.ack
	case PUBREC:
		d.ack.read(r, t)
		return (*Pubrec)(&d.ack)
	case PUBREL:
		d.ack.read(r, t)
		return (*Pubrel)(&d.ack)
	case PUBCOMP:
		d.ack.read(r, t)
		return (*Pubcomp)(&d.ack)
	case SUBSCRIBE:
		return readSubscribe(r)
	case SUBACK:
		return readSuback(r)
	case UNSUBSCRIBE:
		return readUnsubscribe(r)
	case UNSUBACK:
		return readUnsuback(r)
	case PINGREQ:
		return &Pingreq{}
	case PINGRESP:
		return &Pingresp{}
	case DISCONNECT:
		return readDisconnect(r)
	default:
		return readAuth(r)
	}
}
