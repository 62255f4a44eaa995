package packet

// Pubrec answers a QoS 2 PUBLISH, the first of three steps (section 3.5).
type Pubrec Puback

// Type returns PUBREC.
func (p *Pubrec) Type() Type { return PUBREC }

// Append encodes the packet.
func (p *Pubrec) Append(dst []byte, v Version) ([]byte, error) {
	return (*Puback)(p).appendAs(PUBREC, dst, v)
}
