package deliver

// turn is how many messages of one cursor are handled before the next cursor's turn.
const turn = 16

// pump delivers what can be delivered now. Called under s.mu, and by everything that lets a cursor go on.
func (s *Session) pump() {
	if s.closed {
		return
	}
	if s.walks != nil && s.pageInHand() || !s.out.resend(s) || s.walks != nil && s.walkOn() {
		s.offerRoom() // none, mostly
		return        // retained messages come first
	}
	s.pumpCursors()
	s.offerRoom()
}

// pumpCursors lets the cursors deliver until they or the link have enough.
func (s *Session) pumpCursors() {
	for !s.link.Full() {
		c := s.ready.pop(atReady)
		if c == nil {
			if c = s.unblock(); c == nil {
				return
			}
		}
		if s.advance(c) {
			s.ready.push(c) // behind the others
		}
		if s.hub.crowded() && (c.place != atReady || s.link.Full()) {
			c.spare()
		}
	}
}

// unblock takes one cursor that waited for the window if there is room now; one place in the window costs no look at
// all who wait.
func (s *Session) unblock() *cursor {
	if s.blocked.empty() || !s.out.room(s) { // nobody asks for packet ids that nobody waits for
		return nil
	}
	c := s.blocked.pop(atBlocked)
	if c != nil {
		c.place = atReady
	}
	return c
}

// sure lets the cursors go on that waited until another has found its place.
func (s *Session) sure() {
	for c := s.unsure.pop(atUnsure); c != nil; c = s.unsure.pop(atUnsure) {
		c.place = atRest
		s.enqueue(c)
	}
}

// spare gives messages read ahead back where memory is short; they are read again.
func (c *cursor) spare() {
	if len(c.local) > 0 {
		c.behind = true
		c.dropLocal()
	}
}

// advance handles up to a turn of messages of a ready cursor. It reports whether the cursor stays ready; otherwise its
// place says who lets it go on.
func (s *Session) advance(c *cursor) bool {
	if b := s.out.backlog(c.broker); b != nil {
		c.place = atBacklog
		b.waiting = append(b.waiting, c)
		return false
	}
	for n := 0; n < turn; {
		entries := s.fetch(c)
		if entries == nil {
			return false
		}
		for _, e := range entries {
			if n == turn || s.link.Full() {
				return true
			}
			n++
			if !s.step(c, e) {
				return false
			}
		}
	}
	return true
}

// fetch returns messages that start at c.next, or nil after it has arranged that somebody wakes the cursor.
func (s *Session) fetch(c *cursor) []*Entry {
	for len(c.local) > 0 {
		if c.local[0].Offset >= c.next {
			return c.local
		}
		c.local = c.local[1:]
	}
	if c.localTo > 0 {
		c.skip(c.localTo)
		c.dropLocal()
	}
	if c.locate || c.verify {
		s.catchUp(c)
		return nil
	}
	// The place is set before the queue can wake the cursor, which then waits for s.mu.
	c.place = atQueue
	entries, got := c.q.read(c, c.next)
	switch got {
	case readFound:
		c.place = atReady
		return entries
	case readBehind:
		s.catchUp(c)
	case readReset:
		s.hub.metrics.resets.Inc()
		c.relocate()
		s.catchUp(c)
	case readWait:
		c.fails, c.seen = 0, nil
	}
	return nil
}
