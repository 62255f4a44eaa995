package packet

// Subscribe asks for subscriptions (section 3.8).
//
//	packet id | properties (5.0) | one or more of (filter, options)
//
// Filters are checked for UTF-8 only; their syntax is the caller's, who answers each with a code of its own.
type Subscribe struct {
	PacketID       uint16
	Filters        []Subscription // at least one [MQTT-3.8.3-2]
	SubscriptionID uint32         // 5.0; 0 = none
	User           []UserProperty // 5.0
}

// Subscription is one filter with its options. All but QoS are 5.0.
type Subscription struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte // 0 send retained messages, 1 only if the subscription is new, 2 never
}

// bits of the subscription options: 2 of QoS, then these; bits 6 and 7 are reserved [MQTT-3.8.3-5].
const (
	optionNoLocal       = 1 << 2
	optionAsPublished   = 1 << 3
	shiftRetainHandling = 4
	optionReserved      = 0b1100_0000
)

// Type returns SUBSCRIBE.
func (s *Subscribe) Type() Type { return SUBSCRIBE }

// Append encodes the packet.
func (s *Subscribe) Append(dst []byte, v Version) ([]byte, error) {
	w := begin(dst, SUBSCRIBE)
	w.packetID(s.PacketID)
	if v == V5 {
		at := w.openLength()
		if s.SubscriptionID != 0 {
			w.subscriptionIDProperty(s.SubscriptionID)
		}
		w.userProperties(s.User)
		w.closeLength(at)
	}
	if len(s.Filters) == 0 {
		w.fail("no topic filter")
	}
	for i := range s.Filters {
		s.Filters[i].write(&w, v)
	}
	return w.finish()
}

func (s *Subscription) write(w *writer, v Version) {
	if s.QoS > 2 || s.RetainHandling > 2 {
		w.fail("subscription options out of range")
	}
	if s.NoLocal && isShared(s.Filter) && v == V5 {
		w.fail("no local on a shared subscription")
	}
	w.text(s.Filter, "topic filter")
	options := s.QoS
	if v == V5 {
		options |= s.RetainHandling << shiftRetainHandling
		if s.NoLocal {
			options |= optionNoLocal
		}
		if s.RetainAsPublished {
			options |= optionAsPublished
		}
	}
	w.byte(options)
}
