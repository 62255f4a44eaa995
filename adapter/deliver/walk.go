package deliver

import (
	"context"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// Retained is where retained messages are read from; retain.Store says what Match does.
type Retained interface {
	Match(ctx context.Context, filter, cursor string, limit int) (found []*message.Message, next string, err error)
}

// walk is the delivery of all retained messages that match a subscription, page by page, for one SUBSCRIBE. How far it
// got is Subscription.RetainedAt. Protected by Session.mu.
type walk struct {
	sub   *subscription
	limit int  // messages asked for by the next page, fewer where they are large
	fails int  // pages in a row that could not be read
	again bool // an earlier walk was under way and began anew with this one
}

// walkState says how far the page at hand of a session's first walk is. Live messages wait from walkReads on, and at
// walkWaits while the store answers.
type walkState byte

const (
	walkRests   walkState = iota // there is none: no walk is granted, or the window or the link has no room
	walkPauses                   // there is none: the store did not answer
	walkWaits                    // for its turn to be read
	walkProbes                   // the store is asked whether it answers
	walkReads                    // it is being read
	walkNumbers                  // it waits for packet ids
	walkWrites                   // it leaves when its messages are kept
)

// walks are those of a session, one after the other. Protected by Session.mu.
type walks struct {
	asked []*walk // wait for SUBACK
	list  []*walk
	state walkState
	page  *page // at walkNumbers and walkWrites
}

// wantsRetained says whether a SUBSCRIBE is answered with retained messages too [MQTT-3.3.1-9..11].
func (s *Session) wantsRetained(r session.Subscription, fresh bool) bool {
	if s.hub.cfg.Retained == nil || r.RetainHandling > 1 || r.RetainHandling == 1 && !fresh {
		return false
	}
	_, _, shared, err := topic.ParseShared(r.Filter) // a shared subscription gets none
	return !shared && err == nil
}

// askWalk notes that a subscription is to get retained messages once SUBACK was sent, from the beginning if some have
// been sent already. Called under s.mu.
func (s *Session) askWalk(sub *subscription) {
	w := &walk{sub: sub, limit: s.hub.cfg.WalkPage, again: sub.walk != nil}
	s.dropWalk(sub)
	if s.walks == nil {
		s.walks = &walks{}
	}
	sub.walk = w
	s.walks.asked = append(s.walks.asked, w)
}

// unaskWalk takes that back: SUBSCRIBE failed. A walk that began anew goes on. Called under s.mu.
func (s *Session) unaskWalk(sub *subscription) {
	if sub.walk == nil || sub.walk.again {
		return
	}
	s.dropWalk(sub)
	sub.Retained = false
}

// dropWalk ends the walk of a subscription, if there is one. What is in flight stays in flight. Called under s.mu.
func (s *Session) dropWalk(sub *subscription) {
	if sub.walk == nil || s.walks == nil {
		return
	}
	s.walks.asked = without(s.walks.asked, sub.walk)
	s.walks.list = without(s.walks.list, sub.walk)
	sub.walk = nil
	s.forgetWalks()
}

// forgetWalks gives the memory back when there is nothing left to do.
func (s *Session) forgetWalks() {
	if w := s.walks; w.state == walkRests && len(w.asked)+len(w.list) == 0 {
		s.walks = nil
	}
}

// Retained begins to send the retained messages that the last SUBSCRIBE asked for: it is to be called when SUBACK was sent.
func (s *Session) Retained() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.walks == nil || s.closed {
		return
	}
	s.walks.list = append(s.walks.list, s.walks.asked...)
	s.walks.asked = nil
	s.pump()
}

// resumeWalks goes on with the walks of earlier connections. Called under s.mu.
func (s *Session) resumeWalks() {
	if s.hub.cfg.Retained == nil {
		return
	}
	for _, sub := range s.subs.list {
		if !sub.Retained {
			continue
		}
		if s.walks == nil {
			s.walks = &walks{}
		}
		sub.walk = &walk{sub: sub, limit: s.hub.cfg.WalkPage}
		s.walks.list = append(s.walks.list, sub.walk)
	}
}

// endWalks gives back the place of a page that will not leave any more. Called under s.mu when the session was closed.
func (s *Session) endWalks() {
	if s.walks != nil && s.walks.page != nil {
		s.hub.leaveWalk()
	}
	s.walks = nil
}

// walkHolds reports whether live messages wait for retained ones. While the store does not answer they do not. Called
// under s.mu.
func (s *Session) walkHolds() bool {
	if s.walks == nil {
		return false
	}
	if s.walks.state == walkWaits {
		return !s.probing()
	}
	return s.walks.state >= walkReads
}

// probing reports whether the store has to be seen to answer before live messages wait for it. Called under s.mu.
func (s *Session) probing() bool {
	list := s.walks.list
	return len(list) == 0 || list[0].fails > 0 || s.hub.walkers.fails() > 0
}

// walkOn stands in line for the next page if there is room for it, and reports whether live messages wait. Called under
// s.mu.
func (s *Session) walkOn() bool {
	if w := s.walks; w.state == walkRests && s.walkRoom() > 0 {
		w.state = walkWaits
		s.hub.enterWalk(s)
	}
	return s.walkHolds()
}

// walkRoom is how many messages the next page may have; 0 while there is none to be read. Whoever makes room pumps. Called
// under s.mu.
func (s *Session) walkRoom() int {
	if len(s.walks.list) == 0 || s.link.Full() {
		return 0
	}
	w := s.walks.list[0]
	if w.sub.QoS == 0 {
		return w.limit
	}
	if !s.out.room(s) {
		return 0
	}
	return min(w.limit, s.window-s.out.quota, maxFlights-len(s.out.flights))
}
