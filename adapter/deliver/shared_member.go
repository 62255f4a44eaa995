package deliver

import (
	"context"

	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// isShared reports whether a filter is that of a shared subscription.
func isShared(filter string) bool {
	_, _, shared, err := topic.ParseShared(filter)
	return shared && err == nil
}

// lmqOf is the LMQ that a subscription's filter stands for. A group's is not always that of plain subscriptions.
func lmqOf(filter string) string {
	if _, inner, shared, err := topic.ParseShared(filter); shared && err == nil {
		return topic.SharedLMQ(inner)
	}
	return topic.LMQ(filter)
}

// newSubscription is a subscription without cursors. A shared one has no LMQ: it reads none itself.
func newSubscription(sub session.Subscription) *subscription {
	if isShared(sub.Filter) {
		return &subscription{Subscription: sub}
	}
	return &subscription{Subscription: sub, lmq: topic.LMQ(sub.Filter)}
}

// memberships are a session's in its groups here. Protected by Session.mu.
type memberships struct{ list []*member }

// join makes a subscription a member of its group here. Called under s.mu.
func (s *Session) join(sub *subscription, sh *share) {
	sub.member = &member{session: s, sub: sub, share: sh}
	if s.groups == nil {
		s.groups = &memberships{}
	}
	s.groups.list = append(s.groups.list, sub.member)
}

// joinAll resumes the shared subscriptions of earlier connections. Called under s.mu.
func (s *Session) joinAll() {
	if s.hub.cfg.Shared.Pops == nil {
		return
	}
	for _, sub := range s.subs.list {
		if sub.lmq == "" {
			s.join(sub, s.hub.useShare(sub.Filter, 0))
		}
	}
}

// part takes a subscription out of its group here. Its messages in flight stay in flight. Called under s.mu.
func (s *Session) part(sub *subscription) {
	m := sub.member
	if m == nil {
		return
	}
	sub.member = nil
	if s.groups.list = without(s.groups.list, m); len(s.groups.list) == 0 {
		s.groups = nil
	}
	m.share.delist(m)
	s.hub.leaveShare(m.share)
}

// offerRoom lets the groups know that their member has room. Called under s.mu by pump.
func (s *Session) offerRoom() {
	if s.groups == nil {
		return
	}
	for _, m := range s.groups.list {
		s.offerRoomTo(m)
	}
}

// offerRoomTo takes what has been parked for lack of room first.
func (s *Session) offerRoomTo(m *member) {
	for {
		free := s.freeFor(m.sub)
		if free == 0 {
			m.share.delist(m)
			return
		}
		c := m.share.enlist(m, free)
		if c == nil {
			return
		}
		switch s.accept(m, c) {
		case offerUnfit:
			m.share.settle(c)
		case offerFull: // nothing of the session's counts has changed, so this is rare
			m.share.repark(c)
			return
		}
	}
}

// freeFor is how many messages a shared subscription can be given now.
func (s *Session) freeFor(sub *subscription) int {
	switch {
	case s.closed || s.link.Full() || s.walkHolds():
		return 0
	case sub.QoS == 0:
		return maxPop
	case !s.out.room(s):
		return 0
	}
	return int(min(uint64(min(s.window-s.out.quota, maxFlights-len(s.out.flights))), s.out.reserved-s.out.count))
}

// offering is what a member says to a message.
type offering byte

const (
	offerTaken offering = iota
	offerFull           // it has no room: it enlists again when it has
	offerUnfit          // the message cannot be sent to this client
)

// offer gives a popped message to a member.
func (s *Session) offer(m *member, c *claim) offering {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.sub.member != m || s.closed {
		return offerFull
	}
	o := s.accept(m, c)
	if o == offerTaken {
		s.offerRoomTo(m)
	}
	return o
}

// accept sends a popped message to the client, or has it written first. Called under s.mu.
func (s *Session) accept(m *member, c *claim) offering {
	e, sub := c.entry, m.sub
	qos := min(e.Message.QoS, sub.QoS)
	if s.link.Full() || s.walkHolds() || qos > 0 && !s.out.room(s) {
		return offerFull
	}
	s.out.ids = s.out.ids[:0]
	s.identify(sub)
	t, d := s.prepare(e, qos, sub.RetainAsPublished, s.out.ids)
	if t == nil {
		return offerUnfit
	}
	if qos == 0 {
		s.hand(e, t, d)
		s.hub.metrics.sent(qos, e)
		s.trace(nil, e, qos, false)
		m.share.settle(c)
		return offerTaken
	}
	f := s.depart(session.Outbound{QoS: qos, CursorKey: session.CursorKey{Filter: sub.Filter, Broker: c.broker}, Offset: e.Offset, Key: e.Key}, nil)
	if f == nil {
		return offerFull
	}
	f.claim, d.PacketID = c, f.PacketID
	f.again = qos == 2 && e.Key != ""
	if qos == 2 && s.persist { // leaves when its entry is written and the group has let go of it
		f.state, f.entry, f.retain, f.ids = flightWriting, e, sub.RetainAsPublished, append([]uint32(nil), s.out.ids...)
		s.store(f, true)
		return offerTaken
	}
	s.hand(e, t, d)
	s.hub.metrics.sent(qos, e)
	s.trace(f, e, qos, false)
	if qos == 2 { // the client may have it: nobody else must get it [MQTT-4.8.2-5]
		f.claim = nil
		if f.again && s.hub.cfg.Shared.Owners != nil {
			s.hub.finisher.put(finish{filter: sub.Filter, key: e.Key})
		}
		c.ack(nil)
	}
	return offerTaken
}

// own has the group let go of a QoS 2 message whose entry is written: from here on it stays with this session
// [MQTT-4.8.2-4]. Then its PUBLISH leaves. Called under s.mu.
func (s *Session) own(f *flight) {
	c := f.claim
	f.claim = nil
	c.ack(func(err error) { // if it failed, the message comes again and is found to be owned
		s.hub.spawn(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			f.unsure = f.unsure || err != nil
			if !s.closed && s.out.flights[f.PacketID] == f && f.state == flightWriting {
				s.sendEntry(f, false)
			}
		})
	})
}

// disown handles QoS 2 messages of groups whose entries could not be written. If the session is somebody else's now the
// group has them back, otherwise they may be written all the same and come back in their time.
func (s *Session) disown(flights []*flight, fenced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range flights {
		c := f.claim
		if f.claim = nil; c == nil {
			continue
		}
		if fenced {
			c.giveBack(nil)
		} else {
			c.drop()
		}
	}
}

// leaveGroups ends the memberships of a session that was closed, and takes out what goes back to the groups: all that is
// not acknowledged but what is, or is being, written for this session. Called under s.mu.
func (s *Session) leaveGroups() (back []*claim) {
	for s.groups != nil {
		s.part(s.groups.list[0].sub)
	}
	for id, f := range s.out.flights {
		switch {
		case f.claim == nil, f.state == flightWriting && !f.toStore:
			continue
		case f.state == flightWriting:
			f.toStore = false
			delete(s.out.flights, id)
		}
		back = append(back, f.claim)
		f.claim = nil
	}
	return back
}

// giveBackAll waits until the groups have their messages back.
func giveBackAll(ctx context.Context, back []*claim) {
	done := make(chan struct{}, len(back))
	for _, c := range back {
		c.giveBack(func() { done <- struct{}{} })
	}
	for range back {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}
