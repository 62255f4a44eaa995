package packet

import "strings"

func readSubscribe(r *reader) *Subscribe {
	s := &Subscribe{PacketID: r.packetID()}
	if r.version == V5 {
		p := r.properties(inSub)
		for p.next(r) {
			switch p.id {
			case subscriptionID:
				s.SubscriptionID = p.num
			case userProperty:
				s.User = append(s.User, p.pair)
			}
		}
	}
	s.Filters = make([]Subscription, 0, r.filters(1))
	for r.err == nil && len(r.b) > 0 {
		s.Filters = append(s.Filters, readSubscription(r))
	}
	if len(s.Filters) == 0 { // [MQTT-3.8.3-2]
		r.fail(ProtocolError, "no topic filter")
	}
	return s
}

func readSubscription(r *reader) Subscription {
	s := Subscription{Filter: r.text("topic filter")}
	o := r.byte("subscription options")
	if r.version == V31 {
		o &= 3 // the upper bits are not used
	}
	s.QoS = o & 3
	s.NoLocal = o&optionNoLocal != 0
	s.RetainAsPublished = o&optionAsPublished != 0
	s.RetainHandling = o >> shiftRetainHandling & 3
	switch {
	case r.err != nil:
	case o&optionReserved != 0 || r.version == V311 && o > 3: // [MQTT-3.8.3-5], [3.1.1 MQTT-3-8.3-4]
		r.fail(MalformedPacket, "reserved subscription option is set")
	case s.QoS == 3: // section 3.8.3.1
		r.fail(ProtocolError, "QoS is 3")
	case s.RetainHandling == 3: // section 3.8.3.1
		r.fail(ProtocolError, "retain handling is 3")
	case s.NoLocal && isShared(s.Filter): // [MQTT-3.8.3-4]
		r.fail(ProtocolError, "no local on a shared subscription")
	}
	return s
}

func isShared(filter string) bool { return strings.HasPrefix(filter, "$share/") }
