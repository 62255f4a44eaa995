package packet

// Unsubscribe ends subscriptions (section 3.10).
//
//	packet id | properties (5.0) | one or more filters
type Unsubscribe struct {
	PacketID uint16
	Filters  []string       // at least one [MQTT-3.10.3-2]
	User     []UserProperty // 5.0
}

// Type returns UNSUBSCRIBE.
func (u *Unsubscribe) Type() Type { return UNSUBSCRIBE }

// Append encodes the packet.
func (u *Unsubscribe) Append(dst []byte, v Version) ([]byte, error) {
	w := begin(dst, UNSUBSCRIBE)
	w.packetID(u.PacketID)
	if v == V5 {
		at := w.openLength()
		w.userProperties(u.User)
		w.closeLength(at)
	}
	if len(u.Filters) == 0 {
		w.fail("no topic filter")
	}
	for _, f := range u.Filters {
		w.text(f, "topic filter")
	}
	return w.finish()
}

func readUnsubscribe(r *reader) *Unsubscribe {
	u := &Unsubscribe{PacketID: r.packetID()}
	if r.version == V5 {
		_, u.User = r.reasonAndUser(inUnsub)
	}
	u.Filters = make([]string, 0, r.filters(0))
	for r.err == nil && len(r.b) > 0 {
		u.Filters = append(u.Filters, r.text("topic filter"))
	}
	if len(u.Filters) == 0 { // [MQTT-3.10.3-2]
		r.fail(ProtocolError, "no topic filter")
	}
	return u
}
