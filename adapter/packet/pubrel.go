package packet

// Pubrel answers PUBREC, the second step of QoS 2 (section 3.6).
type Pubrel Puback

// Type returns PUBREL.
func (p *Pubrel) Type() Type { return PUBREL }

// Append encodes the packet.
func (p *Pubrel) Append(dst []byte, v Version) ([]byte, error) {
	return (*Puback)(p).appendAs(PUBREL, dst, v)
}
