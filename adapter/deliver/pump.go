package deliver

// turn is how many messages of one cursor are handled before the next cursor's turn.
const turn = 16

// pump delivers what can be delivered now. Called under s.mu.
func (s *Session) pump() {
	if s.closed || !s.out.resend(s) {
		return
	}
	for len(s.ready) > 0 && !s.link.Full() {
		c := s.ready[0]
		if s.advance(c) {
			if len(s.ready) > 1 { // another cursor's turn
				copy(s.ready, s.ready[1:])
				s.ready[len(s.ready)-1] = c
			}
			continue
		}
		if len(s.ready) == 1 {
			s.ready = s.ready[:0]
			continue
		}
		s.ready = append(s.ready[:0], s.ready[1:]...)
	}
	if len(s.ready) == 0 && cap(s.ready) > 16 {
		s.ready = nil
	}
}

// advance handles up to a turn of messages of a ready cursor. It reports whether the cursor stays ready; otherwise its
// place says who lets it go on, and the caller takes it from the ready list.
func (s *Session) advance(c *cursor) bool {
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
				c.place = atBlocked
				s.blocked = append(s.blocked, c)
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
	c.local = nil
	c.next = max(c.next, c.localTo)
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
	}
	return nil
}

// relocate makes the cursor find its place by store time: its queue is not the one it knew.
func (c *cursor) relocate() {
	c.locate, c.verify, c.local, c.localTo = true, false, nil, 0
}

// unblock lets the cursors that waited for the window go on. Called under s.mu.
func (s *Session) unblock() {
	for _, c := range s.blocked {
		if c.place == atBlocked {
			c.place = atRest
			s.enqueue(c)
		}
	}
	clear(s.blocked)
	s.blocked = s.blocked[:0]
}
