package deliver

import (
	"math"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// idBlock is how many packet ids a persistent session reserves at once.
const idBlock = 256

// flightState says how far an outbound QoS 1 or 2 message got on this connection.
type flightState byte

const (
	flightAgain     flightState = iota // of an earlier connection, to be sent again
	flightWriting                      // QoS 2: its entry is being written, PUBLISH leaves after
	flightSent                         // PUBLISH left
	flightReleasing                    // QoS 2: PUBREC came, `released` is being written, PUBREL leaves after
	flightReleased                     // PUBREL left
)

// flight is one unacknowledged outbound message. Protected by Session.mu.
type flight struct {
	session.Outbound
	state     flightState
	cursor    *cursor // nil: its queue position means nothing any more
	entry     *Entry  // while it has to be sent
	res       resolution
	ids       []uint32 // subscription identifiers, while it has to be sent
	stored    bool     // an entry is, or may be, in the store
	counted   bool     // counts against the client's Receive Maximum
	followers []follower
}

// outbound is a session's unacknowledged messages. Protected by Session.mu.
type outbound struct {
	pub      packet.Publish // scratch
	flights  map[uint16]*flight
	byKey    map[string]*flight // those of an earlier connection
	quota    int                // PUBLISHes unacknowledged on this connection [MQTT-4.9.0-1]
	order    uint64
	count    uint64 // packet ids handed out, a running count
	reserved uint64 // the count up to which ids are reserved in the store
	wanted   uint64 // a reservation under way
	again    []*flight
	loading  bool
	set      map[uint16]*flight // to be written
	dropped  []uint16
}

// restore takes over the in-flight messages of earlier connections.
func (o *outbound) restore(s *Session, st session.State) {
	o.count, o.reserved, o.order = st.PacketIDs, st.PacketIDs, st.NextOrder
	if !s.persist {
		o.reserved = math.MaxUint64
	}
	for _, out := range st.Out {
		f := &flight{Outbound: out, stored: true, state: flightAgain}
		if o.flights == nil {
			o.flights, o.byKey = map[uint16]*flight{}, map[string]*flight{}
		}
		o.flights[out.PacketID] = f
		if out.Key != "" {
			o.byKey[out.Key] = f
		}
		o.again = append(o.again, f)
		o.order = max(o.order, out.Order+1)
	}
}

// adopt lets a cursor know which of its messages are in flight from earlier connections.
func (o *outbound) adopt(c *cursor) {
	for _, f := range o.flights {
		if f.cursor == nil && f.CursorKey == (session.CursorKey{Filter: c.sub.Filter, Broker: c.broker}) && !c.locate {
			f.cursor = c
			if c.find(f.Offset) == nil && f.Offset >= c.next {
				c.insert(pend{offset: f.Offset, state: pendInflight})
			}
		}
	}
}

// begin asks for the first packet ids.
func (o *outbound) begin(s *Session) {
	if s.persist {
		o.reserve(s, false)
	}
}

// reserve asks for the next block of packet ids.
func (o *outbound) reserve(s *Session, urgent bool) {
	if o.wanted <= o.reserved {
		o.wanted = max(o.reserved, o.count) + idBlock
	}
	s.writer.Mark(urgent)
}

// id takes a packet id. ok is false when none is free or reserved; the session is woken when that changes.
func (o *outbound) id(s *Session) (id uint16, ok bool) {
	for range math.MaxUint16 {
		if o.count >= o.reserved {
			o.reserve(s, true)
			return 0, false
		}
		if o.reserved != math.MaxUint64 && o.reserved-o.count < idBlock/2 && o.wanted <= o.reserved {
			o.reserve(s, false)
		}
		o.count++
		id = uint16((o.count-1)%math.MaxUint16 + 1)
		if o.flights[id] == nil {
			return id, true
		}
	}
	return 0, false
}

// deliver sends a message to the client. It returns false when it has to wait for the window. Called under s.mu.
func (s *Session) deliver(c *cursor, e *Entry, r resolution) bool {
	qos := min(e.Message.QoS, r.qos)
	s.fill(e, r, qos)
	if limit := s.link.MaxPacket(); limit > 0 && s.out.pub.EncodedSize(s.link.Version()) > limit {
		s.hub.metrics.tooLarge.Inc() // as if it had been delivered [MQTT-3.1.2-25]
		c.note(e, pendDone)
		return true
	}
	if qos == 0 {
		s.link.Send(&s.out.pub)
		s.hub.metrics.sent(0, e)
		c.note(e, pendDone)
		return true
	}
	if s.out.quota >= s.window {
		return false
	}
	id, ok := s.out.id(s)
	if !ok {
		return false
	}
	f := &flight{
		Outbound: session.Outbound{
			PacketID: id, Order: s.out.order, QoS: qos, State: session.OutSent,
			CursorKey: session.CursorKey{Filter: c.sub.Filter, Broker: c.broker}, Offset: e.Offset, Key: e.Key,
		},
		cursor: c, counted: true,
	}
	s.out.order++
	s.out.quota++
	if s.out.flights == nil {
		s.out.flights = map[uint16]*flight{}
	}
	s.out.flights[id] = f
	c.note(e, pendInflight)
	if s.persist {
		s.store(f, qos == 2)
	}
	if s.persist && qos == 2 { // leaves when its entry is written
		f.state, f.entry, f.res, f.ids = flightWriting, e, r, append([]uint32(nil), s.out.pub.SubscriptionIDs...)
		return true
	}
	s.send(f, e)
	return true
}

// fill sets the scratch packet; SubscriptionIDs were set by resolve.
func (s *Session) fill(e *Entry, r resolution, qos byte) {
	m, p := e.Message, &s.out.pub
	p.DUP, p.QoS, p.Retain, p.Topic, p.PacketID, p.Payload = false, qos, m.Retain && r.retain, m.Topic, 0, m.Payload
	p.Properties = m.Properties
	if m.Properties.HasExpiry {
		p.Properties.Expiry, _ = m.Remaining(s.hub.cfg.Now()) // [MQTT-3.3.2-6]
	}
}

// send writes the filled scratch packet for a flight.
func (s *Session) send(f *flight, e *Entry) {
	f.state, f.entry, f.ids = flightSent, nil, nil
	s.out.pub.PacketID = f.PacketID
	s.link.Send(&s.out.pub)
	s.hub.metrics.sent(f.QoS, e)
}

// store marks a flight's entry to be written.
func (s *Session) store(f *flight, urgent bool) {
	if s.out.set == nil {
		s.out.set = map[uint16]*flight{}
	}
	s.out.set[f.PacketID] = f
	s.writer.Mark(urgent)
}
