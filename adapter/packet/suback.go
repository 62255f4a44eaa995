package packet

// Suback answers SUBSCRIBE with one code for each filter, in their order [MQTT-3.8.4-6].
//
//	packet id | properties (5.0) | codes
type Suback struct {
	PacketID uint16
	Codes    []ReasonCode   // at least one; before 5.0 every failure is sent as 0x80
	Reason   string         // 5.0; "" = absent
	User     []UserProperty // 5.0
}

// Type returns SUBACK.
func (s *Suback) Type() Type { return SUBACK }

// Append encodes the packet.
func (s *Suback) Append(dst []byte, v Version) ([]byte, error) {
	w := begin(dst, SUBACK)
	w.packetID(s.PacketID)
	if v == V5 {
		at := w.openLength()
		w.reasonAndUser(s.Reason, s.User)
		w.closeLength(at)
	}
	w.codes(s.Codes, SUBACK, v)
	return w.finish()
}

// codes writes the payload of SUBACK and UNSUBACK.
func (w *writer) codes(codes []ReasonCode, t Type, v Version) {
	if len(codes) == 0 {
		w.fail("no reason code")
	}
	for _, c := range codes {
		c = c.For(t)
		if v != V5 && c.Failed() {
			c = UnspecifiedError
		}
		w.byte(byte(c))
	}
}

func readSuback(r *reader) *Suback {
	s := &Suback{PacketID: r.packetID()}
	if r.version == V5 {
		s.Reason, s.User = r.reasonAndUser(1 << SUBACK)
	}
	s.Codes = r.codes(SUBACK)
	return s
}

// codes reads the payload of SUBACK and UNSUBACK.
func (r *reader) codes(t Type) []ReasonCode {
	if r.err == nil && len(r.b) == 0 {
		r.fail(ProtocolError, "no reason code")
	}
	codes := make([]ReasonCode, 0, len(r.b))
	for r.err == nil && len(r.b) > 0 {
		c := r.reason(t)
		if r.version != V5 && c > GrantedQoS2 && c != UnspecifiedError { // [3.1.1 MQTT-3.9.3-2]
			r.fail(ProtocolError, "return code not allowed in SUBACK")
		}
		codes = append(codes, c)
	}
	return codes
}
