package deliver

import (
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// step looks at one message for a cursor and moves the cursor behind it. It returns false when the message has to wait
// for the window. Called under s.mu.
func (s *Session) step(c *cursor, e *Entry) bool {
	if e.Offset < c.next {
		return true
	}
	if p := c.find(e.Offset); p != nil && p.state != pendRedo { // known from before a takeover or a rewind
		p.key, p.store = e.Key, e.StoreMillis
		c.next = e.Offset + 1
		c.settle(e.Offset)
		return true
	}
	if len(c.pends) >= s.maxPends() {
		return false
	}
	if !s.wants(c.sub, e) || s.parts.repeated(s, e) {
		c.note(e, pendDone)
		return true
	}
	if f := s.out.byKey[e.Key]; f != nil { // sent before a takeover, still unacknowledged
		f.followers = append(f.followers, follower{c, e.Offset})
		c.note(e, pendElsewhere)
		return true
	}
	r := s.resolve(c, e)
	if r.owner != c {
		return s.follow(c, e, r)
	}
	return s.deliver(c, e, r)
}

// wants reports whether the message belongs to the subscription. An LMQ name is a coarse address, so the filter is
// checked again.
func (s *Session) wants(sub *subscription, e *Entry) bool {
	m := e.Message
	switch {
	case m == nil || !topic.Match(sub.Filter, m.Topic):
		return false
	case sub.NoLocal && m.Publisher == s.clientID && m.Publisher != "": // [MQTT-3.8.3-3]
		return false
	case m.Properties.HasExpiry && m.Expired(s.hub.cfg.Now()): // [MQTT-3.3.2-5]
		s.hub.metrics.tooOld.Inc()
		return false
	}
	return true
}

// resolution says who of the session's subscriptions delivers a message, and how.
type resolution struct {
	owner  *cursor
	offset int64 // in the owner's LMQ
	qos    byte
	retain bool // Retain As Published of the owner
}

// resolve finds, among the session's subscriptions that certainly receive this message, the one with the lowest
// sequence: it delivers, with the highest QoS and all subscription identifiers (decision 10, [MQTT-3.3.4-2..5]).
func (s *Session) resolve(c *cursor, e *Entry) resolution {
	r := resolution{c, e.Offset, c.sub.QoS, c.sub.RetainAsPublished}
	s.out.pub.SubscriptionIDs = s.out.pub.SubscriptionIDs[:0]
	if len(s.subs) == 1 {
		s.identify(c.sub)
		return r
	}
	s.identify(c.sub)
	for lmq, offset := range message.DispatchOffsets(e.Dispatch, e.Offsets) {
		for _, sub := range s.byLMQ[lmq] {
			if sub == c.sub || !s.wants(sub, e) {
				continue
			}
			o := sub.cursor(c.broker)
			if o == nil || o.locate || offset < o.begin {
				continue
			}
			s.identify(sub)
			r.qos = max(r.qos, sub.QoS)
			if sub.Seq < r.owner.sub.Seq {
				r.owner, r.offset, r.retain = o, offset, sub.RetainAsPublished
			}
		}
	}
	return r
}

func (s *Session) identify(sub *subscription) {
	if sub.ID != 0 {
		s.out.pub.SubscriptionIDs = append(s.out.pub.SubscriptionIDs, sub.ID)
	}
}

// follow steps over a message that another subscription delivers, in memory only: the floor waits for the owner.
func (s *Session) follow(c *cursor, e *Entry, r resolution) bool {
	if r.owner.isDone(r.offset) {
		c.note(e, pendDone)
		return true
	}
	if r.owner.followers == nil {
		r.owner.followers = map[int64][]follower{}
	}
	r.owner.followers[r.offset] = append(r.owner.followers[r.offset], follower{c, e.Offset})
	c.note(e, pendElsewhere)
	return true
}

// redo rewinds a cursor to a message whose owner went away before it delivered.
func (c *cursor) redo(offset int64) {
	p := c.find(offset)
	if p == nil || p.state != pendElsewhere {
		return
	}
	p.state = pendRedo
	if offset < c.next {
		c.next, c.local, c.localTo = offset, nil, 0
	}
	if c.place == atQueue {
		c.q.forget(c)
		c.place = atRest
	}
	if c.place == atRest {
		c.session.enqueue(c)
	}
}

// partSet remembers the keys of the last messages that came in parts, to drop the second part.
type partSet struct {
	keys [64]string
	n    int
}

// repeated reports whether another part of the same message was delivered already.
func (p *partSet) repeated(s *Session, e *Entry) bool {
	if !e.Part || len(s.subs) < 2 {
		return false
	}
	for _, k := range p.keys {
		if k == e.Key {
			return true
		}
	}
	p.keys[p.n%len(p.keys)] = e.Key
	p.n++
	return false
}
