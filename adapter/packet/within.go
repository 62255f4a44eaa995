package packet

// AppendWithin encodes p in at most limit bytes, the receiver's Maximum Packet Size; 0 means no limit. A reason string
// and user properties that would make the packet too long are left out, as a sender must [MQTT-3.2.2-19],
// [MQTT-3.4.2-2], [MQTT-3.14.2-3]. If it is still too long, dst comes back as it was with an *Error of PacketTooLarge.
// p is not changed.
func AppendWithin(dst []byte, p Packet, v Version, limit uint32) ([]byte, error) {
	out, err := p.Append(dst, v)
	if err != nil || fits(out, dst, limit) {
		return out, err
	}
	if short := withoutReason(p); short != nil {
		out, err = short.Append(dst, v)
		if err != nil || fits(out, dst, limit) {
			return out, err
		}
	}
	return dst, failf(PacketTooLarge, "%v of %d bytes, receiver takes %d", p.Type(), len(out)-len(dst), limit)
}

func fits(out, dst []byte, limit uint32) bool {
	return limit == 0 || uint64(len(out)-len(dst)) <= uint64(limit)
}

// withoutReason returns a copy of p without reason string and user properties, or nil if p has neither by its type.
func withoutReason(p Packet) Packet {
	switch p := p.(type) {
	case *Connack:
		c := *p
		c.Properties.Reason, c.Properties.User = "", nil
		return &c
	case *Puback:
		return &Puback{PacketID: p.PacketID, Code: p.Code}
	case *Pubrec:
		return &Pubrec{PacketID: p.PacketID, Code: p.Code}
	case *Pubrel:
		return &Pubrel{PacketID: p.PacketID, Code: p.Code}
	case *Pubcomp:
		return &Pubcomp{PacketID: p.PacketID, Code: p.Code}
	case *Suback:
		return &Suback{PacketID: p.PacketID, Codes: p.Codes}
	case *Unsuback:
		return &Unsuback{PacketID: p.PacketID, Codes: p.Codes}
	case *Disconnect:
		c := *p
		c.Reason, c.User = "", nil
		return &c
	case *Auth:
		return &Auth{Code: p.Code, Method: p.Method, Data: p.Data}
	}
	return nil
}
