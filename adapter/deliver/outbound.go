package deliver

import (
	"math"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

const (
	// minIDs and maxIDs are the least and the most packet ids that a persistent session reserves at once.
	minIDs, maxIDs = 256, 8192
	// maxFlights bounds the unacknowledged messages of a session, those of earlier connections included, so that there
	// are always free packet ids.
	maxFlights = 1 << 15
)

// flightState says how far an outbound QoS 1 or 2 message got on this connection.
type flightState byte

const (
	flightAgain     flightState = iota // of an earlier connection, to be sent again
	flightWriting                      // QoS 2: its entry is being written, PUBLISH leaves after
	flightSent                         // PUBLISH left
	flightReleasing                    // QoS 2: PUBREC came, `released` is being written, PUBREL leaves after
	flightReleased                     // PUBREL left
	flightDone                         // acknowledged
)

// flight is one unacknowledged outbound message. Protected by Session.mu.
type flight struct {
	session.Outbound
	state     flightState
	stored    bool     // an entry is, or may be, in the store
	toStore   bool     // in outbound.set
	again     bool     // of a shared subscription, QoS 2: the message may come to its group again
	unsure    bool     // and it is not certain that the group has let go of it
	counted   bool     // counts against the client's Receive Maximum
	retain    bool     // as it was to be sent, with entry
	cursor    *cursor  // nil: its queue position means nothing any more
	claim     *claim   // of a shared subscription, until its group has let go of it
	entry     *Entry   // while it has to be sent
	ids       []uint32 // subscription identifiers, while it has to be sent
	followers []follower
	trace     Delivering // nil: nobody follows
}

// outbound is a session's unacknowledged messages. Protected by Session.mu.
type outbound struct {
	ids      []uint32 // subscription identifiers of the message being looked at
	flights  map[uint16]*flight
	byKey    map[string]*flight // those of an earlier connection or of a queue that was reset, done ones included
	again    []*backlog
	held     []*flight // done, but their entries stay until their cursor is back and can note it
	quota    int       // PUBLISHes unacknowledged on this connection [MQTT-4.9.0-1]
	order    uint64
	traced   bool      // some flight has, or had, a trace
	count    uint64    // packet ids handed out, a running count
	reserved uint64    // the count up to which ids are reserved in the store
	wanted   uint64    // a reservation under way
	set      []*flight // to be written, unless toStore was taken back
	dropped  []uint16
}

// begin asks for the first packet ids, where there is something to be delivered.
func (o *outbound) begin(s *Session) {
	o.sendReleases(s)
	if s.persist && s.subs.len() > 0 {
		o.reserve(s, false)
	}
}

// idBlock is how many packet ids are reserved at once: some windows full, so that nobody waits for them, and far from all
// there are, so that an id comes up again only after its old entry is gone from the store.
func (s *Session) idBlock() uint64 { return uint64(min(max(minIDs, 4*s.window), maxIDs)) }

// reserve asks for the next block of packet ids.
func (o *outbound) reserve(s *Session, urgent bool) {
	if o.wanted <= o.reserved {
		o.wanted = max(o.reserved, o.count) + s.idBlock()
	}
	s.writer.Mark(urgent)
}

// room reports whether one more QoS 1 or 2 message can leave. If packet ids are missing they are asked for.
func (o *outbound) room(s *Session) bool {
	if o.quota >= s.window || len(o.flights) >= maxFlights {
		return false
	}
	if o.count >= o.reserved {
		o.reserve(s, true)
		return false
	}
	return true
}

// id takes a packet id. ok is false when no more are reserved; the session is woken when that changes.
func (o *outbound) id(s *Session) (id uint16, ok bool) {
	for o.count < o.reserved {
		if o.reserved != math.MaxUint64 && o.reserved-o.count < s.idBlock()/2 && o.wanted <= o.reserved {
			o.reserve(s, false)
		}
		o.count++
		id = uint16((o.count-1)%math.MaxUint16 + 1)
		if o.flights[id] == nil && !o.isHeld(id) {
			return id, true
		}
	}
	o.reserve(s, true)
	return 0, false
}

// deliver sends a message to the client. It returns false when it has to wait for the window. Called under s.mu.
func (s *Session) deliver(c *cursor, e *Entry, r resolution) bool {
	qos := min(e.Message.QoS, r.qos)
	if qos > 0 && !s.out.room(s) {
		return false
	}
	t, d := s.prepare(e, qos, r.retain, s.out.ids)
	if t == nil {
		c.note(e, pendDone)
		return true
	}
	var f *flight
	if qos > 0 {
		if f = s.take(c, e, qos); f == nil {
			return false
		}
		d.PacketID = f.PacketID
	}
	if e.Part {
		s.parts.add(e.Key, qos)
	}
	switch {
	case qos == 0:
		c.note(e, pendDone)
	case qos == 2 && s.persist: // leaves when its entry is written
		c.note(e, pendInflight)
		f.state, f.entry, f.retain, f.ids = flightWriting, e, r.retain, append([]uint32(nil), s.out.ids...)
		s.store(f, true)
		return true
	default:
		c.note(e, pendInflight)
		if s.persist {
			s.store(f, false)
		}
	}
	s.hand(e, t, d)
	s.hub.metrics.sent(qos, e)
	s.trace(f, e, qos, false)
	return true
}

// take makes a flight of a message, nil if there is no packet id for it.
func (s *Session) take(c *cursor, e *Entry, qos byte) *flight {
	return s.depart(session.Outbound{QoS: qos, CursorKey: c.key(), Offset: e.Offset, Key: e.Key}, c)
}

// depart makes a flight with the next packet id and place in the order, nil if there is no packet id for it. c may be
// nil.
func (s *Session) depart(out session.Outbound, c *cursor) *flight {
	id, ok := s.out.id(s)
	if !ok {
		return nil
	}
	out.PacketID, out.Order, out.State = id, s.out.order, session.OutSent
	f := &flight{Outbound: out, state: flightSent, cursor: c, counted: true}
	s.out.order++
	s.out.quota++
	if s.out.flights == nil {
		s.out.flights = map[uint16]*flight{}
	}
	s.out.flights[id] = f
	return f
}

// prepare encodes a message. The template is nil if it cannot be sent to this client: then it counts as delivered
// [MQTT-3.1.2-25].
func (s *Session) prepare(e *Entry, qos byte, retain bool, ids []uint32) (*packet.Template, packet.Delivery) {
	m := e.Message
	d := packet.Delivery{QoS: qos, Retain: m.Retain && retain, SubscriptionIDs: ids}
	if s.inside != nil {
		return &s.inside.blank, d
	}
	var t *packet.Template
	if e = e.in(topic.SpaceIn(s.clientID)); e != nil {
		t = e.template(s.link.Version())
	}
	if t == nil {
		s.hub.dropped(s.hub.metrics.unencodable, s.clientID, "unencodable", m.Topic, 1)
		return nil, d
	}
	if m.Properties.HasExpiry {
		left, _ := m.Remaining(s.hub.cfg.Now())
		d.Waited = m.Properties.Expiry - left // [MQTT-3.3.2-6]
	}
	if limit := s.link.MaxPacket(); limit > 0 && t.EncodedSize(d) > limit {
		s.hub.dropped(s.hub.metrics.tooLarge, s.clientID, "too_large", m.Topic, 1)
		return nil, d
	}
	return t, d
}

// sendEntry sends the PUBLISH of a flight that holds its message. A message that this client cannot be sent ends the
// exchange.
func (s *Session) sendEntry(f *flight, dup bool) {
	e, retain, ids := f.entry, f.retain, f.ids
	f.state, f.entry, f.ids, f.Message = flightSent, nil, nil, nil // the store has the message as long as it may be needed
	t, d := s.prepare(e, f.QoS, retain, ids)
	if t == nil {
		s.abandon(f)
		return
	}
	d.DUP, d.PacketID = dup, f.PacketID
	s.hand(e, t, d)
	s.hub.metrics.sent(f.QoS, e)
	s.trace(f, e, f.QoS, dup)
}

// store marks a flight's entry to be written.
func (s *Session) store(f *flight, urgent bool) {
	if !f.toStore {
		f.toStore = true
		s.out.set = append(s.out.set, f)
	}
	s.writer.Mark(urgent)
}
