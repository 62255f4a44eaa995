package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/retain"
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
