package deliver

import (
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// step looks at one message for a cursor and moves the cursor behind it. It returns false when the message has to wait;
// the cursor's place then says for what. Called under s.mu.
func (s *Session) step(c *cursor, e *Entry) bool {
	if e.Offset < c.next {
		return true
	}
	c.skip(e.Offset)
	p := c.find(e.Offset)
	if p != nil && c.replaced(p, e) {
		s.supplant(c, e)
		p = nil
	}
	switch {
	case p != nil && p.state != pendRedo: // known from before a takeover or a rewind
		p.key, p.store = e.Key, e.StoreMillis
		c.next = e.Offset + 1
		c.settle()
		return true
	case p == nil && len(c.pends) >= s.maxPends():
		c.place = atCrowded
		return false
	case !s.wants(c.sub, e) || c.hasSeen(e.Key):
		c.note(e, pendDone)
		return true
	}
	if f := s.out.byKey[e.Key]; f != nil {
		s.meet(c, e, f)
		return true
	}
	r := s.resolve(c, e)
	switch {
	case r.unsure:
		c.place = atUnsure
		s.unsure.push(c)
		return false
	case e.Part && s.parts.has(e.Key, min(e.Message.QoS, r.qos)):
		c.note(e, pendDone)
	case r.owner == c:
		if !s.deliver(c, e, r) {
			c.place = atBlocked
			s.hub.metrics.stalls.Inc()
			s.blocked.push(c)
			return false
		}
	case r.owner.isDone(r.offset):
		c.note(e, pendDone)
	default:
		if r.owner.followers == nil {
			r.owner.followers = map[int64][]follower{}
		}
		r.owner.followers[r.offset] = append(r.owner.followers[r.offset], c.follow(e))
	}
	return true
}

// meet handles a message that was sent already, before a takeover or before the queue was reset.
func (s *Session) meet(c *cursor, e *Entry, f *flight) {
	switch {
	case f.state == flightDone:
		c.note(e, pendDone)
	case f.cursor == nil && f.CursorKey == c.key(): // it has another offset now
		f.cursor, f.Offset = c, e.Offset
		c.note(e, pendInflight)
		if s.persist {
			s.store(f, false)
		}
	default:
		f.followers = append(f.followers, c.follow(e))
	}
}

func (c *cursor) hasSeen(key string) bool {
	_, ok := c.seen[key]
	return ok
}

// wants reports whether the message belongs to the subscription. An LMQ name is a coarse address, so the filter is
// checked again.
func (s *Session) wants(sub *subscription, e *Entry) bool {
	m := e.Message
	switch {
	case m == nil || sub.foreign || sub == s.self && !s.addressed(m.Topic) || sub != s.self && !topic.Match(sub.Filter, m.Topic):
		return false
	case sub.NoLocal && m.Publisher == s.clientID && m.Publisher != "": // [MQTT-3.8.3-3]
		return false
	case m.Properties.HasExpiry && m.Expired(s.hub.cfg.Now()): // [MQTT-3.3.2-5]
		s.hub.dropped(s.hub.metrics.tooOld, s.clientID, "expired", m.Topic, 1)
		return false
	}
	return true
}

// resolution says who of the session's subscriptions delivers a message, and how. The subscription identifiers are in
// outbound.ids.
type resolution struct {
	owner  *cursor
	offset int64 // in the owner's LMQ
	qos    byte
	retain bool // Retain As Published of the owner
	unsure bool // a subscription that would own the message does not know its place in the queue yet
}

// resolve finds, among the session's subscriptions that certainly receive this message, the one with the lowest
// sequence: it delivers, with the highest QoS and all subscription identifiers (decision 10, [MQTT-3.3.4-2..5]).
func (s *Session) resolve(c *cursor, e *Entry) resolution {
	r := resolution{owner: c, offset: e.Offset, qos: c.sub.QoS, retain: c.sub.RetainAsPublished}
	s.out.ids = s.out.ids[:0]
	if c.sub == s.self {
		s.identifyAll(e)
		return r
	}
	s.identify(c.sub)
	own := s.owns(e)
	if s.subs.len() == 1 && !own {
		return r
	}
	for lmq, offset := range message.DispatchOffsets(e.Dispatch, e.Offsets) {
		if own && lmq == s.self.lmq {
			s.contend(&r, c, s.self, e, offset)
		}
		for _, sub := range s.subs.reading(lmq) {
			if sub.lmq == lmq && sub != c.sub {
				s.contend(&r, c, sub, e, offset)
			}
		}
	}
	return r
}

// contend lets another subscription have the message of c, which has the offset in its queue, if it comes first.
func (s *Session) contend(r *resolution, c *cursor, sub *subscription, e *Entry, offset int64) {
	o := sub.cursor(c.broker)
	if !s.wants(sub, e) || o != nil && !o.locate && offset < o.begin {
		return
	}
	s.identify(sub)
	r.qos = max(r.qos, sub.QoS) // also if it is not certain: it may take this copy for its own later
	switch {
	case o == nil || sub.Seq > r.owner.sub.Seq:
	case o.locate:
		r.unsure = true
	default:
		r.owner, r.offset, r.retain = o, offset, sub.RetainAsPublished
	}
}

func (s *Session) identify(sub *subscription) {
	if sub.ID != 0 {
		s.out.ids = append(s.out.ids, sub.ID)
	}
}

// partSet remembers the last delivered messages that came in parts, to drop the other parts. The zero value is empty.
type partSet struct {
	list []part
	next int
}

type part struct {
	key string
	qos byte
}

// maxParts is how many keys a partSet remembers.
const maxParts = 256

// has reports whether a part was delivered with the QoS, or a higher one.
func (p *partSet) has(key string, qos byte) bool {
	for _, k := range p.list {
		if k.key == key && k.qos >= qos {
			return true
		}
	}
	return false
}

// add is to be called when a part was delivered, not before.
func (p *partSet) add(key string, qos byte) {
	if len(p.list) < maxParts {
		p.list = append(p.list, part{key, qos})
		return
	}
	p.list[p.next%maxParts] = part{key, qos}
	p.next++
}
