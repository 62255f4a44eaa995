package deliver

import (
	"slices"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// takePage sends what has QoS 0 and begins to send the rest. Called under s.mu, with room in the window for all of it.
func (s *Session) takePage(w *walk, found []*message.Message, next string) {
	pg := &page{walk: w, next: next}
	if id := w.sub.ID; id != 0 { // of this subscription only, whatever else matches
		pg.ids = []uint32{id}
	}
	for _, m := range found {
		if !m.Retain {
			r := *m
			r.Retain = true // [MQTT-3.3.1-8]
			m = &r
		}
		e := &Entry{Message: m}
		if !s.wants(w.sub, e) {
			continue
		}
		t, d := s.prepare(e, min(m.QoS, w.sub.QoS), true, pg.ids)
		switch {
		case t == nil:
		case d.QoS > 0:
			pg.rest = append(pg.rest, retained{e, d.QoS})
		default:
			s.hand(e, t, d)
			s.hub.metrics.sentRetained(d.QoS, e)
		}
	}
	s.walks.state, s.walks.page = walkNumbers, pg
	s.numberPage(pg)
}

// numberPage gives the messages of a page packet ids. With the last one the walk moves on behind the page: in the store
// that is one change with all of them. Called under s.mu.
func (s *Session) numberPage(pg *page) {
	sub := pg.walk.sub
	for len(pg.rest) > 0 {
		r := pg.rest[0]
		f := s.depart(session.Outbound{QoS: r.qos, CursorKey: session.CursorKey{Filter: sub.Filter}}, nil)
		if f == nil {
			return
		}
		pg.rest = pg.rest[1:]
		f.state, f.entry, f.retain, f.ids = flightWriting, r.entry, true, pg.ids
		if s.persist {
			f.Message = message.AppendBinary(nil, r.entry.Message)
			pg.flights = append(pg.flights, f)
			continue
		}
		s.sendEntry(f, false)
		s.hub.metrics.retained.Inc()
	}
	for _, f := range pg.flights {
		s.store(f, true)
	}
	s.advanceWalk(pg)
	s.walks.state = walkWrites
}

// advanceWalk moves a walk on behind a page. Called under s.mu.
func (s *Session) advanceWalk(pg *page) {
	sub := pg.walk.sub
	if sub.walk != pg.walk { // ended or begun anew meanwhile
		return
	}
	sub.RetainedAt = pg.next
	if pg.next == "" {
		sub.Retained, sub.walk = false, nil
		s.walks.list = without(s.walks.list, pg.walk)
	}
	if !s.persist {
		return
	}
	if !slices.Contains(s.setSubs, sub) {
		s.setSubs = append(s.setSubs, sub)
	}
	s.writer.Mark(false)
}

// pageInHand moves the page on that has been read, if there is one, and reports whether it is still there. Called under
// s.mu.
func (s *Session) pageInHand() bool {
	w := s.walks
	if w.state == walkNumbers {
		s.numberPage(w.page)
	}
	if w.state != walkWrites {
		return w.state >= walkReads
	}
	if n := len(w.page.flights); n > 0 && w.page.flights[n-1].state == flightWriting {
		return true
	}
	s.hub.metrics.retained.Add(float64(len(w.page.flights)))
	w.state, w.page = walkRests, nil
	s.forgetWalks()
	s.hub.leaveWalk()
	return false
}

// unpack reads the message that a flight of an earlier connection carries with it. It reports false if it cannot be
// read; then the flight has ended. Called under s.mu.
func (s *Session) unpack(f *flight) bool {
	m, err := message.ParseBinary(f.Message)
	if err != nil {
		s.hub.cfg.Logger.Error("unacknowledged retained message is unreadable", "client_id", s.clientID, "error", err)
		s.gone(f, loaded{})
		return false
	}
	f.entry = &Entry{Message: m}
	return true
}
