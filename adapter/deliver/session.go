package deliver

import (
	"context"
	"slices"
	"sync"

	"lmqgate/meta/message"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Options say how a session is served.
type Options struct {
	Persistent     bool // the session outlives its connection: cursors and in-flight messages are written
	ReceiveMaximum int  // the client's, 0 = 65,535 [MQTT-3.1.2.11.3]
	// Take, when not nil, gets the messages themselves in the place of packets, for a reader in this process. It is called as
	// the Link's methods are. Such a session has no queue of its own for what is sent to its client id.
	Take func(message.Arrival)
	// Placed, with Take, is told where new subscriptions begin, before anything of them is taken. It is called as Take is.
	Placed func(message.Position)
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
	inside   *inside // nil: a client, who gets packets

	mu      sync.Mutex // protects the fields below and everything of the session's subscriptions and cursors
	closed  bool
	subs    subscriptions
	self    *subscription // to the queue of the client id, nil: it has none
	groups  *memberships  // nil: none of subs is shared
	nextSeq uint64
	nextTag uint64

	ready   line // cursors that may have something to deliver
	blocked line // cursors that wait for the window
	unsure  line // cursors that wait until another has found its place
	out     outbound
	parts   partSet
	walks   *walks // nil: no subscription wants retained messages

	dirty    []*cursor
	setSubs  []*subscription
	dropSubs []*subscription
}

// maxPends bounds the messages remembered beyond a cursor's floor.
func (s *Session) maxPends() int { return max(1024, 4*s.window) }

// Begin serves a session that was attached in the store: attach, to be called once or never, sends its in-flight messages
// again first, in their order, and the caller calls Close when the connection has ended. From the return of Begin on any
// message to this client whose PUBLISH any instance accepts reaches the session; if it is new, Begin waits for brokers and
// store for that, bounded.
func (h *Hub) Begin(st session.State, opt Options, writer *session.Writer) (attach func(link Link) *Session) {
	var own ownQueue
	if opt.Take == nil {
		own = h.ownOf(st)
	}
	if own.fresh && opt.Persistent {
		h.keepOwn(st.ClientID, own, writer)
	}
	return func(link Link) *Session {
		s := &Session{
			hub: h, link: link, clientID: st.ClientID, epoch: st.Epoch, writer: writer,
			persist: opt.Persistent, window: h.cfg.Window,
			nextSeq: st.NextSeq, nextTag: 1,
		}
		if opt.Take != nil {
			s.inside = &inside{take: opt.Take, placed: opt.Placed}
		}
		if opt.ReceiveMaximum > 0 {
			s.window = min(s.window, opt.ReceiveMaximum)
		}
		s.attach(st, own)
		return s
	}
}

// attach begins to deliver.
func (s *Session) attach(st session.State, own ownQueue) {
	h := s.hub
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self = own.sub
	s.out.restore(s, st)
	for _, sub := range st.Subscriptions {
		resumed := newSubscription(sub)
		resumed.foreign = s.isForeign(sub.Filter)
		s.index(resumed)
	}
	for _, c := range st.Cursors {
		if sub := s.named(c.Filter); sub != nil {
			sub.parked = append(sub.parked, c)
		}
	}
	h.mu.Lock()
	h.sessions[s] = struct{}{}
	h.mu.Unlock()
	brokers := h.log.Brokers() // after the session is known to BrokersAdded
	s.beginOwn(own)
	for sub := range s.each {
		s.open(sub, brokers)
	}
	s.resumeWalks()
	s.joinAll()
	s.writer.Add((*source)(s))
	s.out.begin(s)
	s.pump()
}

// index adds a subscription. Called under s.mu.
func (s *Session) index(sub *subscription) {
	s.subs.add(sub)
	s.nextSeq = max(s.nextSeq, sub.Seq+1)
}

// Subscriptions is their number.
func (s *Session) Subscriptions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs.len()
}

// open starts reading the subscription's queue on each of the brokers that it does not read yet. Called under s.mu.
func (s *Session) open(sub *subscription, brokers []string) {
	if sub.lmq == "" { // shared
		return
	}
	for _, b := range brokers {
		if sub.cursor(b) != nil {
			continue
		}
		at := session.Cursor{Next: unknown} // a broker that appeared since: by store time
		for i, p := range sub.parked {
			if p.Broker == b {
				at = p
				if sub.parked = slices.Delete(sub.parked, i, i+1); len(sub.parked) == 0 {
					sub.parked = nil
				}
				break
			}
		}
		c := &cursor{session: s, sub: sub, broker: b}
		c.restore(at)
		s.out.adopt(c)
		sub.cursors = append(sub.cursors, c)
		s.unhold(c)
		s.start(c)
	}
}

// start lets a cursor read, unless it does. Called under s.mu.
func (s *Session) start(c *cursor) {
	if c.q != nil {
		return
	}
	c.q = s.hub.attach(Ref{Broker: c.broker, LMQ: c.sub.lmq})
	c.resets = c.q.resetsSeen()
	s.enqueue(c)
}

// enqueue makes a cursor ready. Called under s.mu.
func (s *Session) enqueue(c *cursor) {
	if c.place == atReady || c.q == nil {
		return
	}
	c.place = atReady
	s.ready.push(c)
}

// leave stops a cursor for good. Called under s.mu.
func (s *Session) leave(c *cursor) {
	c.place = atRest
	c.dropLocal()
	if q := c.q; q != nil {
		c.q = nil
		s.hub.detach(q, c)
	}
	if c.locate {
		s.sure()
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
	for sub := range s.each {
		s.open(sub, brokers)
	}
	s.pump()
}

// holdings appends the session's holdings to list.
func (s *Session) holdings(list []registry.Hold) []registry.Hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs.list {
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
	s.untrace()
	s.endWalks()
	for sub := range s.each {
		for _, c := range sub.cursors {
			s.leave(c)
		}
	}
	back := s.leaveGroups()
	s.mu.Unlock()
	s.hub.mu.Lock()
	delete(s.hub.sessions, s)
	s.hub.mu.Unlock()
	giveBackAll(ctx, back)
	var err error
	if s.persist {
		err = s.writer.Flush(ctx)
	}
	s.writer.Close()
	return err
}

// isClosed is for goroutines that work without the lock.
func (s *Session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
