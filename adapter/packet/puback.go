package packet

// Puback acknowledges a QoS 1 PUBLISH (section 3.4). PUBREC, PUBREL and PUBCOMP have the same shape.
//
//	packet id | code (5.0, may be left out if 0) | properties (5.0, may be left out if none)
type Puback struct {
	PacketID uint16
	Code     ReasonCode // 5.0
	Reason   string     // 5.0; "" = absent
	User     []UserProperty
}

// Type returns PUBACK.
func (p *Puback) Type() Type { return PUBACK }

// Append encodes the packet.
func (p *Puback) Append(dst []byte, v Version) ([]byte, error) { return p.appendAs(PUBACK, dst, v) }

func (p *Puback) appendAs(t Type, dst []byte, v Version) ([]byte, error) {
	w := begin(dst, t)
	w.packetID(p.PacketID)
	code, properties := p.Code.For(t), p.Reason != "" || len(p.User) > 0
	if v == V5 && (code != Success || properties) {
		w.byte(byte(code))
	}
	if v == V5 && properties {
		at := w.openLength()
		w.reasonAndUser(p.Reason, p.User)
		w.closeLength(at)
	}
	return w.finish()
}

// read decodes an acknowledgement of type t over what p held. A remaining length of 2 leaves out the code, one of 3
// the properties (sections 3.4.2.1 and 3.4.2.2).
func (p *Puback) read(r *reader, t Type) {
	*p = Puback{PacketID: r.packetID()}
	if r.version != V5 || len(r.b) == 0 {
		return
	}
	p.Code = r.reason(t)
	if len(r.b) == 0 {
		return
	}
	p.Reason, p.User = r.reasonAndUser(places(1) << t)
}

// reasonAndUser reads a property list of a packet that may have no other properties than these two.
func (r *reader) reasonAndUser(in places) (reason string, user []UserProperty) {
	p := r.properties(in)
	for p.next(r) {
		switch p.id {
		case reasonString:
			reason = p.text
		case userProperty:
			user = append(user, p.pair)
		}
	}
	return reason, user
}
