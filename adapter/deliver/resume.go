package deliver

import (
	"context"
	"slices"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// loadAhead is how many messages are read before they are sent again.
const loadAhead = 32

func sortByOrder(flights []*flight) {
	slices.SortFunc(flights, func(a, b *flight) int {
		switch {
		case a.Order < b.Order:
			return -1
		case a.Order > b.Order:
			return 1
		}
		return 0
	})
}

// resend sends what earlier connections left unacknowledged, in its order and with its packet ids [MQTT-4.4.0-1]. It
// reports whether that is through. Called under s.mu.
func (o *outbound) resend(s *Session) bool {
	for len(o.again) > 0 {
		f := o.again[0]
		switch {
		case f.State == session.OutReleased:
			f.state = flightReleased
			s.link.Send(&packet.Pubrel{PacketID: f.PacketID})
		case f.entry == nil:
			o.load(s)
			return false
		case o.quota >= s.window || s.link.Full():
			return false
		default:
			o.sendAgain(s, f)
		}
		o.again = o.again[1:]
	}
	o.again = nil
	return true
}

// sendAgain sends one message again with DUP [MQTT-3.3.1-1].
func (o *outbound) sendAgain(s *Session, f *flight) {
	e := f.entry
	r := resolution{qos: f.QoS}
	o.pub.SubscriptionIDs = o.pub.SubscriptionIDs[:0]
	if sub := s.named(f.Filter); sub != nil {
		s.identify(sub)
		r.retain = sub.RetainAsPublished
	}
	s.fill(e, r, f.QoS)
	o.pub.DUP = true
	f.counted = true
	o.quota++
	s.send(f, e)
	o.pub.DUP = false
	s.hub.metrics.redelivered.Inc()
}

// load starts reading the next messages that are to be sent again.
func (o *outbound) load(s *Session) {
	if o.loading {
		return
	}
	o.loading = true
	list := make([]*flight, 0, loadAhead)
	for _, f := range o.again {
		if f.State == session.OutSent && f.entry == nil {
			list = append(list, f)
		}
		if len(list) == loadAhead {
			break
		}
	}
	s.hub.spawn(func() { s.loadAll(list) })
}

// loaded is what became of reading one message that is to be sent again.
type loaded struct {
	entry *Entry
	gone  bool // the log does not have it any more
}

// loadAll reads messages back from their queues and hands them to the session.
func (s *Session) loadAll(list []*flight) {
	got := make(map[*flight]loaded, len(list))
	for fails := 0; len(got) < len(list) && s.hub.ctx.Err() == nil; {
		for _, f := range list {
			if _, ok := got[f]; ok {
				continue
			}
			if err := s.hub.readBack(f, list, got); err != nil {
				s.hub.cfg.Logger.Warn("reading an unacknowledged message back failed, trying again", "client_id", s.clientID, "broker", f.Broker, "error", err)
				fails++
				break
			}
		}
		if len(got) < len(list) {
			if s.isClosed() {
				return
			}
			s.hub.pause(min(time.Second, 20*time.Millisecond<<min(fails, 6)))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.out.loading = false
	for _, f := range list {
		l := got[f]
		switch {
		case s.out.flights[f.PacketID] != f || f.State != session.OutSent:
		case l.entry != nil && l.entry.Message != nil:
			f.entry = l.entry
		case l.gone:
			s.hub.metrics.gone.Inc()
			s.complete(f)
		}
	}
	s.pump()
}

func (s *Session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// readBack pulls from the place of f; what else of the list the answer contains is taken too.
func (h *Hub) readBack(f *flight, list []*flight, got map[*flight]loaded) error {
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	b, err := h.log.Pull(ctx, Ref{f.Broker, topic.LMQ(f.Filter)}, f.Offset, loadAhead)
	if err != nil {
		return err
	}
	for _, e := range b.Entries {
		for _, g := range list {
			if g.CursorKey == f.CursorKey && g.Offset == e.Offset && g.Key == e.Key {
				got[g] = loaded{entry: e, gone: e.Message == nil}
			}
		}
	}
	if _, ok := got[f]; !ok {
		got[f] = loaded{gone: true}
	}
	return nil
}
