package deliver

import (
	"context"
	"slices"
	"time"
)

// loadAhead is how many messages are read before they are sent again.
const loadAhead = 32

// load starts reading the next messages of a backlog. A broker that is not known is waited for: BrokersAdded pumps.
func (o *outbound) load(s *Session, b *backlog) {
	if b.loading || b.broker != "" && !slices.Contains(s.hub.log.Brokers(), b.broker) {
		return
	}
	b.loading = true
	list := make([]*flight, 0, loadAhead)
	for _, f := range b.flights {
		if f.state == flightAgain && f.entry == nil && f.Message == nil {
			list = append(list, f)
		}
		if len(list) == loadAhead {
			break
		}
	}
	s.hub.spawn(func() { s.loadAll(b, list) })
}

// loaded is what became of reading one message that is to be sent again.
type loaded struct {
	entry *Entry // nil: the log does not have it
	moved bool   // its offset has another message, or none yet: the queue was reset or rolled back
}

// gone ends a flight whose message the log does not have. Should it turn up at another place after all, or at its own
// once the queue has grown, it is delivered from there.
func (s *Session) gone(f *flight, l loaded) {
	s.hub.dropped(s.hub.metrics.gone, s.clientID, "gone", "", 1)
	delete(s.out.byKey, f.Key)
	if c := f.cursor; c != nil && l.moved && f.Offset >= c.next {
		f.cursor = nil
		c.forget(f.Offset)
	}
	s.abandon(f)
}

// loadAll reads messages back from their queues and hands them to the session.
func (s *Session) loadAll(b *backlog, list []*flight) {
	got := make(map[*flight]loaded, len(list))
	for i, fails := 0, 0; i < len(list); {
		if _, ok := got[list[i]]; ok {
			i++
			continue
		}
		if s.hub.ctx.Err() != nil || s.isClosed() {
			return
		}
		err := s.hub.readBack(s.lmqOf(list[i].Filter), list[i], list, got)
		if err == nil {
			fails = 0
			continue
		}
		if fails++; fails == 1 {
			s.hub.cfg.Logger.Warn("reading an unacknowledged message back failed, trying again", "client_id", s.clientID, "broker", b.broker, "error", err)
		}
		s.hub.pause(backoff(fails))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	b.loading = false
	for _, f := range list {
		switch l := got[f]; {
		case f.state != flightAgain:
		case l.entry != nil:
			f.entry = l.entry
		default:
			s.gone(f, l)
		}
	}
	s.pump()
}

// readBack pulls from the place of f in its queue; what else of the list the answer contains is taken too.
func (h *Hub) readBack(lmq string, f *flight, list []*flight, got map[*flight]loaded) error {
	if f.Broker == "" || f.Offset == unknown {
		got[f] = loaded{} // was never in a log, or is no longer at a place that is known
		return nil
	}
	leave, err := h.enter(f.Broker)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	b, err := h.log.Pull(ctx, Ref{f.Broker, lmq}, f.Offset, loadAhead)
	if err != nil {
		return err
	}
	for _, e := range b.Entries {
		for _, g := range list {
			if g.CursorKey == f.CursorKey && g.Offset == e.Offset && g.Key == e.Key && e.Message != nil {
				got[g] = loaded{entry: e}
			}
		}
	}
	if _, ok := got[f]; !ok {
		other := len(b.Entries) > 0 && b.Entries[0].Offset == f.Offset && b.Entries[0].Key != f.Key
		got[f] = loaded{moved: f.Offset >= b.Max || other}
	}
	return nil
}
