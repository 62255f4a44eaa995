package deliver

import "lmqgate/meta/session"

// unknown is the persisted position of a cursor whose place is still to be found by store time.
const unknown = -1

// clockSkew is how much earlier than by our clock a subscription begins by a broker's.
const clockSkew = 1000

// maxAcked bounds the acknowledged offsets that are taken over from a persisted cursor.
const maxAcked = 1 << 18

// snapshot is the cursor as it is persisted.
func (c *cursor) snapshot() session.Cursor {
	s := session.Cursor{CursorKey: c.key(), Begin: c.begin, Next: c.floor(), LastStore: c.lastStore}
	if c.locate {
		s.Begin, s.Next, s.LastKey = unknown, unknown, c.lastKey
		return s
	}
	if c.lastAt == s.Next-1 {
		s.LastKey = c.lastKey
	}
	for i := range c.pends {
		p := &c.pends[i]
		if p.state != pendDone || p.offset < s.Next {
			continue
		}
		if n := len(s.Acked); n > 0 && s.Acked[n-1].Last == p.offset-1 {
			s.Acked[n-1].Last = p.offset
			continue
		}
		s.Acked = append(s.Acked, session.Range{First: p.offset, Last: p.offset})
	}
	if len(s.Acked) > 0 {
		s.AckedTill = c.doneTill(s.Next)
	}
	return s
}

// doneTill is the latest store time of what is done from offset on, 0 if it is not known of all. What was done on an earlier
// connection and has not been read on this one is behind what has, so its time counts, also when that is the earlier one: then
// the queue lost its end and has grown again.
func (c *cursor) doneTill(from int64) (till int64) {
	unread := false
	for i := range c.pends {
		switch p := &c.pends[i]; {
		case p.state != pendDone || p.offset < from:
		case p.key == "":
			unread = true
		case p.store == 0:
			return 0
		default:
			till = max(till, p.store)
		}
	}
	if unread {
		return c.ackedTill
	}
	return till
}

// restore sets the cursor from what was persisted. In-flight messages are added by outbound.adopt.
func (c *cursor) restore(s session.Cursor) {
	c.behind = true
	c.lastKey, c.lastStore = s.LastKey, s.LastStore
	if s.Next == unknown {
		c.relocate()
		return
	}
	c.begin, c.next, c.lastAt = s.Begin, s.Next, s.Next-1
	c.verify, c.ackedTill = true, s.AckedTill
	for _, r := range s.Acked {
		for o := max(r.First, s.Next); o <= r.Last && len(c.pends) < maxAcked; o++ {
			c.pends = append(c.pends, pend{offset: o, state: pendDone})
		}
	}
}

// relocate makes the cursor find its place by store time: the queue is not the one it knew, or not known to it yet.
func (c *cursor) relocate() {
	c.dropLocal()
	c.locate, c.verify, c.behind = true, false, true
	if c.lastStore == 0 {
		c.lastStore = c.sub.SinceMillis - clockSkew
	}
}

// relocated goes on at the place that was found. Offsets of the queue as it was mean nothing from here on; messages in
// flight and done ones are recognised by their keys. Called under s.mu.
func (s *Session) relocated(c *cursor, f found) {
	c.era++
	for _, fl := range s.out.flights {
		if fl.cursor == c {
			s.displace(fl)
		}
	}
	for i := range c.pends {
		if p := &c.pends[i]; p.state == pendDone && p.key != "" {
			if c.seen == nil {
				c.seen = map[string]struct{}{}
			}
			c.seen[p.key] = struct{}{}
		}
	}
	c.pends = nil
	c.locate, c.behind = false, true
	c.begin, c.next, c.lastAt, c.boot = f.next, f.next, f.next-1, f.batch.Boot
	if !f.exact {
		c.lastKey = ""
	}
	c.release(func(int64) bool { return true })
	s.sure()
	s.touch(c)
}

// keepLocal takes messages that a pull of the cursor's own has read, up to offset to.
func (c *cursor) keepLocal(entries []*Entry, to int64) {
	c.dropLocal()
	c.local, c.localTo = entries, to
	for _, e := range entries {
		c.localBytes += size(e)
	}
	c.session.hub.ringBytes.Add(int64(c.localBytes))
}

// dropLocal forgets them; should they not have been looked at, they are read again.
func (c *cursor) dropLocal() {
	c.session.hub.ringBytes.Add(-int64(c.localBytes))
	c.local, c.localTo, c.localBytes = nil, 0, 0
}
