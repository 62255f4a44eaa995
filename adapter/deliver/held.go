package deliver

// isParked reports whether the cursor of a flight's message waits for its broker, which this instance does not know, or no
// longer. If the entry were erased now, nothing would tell that the message is done when the broker is back. Called under s.mu.
func (s *Session) isParked(f *flight) bool {
	if f.cursor != nil || f.Offset == unknown || f.Broker == "" || isShared(f.Filter) {
		return false
	}
	sub := s.named(f.Filter)
	if sub == nil {
		return false
	}
	for _, p := range sub.parked {
		if p.Broker == f.Broker {
			return p.Next != unknown
		}
	}
	return false
}

// isHeld reports whether a packet id has an entry that is held.
func (o *outbound) isHeld(id uint16) bool {
	for _, f := range o.held {
		if f.PacketID == id {
			return true
		}
	}
	return false
}

// unhold lets a cursor that is back note what was done without it, and has the entries erased with the same write. Called
// under s.mu.
func (s *Session) unhold(c *cursor) {
	key, rest := c.key(), s.out.held[:0]
	for _, f := range s.out.held {
		if f.CursorKey != key {
			rest = append(rest, f)
			continue
		}
		if f.Offset >= c.next {
			if p := c.find(f.Offset); p != nil {
				p.state, p.key = pendDone, f.Key
			} else {
				c.insert(pend{offset: f.Offset, key: f.Key, state: pendDone})
			}
		}
		s.erase(f)
		s.touch(c)
	}
	if s.out.held = rest; len(rest) == 0 {
		s.out.held = nil
	}
}
