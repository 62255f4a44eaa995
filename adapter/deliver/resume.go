package deliver

import (
	"math"
	"slices"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// backlog is what earlier connections left unacknowledged on one broker. It is sent again before anything new of that
// broker, which keeps the order of each topic; a broker that is away holds up nobody else. Protected by Session.mu.
type backlog struct {
	broker  string
	flights []*flight // ascending by Order; those acknowledged meanwhile are no longer flightAgain
	loading bool
	waiting []*cursor
}

// restore takes over the in-flight messages of earlier connections.
func (o *outbound) restore(s *Session, st session.State) {
	o.count, o.reserved, o.order = st.PacketIDs, st.PacketIDs, st.NextOrder
	if !s.persist {
		o.reserved = math.MaxUint64
	}
	for _, out := range st.Out {
		again := out.QoS == 2 && isShared(out.Filter) && out.Key != ""
		f := &flight{Outbound: out, stored: true, state: flightAgain, again: again, unsure: again}
		if o.flights == nil {
			o.flights = map[uint16]*flight{}
		}
		o.flights[out.PacketID] = f
		o.remember(f)
		o.order = max(o.order, out.Order+1)
		if out.State == session.OutReleased {
			continue
		}
		b := o.backlog(out.Broker)
		if b == nil {
			b = &backlog{broker: out.Broker}
			if b.broker == "" {
				o.again = slices.Insert(o.again, 0, b)
			} else {
				o.again = append(o.again, b)
			}
		}
		b.flights = append(b.flights, f)
	}
}

// remember lets cursors that meet the message of f at an unexpected place know that it was sent.
func (o *outbound) remember(f *flight) {
	if f.Key == "" || isShared(f.Filter) { // a plain subscription of the session gets its own
		return
	}
	if o.byKey == nil {
		o.byKey = map[string]*flight{}
	}
	o.byKey[f.Key] = f
}

func (o *outbound) backlog(broker string) *backlog {
	for _, b := range o.again {
		if b.broker == broker {
			return b
		}
	}
	return nil
}

// adopt lets a cursor know which of its messages are in flight from earlier connections.
func (o *outbound) adopt(c *cursor) {
	if c.locate || len(o.flights) == 0 {
		return
	}
	key := c.key()
	n := len(c.pends)
	for _, f := range o.flights {
		if f.cursor != nil || f.CursorKey != key || f.Offset == unknown {
			continue
		}
		f.cursor = c
		if f.Offset < c.next {
			continue
		}
		if i, found := slices.BinarySearchFunc(c.pends[:n], f.Offset, comparePend); found {
			c.pends[i].state, c.pends[i].key = pendInflight, f.Key
		} else {
			c.pends = append(c.pends, pend{offset: f.Offset, key: f.Key, state: pendInflight})
		}
	}
	slices.SortFunc(c.pends, func(a, b pend) int { return comparePend(a, b.offset) })
}

func comparePend(p pend, offset int64) int {
	switch {
	case p.offset < offset:
		return -1
	case p.offset > offset:
		return 1
	}
	return 0
}

// sendReleases sends PUBREL again for what the client had acknowledged with PUBREC, in the order of the PUBLISHes.
func (o *outbound) sendReleases(s *Session) {
	var list []*flight
	for _, f := range o.flights {
		if f.state == flightAgain && f.State == session.OutReleased {
			list = append(list, f)
		}
	}
	sortByOrder(list)
	for _, f := range list {
		f.state = flightReleased
		s.link.Send(&packet.Pubrel{PacketID: f.PacketID})
	}
}

func sortByOrder(flights []*flight) {
	slices.SortFunc(flights, func(a, b *flight) int {
		switch {
		case a.Order < b.Order:
			return -1
		case a.Order > b.Order:
			return 1
		}
		return 0
	})
}

// resend sends what earlier connections left unacknowledged, for each broker in its order, with its packet ids
// [MQTT-4.4.0-1]. It reports whether anything else may follow: retained messages go before all others. Called under s.mu.
func (o *outbound) resend(s *Session) bool {
	for i := 0; i < len(o.again); {
		b := o.again[i]
		if !o.resendOf(s, b) {
			if b.broker == "" {
				return false
			}
			i++
			continue
		}
		o.again = append(o.again[:i], o.again[i+1:]...)
		for _, c := range b.waiting {
			if c.place == atBacklog {
				c.place = atRest
				s.enqueue(c)
			}
		}
	}
	return true
}

// resendOf reports whether all of one broker has been sent again.
func (o *outbound) resendOf(s *Session, b *backlog) bool {
	for len(b.flights) > 0 {
		f := b.flights[0]
		switch {
		case f.state != flightAgain: // acknowledged before it could be sent
		case f.entry == nil && f.Message != nil && !s.unpack(f):
		case f.entry == nil:
			o.load(s, b)
			return false
		case o.quota >= s.window || s.link.Full():
			return false
		default:
			o.sendAgain(s, f)
		}
		b.flights = b.flights[1:]
	}
	return true
}

// sendAgain sends one message again with DUP [MQTT-3.3.1-1].
func (o *outbound) sendAgain(s *Session, f *flight) {
	o.ids = o.ids[:0]
	if c := f.cursor; c != nil && s.named(f.Filter) == c.sub {
		f.retain = s.resolve(c, f.entry).retain
	}
	switch sub := s.named(f.Filter); {
	case f.Message != nil:
		f.retain = true
		if sub != nil {
			s.identify(sub)
		}
	case sub != nil && sub.lmq == "": // shared
		f.retain = sub.RetainAsPublished
		s.identify(sub)
	}
	f.ids = o.ids
	f.counted = true
	o.quota++
	s.hub.metrics.redelivered.Inc()
	s.sendEntry(f, true)
}
