package deliver

import (
	"context"
	"strings"
	"sync"
	"time"

	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// ownQoS is the QoS at which a client gets what is addressed to it: that of the message.
const ownQoS = 2

// ownQueue is the point to point queue of a client as a session begins with it.
type ownQueue struct {
	sub    *subscription    // nil: the client cannot be addressed, or there are too many others
	fresh  bool             // the session has no position in it yet
	begins map[string]int64 // of a fresh one: first offset by broker; a broker that did not answer is missing
	boots  map[string]uint64
}

// ownOf makes the session's subscription to its own queue. One that has no position yet begins at the queue's end: what was
// sent to the client before it had a session is not for this one. It has the lowest sequence, so of several subscriptions
// that a RocketMQ application has dispatched a message to, it delivers.
func (h *Hub) ownOf(st session.State) ownQueue {
	if !h.cfg.P2P || !topic.Addressable(st.ClientID) {
		return ownQueue{}
	}
	own := ownQueue{fresh: true, sub: &subscription{lmq: topic.P2PLMQ(st.ClientID), Subscription: session.Subscription{
		Filter: topic.OwnFilter, QoS: ownQoS, SinceMillis: h.cfg.Now().UnixMilli(),
	}}}
	for _, c := range st.Cursors {
		if c.Filter != topic.OwnFilter {
			continue
		}
		own.fresh = false
		if c.LastStore > 0 { // a broker that appeared since has nothing older for this session
			own.sub.SinceMillis = min(own.sub.SinceMillis, c.LastStore+clockSkew)
		}
	}
	if own.fresh {
		if h.noOwn(st.ClientID) {
			return ownQueue{}
		}
		ctx, cancel := context.WithTimeout(h.ctx, min(askTime, h.cfg.Subscribe/4))
		defer cancel()
		own.begins, own.boots = h.ends(ctx, own.sub.lmq)
	}
	return own
}

// noOwn reports whether there are too many clients with a queue of their own for this one to get one. Where that cannot be
// asked it gets one: its session was kept a moment ago.
func (h *Hub) noOwn(clientID string) bool {
	if h.cfg.Own == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(h.ctx, min(askTime, h.cfg.Subscribe/4))
	defer cancel()
	refused, err := h.cfg.Own.Refused(ctx, clientID)
	if err != nil {
		h.cfg.Logger.Warn("a client's own queue could not be counted", "client_id", clientID, "error", err)
	}
	return refused && err == nil
}

// ends asks for the end of a queue.
func (h *Hub) ends(ctx context.Context, lmq string) (ends map[string]int64, boots map[string]uint64) {
	all, boots := h.endsOf(ctx, h.answering(), []string{lmq})
	ends = make(map[string]int64, len(all))
	for b, list := range all {
		ends[b] = list[0]
	}
	return ends, boots
}

// silentFor is for how long connecting clients do not wait for a broker that has not answered; then one tries again.
const silentFor = 5 * time.Second

// answering are the brokers that may be asked while a client waits for its CONNACK.
func (h *Hub) answering() []string {
	brokers := h.log.Brokers()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.silent) == 0 {
		return brokers
	}
	asked := make([]string, 0, len(brokers))
	now := h.cfg.Now()
	for _, b := range brokers {
		since, silent := h.silent[b]
		if silent && now.Sub(since) < silentFor {
			continue
		}
		if silent {
			h.silent[b] = now
		}
		asked = append(asked, b)
	}
	return asked
}

// heard notes whether a broker answers.
func (h *Hub) heard(broker string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.silent, broker)
		return
	}
	h.silent[broker] = h.cfg.Now()
}

// firstCursors are the positions of a session that is about to begin.
type firstCursors struct {
	mu   sync.Mutex // protects list
	list []session.Cursor
}

// Collect implements session.Source, once.
func (f *firstCursors) Collect(c *session.Change) func(error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.SetCursors, f.list = append(c.SetCursors, f.list...), nil
	return nil
}

