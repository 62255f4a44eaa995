package packet

// Unsuback answers UNSUBSCRIBE (section 3.11), in 5.0 with one code for each filter, in their order [MQTT-3.11.3-1].
//
//	packet id | properties (5.0) | codes (5.0)
type Unsuback struct {
	PacketID uint16
	Codes    []ReasonCode   // 5.0, at least one there
	Reason   string         // 5.0; "" = absent
	User     []UserProperty // 5.0
}

// Type returns UNSUBACK.
func (u *Unsuback) Type() Type { return UNSUBACK }

// Append encodes the packet.
func (u *Unsuback) Append(dst []byte, v Version) ([]byte, error) {
	w := begin(dst, UNSUBACK)
	w.packetID(u.PacketID)
	if v == V5 {
		at := w.openLength()
		w.reasonAndUser(u.Reason, u.User)
		w.closeLength(at)
		w.codes(u.Codes, UNSUBACK, v)
	}
	return w.finish()
}

func readUnsuback(r *reader) *Unsuback {
	u := &Unsuback{PacketID: r.packetID()}
	if r.version == V5 {
		u.Reason, u.User = r.reasonAndUser(1 << UNSUBACK)
		u.Codes = r.codes(UNSUBACK)
	}
	return u
}
