package packet

// Pubcomp answers PUBREL and ends a QoS 2 delivery (section 3.7).
type Pubcomp Puback

// Type returns PUBCOMP.
func (p *Pubcomp) Type() Type { return PUBCOMP }

// Append encodes the packet.
func (p *Pubcomp) Append(dst []byte, v Version) ([]byte, error) {
	return (*Puback)(p).appendAs(PUBCOMP, dst, v)
}