// keepOwn waits until the positions of a fresh one are kept: were they lost with this instance, so would be what is sent to
// the client meanwhile. A store that does not answer in time gets them later. When the session began is kept with them, since
// no subscription is: it is what there is to go by, should a queue be reset or a broker appear.
func (h *Hub) keepOwn(clientID string, own ownQueue, writer *session.Writer) {
	first := &firstCursors{}
	for b, begin := range own.begins {
		first.list = append(first.list, session.Cursor{
			CursorKey: session.CursorKey{Filter: topic.OwnFilter, Broker: b}, Begin: begin, Next: begin, LastStore: own.since(),
		})
	}
	if len(first.list) == 0 {
		return
	}
	writer.Add(first)
	ctx, cancel := context.WithTimeout(h.ctx, min(askTime, h.cfg.Subscribe/4))
	defer cancel()
	if err := writer.Flush(ctx); err != nil {
		h.cfg.Logger.Debug("keeping where the client's own queue begins takes longer", "client_id", clientID, "error", err)
	}
}

// since is before what was stored first for the session, by a broker's clock, ms.
func (own ownQueue) since() int64 { return own.sub.SinceMillis - clockSkew }

// beginOwn makes the cursors of a fresh one. Called under s.mu.
func (s *Session) beginOwn(own ownQueue) {
	for b, begin := range own.begins {
		c := &cursor{
			session: s, sub: own.sub, broker: b, boot: own.boots[b], begin: begin, next: begin, lastAt: begin - 1, lastStore: own.since(),
		}
		own.sub.cursors = append(own.sub.cursors, c)
		s.start(c)
	}
}

// named finds a subscription, the one to the session's own queue included; nil if there is none.
func (s *Session) named(filter string) *subscription {
	if filter == topic.OwnFilter {
		return s.self
	}
	return s.subs.named(filter)
}

// each yields all subscriptions, the one to the session's own queue included. Called under s.mu.
func (s *Session) each(yield func(*subscription) bool) {
	if s.self != nil && !yield(s.self) {
		return
	}
	for _, sub := range s.subs.list {
		if !yield(sub) {
			return
		}
	}
}

// lmqOf is the queue of what is kept under a filter.
func (s *Session) lmqOf(filter string) string {
	if filter == topic.OwnFilter {
		return topic.P2PLMQ(s.clientID)
	}
	return lmqOf(filter)
}

// addressed reports whether a message in the session's own queue is for it. A RocketMQ application may give it any topic,
// as with the Java gateway; one that addresses a client addresses this one, and what a tenant's client gets is in its space.
func (s *Session) addressed(name string) bool {
	if _, ok := topic.SpaceIn(s.clientID).Unmount(name); !ok {
		return false
	}
	id, ok := topic.P2P(name)
	return !ok || id == s.clientID
}

// isForeign reports whether a filter asks for what is sent to another client. SUBSCRIBE refuses these; a session may have
// one from before.
func (s *Session) isForeign(filter string) bool {
	if !s.hub.cfg.P2P {
		return false
	}
	_, inner, _, err := topic.ParseShared(filter)
	if err != nil {
		return false
	}
	id, private := topic.PrivateTo(inner)
	return private && id != s.clientID
}

// foreign reports whether a group is one of what is sent to a client, of before that was refused: it gets nothing.
func (sh *share) foreign() bool {
	_, private := topic.PrivateTo(sh.filter)
	return private && sh.hub.cfg.P2P
}

// owns reports whether the session's own queue may have the message too.
func (s *Session) owns(e *Entry) bool {
	return s.self != nil && strings.Contains(e.Dispatch, s.self.lmq)
}

// identifyAll notes the identifiers of the client's subscriptions that match a message of its own queue [MQTT-3.3.4-3],
// although it was not dispatched to them.
func (s *Session) identifyAll(e *Entry) {
	for _, sub := range s.subs.list {
		if sub.ID != 0 && sub.lmq != "" && s.wants(sub, e) {
			s.identify(sub)
		}
	}
}
