package deliver

import (
	"context"
	"sync"

	"lmqgate/adapter/packet"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// subscription is one plain subscription of a live session. Protected by Session.mu.
type subscription struct {
	session.Subscription
	lmq     string
	cursors []*cursor
	parked  []session.Cursor // persisted cursors of brokers not known now
}

// cursor returns the cursor on broker, nil if there is none.
func (s *subscription) cursor(broker string) *cursor {
	for _, c := range s.cursors {
		if c.broker == broker {
			return c
		}
	}
	return nil
}

// Options say how a session is served.
type Options struct {
	Persistent     bool // the session outlives its connection: cursors and in-flight messages are written
	ReceiveMaximum int  // the client's, 0 = 65,535 [MQTT-3.1.2.11.3]
}

// Session is one connected session. Safe for concurrent use.
type Session struct {
	hub      *Hub
	link     Link
	clientID string
	epoch    session.Epoch
	writer   *session.Writer
	persist  bool
	window   int

	mu      sync.Mutex // protects the fields below and everything of the session's subscriptions and cursors
	closed  bool
	subs    []*subscription // ascending by Seq
	byLMQ   map[string][]*subscription
	byName  map[string]*subscription
	nextSeq uint64
	nextTag uint64

	ready   []*cursor // may have something to deliver
	blocked []*cursor // wait for the window
	out     outbound
	parts   partSet

	dirty    []*cursor
	setSubs  []*subscription
	dropSubs []*subscription
}

// maxPends bounds the messages remembered beyond a cursor's floor.
func (s *Session) maxPends() int { return max(1024, 4*s.window) }

// Attach serves a session that was attached in the store. In-flight messages of the state are sent again first, in
// their order. The caller calls Close when the connection has ended.
func (h *Hub) Attach(st session.State, opt Options, link Link, writer *session.Writer) *Session {
	s := &Session{
		hub: h, link: link, clientID: st.ClientID, epoch: st.Epoch, writer: writer,
		persist: opt.Persistent, window: h.cfg.Window,
		nextSeq: st.NextSeq, nextTag: 1,
	}
	if opt.ReceiveMaximum > 0 {
		s.window = min(s.window, opt.ReceiveMaximum)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.restore(s, st)
	for _, sub := range st.Subscriptions {
		s.index(&subscription{Subscription: sub, lmq: topic.LMQ(sub.Filter)})
	}
	for _, c := range st.Cursors {
		if sub := s.named(c.Filter); sub != nil {
			sub.parked = append(sub.parked, c)
		}
	}
	h.mu.Lock()
	h.sessions[s] = struct{}{}
	h.mu.Unlock()
	brokers := h.log.Brokers()
	for _, sub := range s.subs {
		s.open(sub, brokers)
	}
	writer.Add((*source)(s))
	s.out.begin(s)
	s.pump()
	return s
}

// index adds a subscription to the look-ups. Called under s.mu.
func (s *Session) index(sub *subscription) {
	if s.byLMQ == nil {
		s.byLMQ, s.byName = map[string][]*subscription{}, map[string]*subscription{}
	}
	i := len(s.subs)
	for i > 0 && s.subs[i-1].Seq > sub.Seq {
		i--
	}
	s.subs = append(s.subs[:i], append([]*subscription{sub}, s.subs[i:]...)...)
	s.byLMQ[sub.lmq] = append(s.byLMQ[sub.lmq], sub)
	s.byName[sub.Filter] = sub
	s.nextSeq = max(s.nextSeq, sub.Seq+1)
}

// unindex removes a subscription from the look-ups. Called under s.mu.
func (s *Session) unindex(sub *subscription) {
	delete(s.byName, sub.Filter)
	s.subs = without(s.subs, sub)
	if rest := without(s.byLMQ[sub.lmq], sub); len(rest) > 0 {
		s.byLMQ[sub.lmq] = rest
	} else {
		delete(s.byLMQ, sub.lmq)
	}
}

// Subscriptions is their number.
func (s *Session) Subscriptions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subs)
}

func without[T comparable](list []T, v T) []T {
	for i, x := range list {
		if x == v {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}

// named finds a subscription by its filter. Called under s.mu.
func (s *Session) named(filter string) *subscription { return s.byName[filter] }

// open starts reading the subscription's queue on each of the brokers that it does not read yet. Called under s.mu.
func (s *Session) open(sub *subscription, brokers []string) {
	for _, b := range brokers {
		if sub.cursor(b) != nil {
			continue
		}
		c := &cursor{session: s, sub: sub, broker: b}
		c.restore(session.Cursor{Next: unknown}) // a broker that appeared since: by store time
		for i, p := range sub.parked {
			if p.Broker == b {
				c.locate = false
				c.restore(p)
				sub.parked = append(sub.parked[:i], sub.parked[i+1:]...)
				break
			}
		}
		s.out.adopt(c)
		sub.cursors = append(sub.cursors, c)
		s.start(c)
	}
}

// start lets a cursor read, unless it does. Called under s.mu.
func (s *Session) start(c *cursor) {
	if c.q != nil {
		return
	}
	c.q = s.hub.attach(Ref{Broker: c.broker, LMQ: c.sub.lmq})
	c.q.mu.Lock()
	c.resets = c.q.resets
	c.q.mu.Unlock()
	s.enqueue(c)
}

// enqueue makes a cursor ready. Called under s.mu.
func (s *Session) enqueue(c *cursor) {
	if c.place == atReady || c.q == nil {
		return
	}
	c.place = atReady
	s.ready = append(s.ready, c)
}

// leave stops a cursor for good. Called under s.mu.
func (s *Session) leave(c *cursor) {
	switch c.place {
	case atReady:
		s.ready = without(s.ready, c)
	case atBlocked:
		s.blocked = without(s.blocked, c)
	}
	c.place = atRest
	if q := c.q; q != nil {
		c.q, c.local = nil, nil
		s.hub.detach(q, c)
	}
}

// wake lets a cursor that waited at its queue go on.
func (s *Session) wake(c *cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || c.place != atQueue {
		return
	}
	s.enqueue(c)
	s.pump()
}

// Wake lets the session go on when its link has drained.
func (s *Session) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pump()
}

// addBrokers lets every subscription read new brokers.
func (s *Session) addBrokers(brokers []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	for _, sub := range s.subs {
		s.open(sub, brokers)
	}
	s.pump()
}

// holdings appends the session's holdings to list.
func (s *Session) holdings(list []registry.Hold) []registry.Hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		list = append(list, s.hold(sub.Subscription))
	}
	return list
}

func (s *Session) hold(sub session.Subscription) registry.Hold {
	return registry.Hold{Filter: sub.Filter, ClientID: s.clientID, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq}
}

// Close ends delivery and writes what is left to be written. The session itself stays in the store; Detach is the
// caller's.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, sub := range s.subs {
		for _, c := range sub.cursors {
			s.leave(c)
		}
	}
	s.mu.Unlock()
	s.hub.mu.Lock()
	delete(s.hub.sessions, s)
	s.hub.mu.Unlock()
	var err error
	if s.persist {
		err = s.writer.Flush(ctx)
	}
	s.writer.Close()
	return err
}

// fail closes the link because the session cannot go on.
func (s *Session) fail(code packet.ReasonCode) { s.link.Close(code) }
