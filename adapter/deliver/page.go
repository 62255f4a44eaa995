package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/retain"
	"lmqgate/meta/session"
)

// walkRead bounds the reading of one page, for which live messages wait.
const walkRead = 3 * time.Second

// page is one page of retained messages that has been read. Protected by Session.mu.
type page struct {
	walk    *walk
	next    string // where the walk goes on, "" if that was all
	ids     []uint32
	rest    []retained // those of QoS 1 and 2 that have no packet id yet
	flights []*flight  // to be kept before they leave
}

// retained is one message of a page.
type retained struct {
	entry *Entry
	qos   byte
}

// pagePlan is what a page is read with, copied out of the lock.
type pagePlan struct {
	walk   *walk
	filter string
	at     string
	limit  int
	probe  bool // live messages do not wait: only see whether the store answers
}

// readPage reads the next page of the session's first walk, on a goroutine that has one of the hub's places for it.
func (s *Session) readPage() {
	p, ok := s.planPage()
	if !ok {
		s.hub.leaveWalk()
		return
	}
	found, next, err := s.hub.match(p)
	if err != nil {
		s.hub.pause(backoff(s.paused(p)))
		s.hub.leaveWalk()
		s.unpaused()
		return
	}
	if !s.arrivedPage(p, found, next) {
		s.hub.leaveWalk()
	}
}

// planPage says what is to be read; ok is false if nothing is, as far as can be told now.
func (s *Session) planPage() (p pagePlan, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return p, false
	}
	limit := s.walkRoom()
	if limit == 0 {
		s.walks.state = walkRests
		s.forgetWalks()
		s.pump()
		return p, false
	}
	w := s.walks.list[0]
	p = pagePlan{walk: w, filter: w.sub.Filter, at: w.sub.RetainedAt, limit: limit, probe: s.probing()}
	if s.walks.state = walkReads; p.probe {
		s.walks.state = walkProbes
		s.pump() // live messages may have waited until now
	}
	return p, true
}

// match asks the store, and takes note of whether it answers.
func (h *Hub) match(p pagePlan) ([]*message.Message, string, error) {
	ctx, cancel := context.WithTimeout(h.ctx, walkRead)
	defer cancel()
	found, next, err := h.cfg.Retained.Match(ctx, p.filter, p.at, p.limit)
	switch {
	case errors.Is(err, retain.ErrFormat): // the others are as good as ever
		h.cfg.Logger.Warn("retained messages left out", "filter", p.filter, "error", err)
		err = nil
	case errors.Is(err, retain.ErrCursor) && p.at != "": // kept by another build: from the beginning
		p.at = ""
		return h.match(p)
	}
	if h.ctx.Err() == nil {
		h.walkers.answered(h, err)
	}
	if err != nil {
		h.metrics.walkErrors.Inc()
		return nil, "", fmt.Errorf("read retained messages: %w", err)
	}
	return found, next, nil
}

// paused lets live messages go on after a failed read; it returns the number of failures in a row.
func (s *Session) paused(p pagePlan) (fails int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.walk.fails++
	if !s.closed {
		s.walks.state = walkPauses
		s.pump()
	}
	return max(p.walk.fails, s.hub.walkers.fails())
}

// unpaused has the page asked for again.
func (s *Session) unpaused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.walks.state = walkRests
	s.forgetWalks()
	s.pump()
}

// arrivedPage takes a page that was read, and pumps. It reports whether the page keeps its place in memory; otherwise it
// has left, or is read again.
func (s *Session) arrivedPage(p pagePlan, found []*message.Message, next string) (kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	w := p.walk
	w.fails = 0
	s.walks.state = walkRests
	if w.sub.walk == w && !p.probe && len(found) <= s.walkRoom() && s.fits(w, found) {
		s.takePage(w, found, next)
	}
	if s.walks != nil {
		kept = s.walks.page != nil
		s.forgetWalks()
	}
	s.pump()
	return kept
}

// fits reports whether a page is small enough to leave at once; if not the next one has fewer messages.
func (s *Session) fits(w *walk, found []*message.Message) bool {
	limit, bytes := s.hub.cfg.WalkBytes, 0
	for i, m := range found {
		bytes += (&packet.Publish{Topic: m.Topic, Payload: m.Payload, Properties: m.Properties}).EncodedSize(packet.V5)
		if bytes > limit && i > 0 {
			w.limit = i
			return false
		}
	}
	if bytes < limit/2 {
		w.limit = min(2*w.limit, s.hub.cfg.WalkPage)
	}
	return true
}

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
			s.link.SendDelivery(t, d)
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
