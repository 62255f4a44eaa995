package deliver

import (
	"sort"

	"lmqgate/meta/session"
)

// progress is how far one message beyond a cursor's floor got.
type progress byte

const (
	pendDone      progress = iota + 1
	pendInflight           // sent, or about to be, under a packet id
	pendElsewhere          // another subscription, or a message in flight, delivers it
	pendRedo               // its owner was unsubscribed before it delivered: look at it again
)

// pend is one message that was looked at and keeps the floor from passing, or stands behind such a one.
type pend struct {
	offset int64
	store  int64
	key    string
	state  progress
}

// place says who will let a cursor go on.
type place byte

const (
	atRest    place = iota // not attached to a queue yet, or gone
	atQueue                // waits at the end of its queue
	atReady                // in Session.ready
	atBlocked              // in Session.blocked: the window is full
	atCrowded              // has too many pends: whatever completes the lowest lets it go on
	atUnsure               // in Session.unsure: another subscription that may own its next message is finding its place
	atBacklog              // in backlog.waiting: what earlier connections left on its broker goes first
	atPull                 // a pull of its own is under way
)

// cursor is a subscription's position in the LMQ of its filter on one broker. All fields are protected by Session.mu.
type cursor struct {
	session *Session
	sub     *subscription
	broker  string
	q       *queue

	place   place
	locate  bool   // begin and next are not known: find the place by store time
	verify  bool   // restored: before anything else see whether the queue is still the one it was
	behind  bool   // there is more to read than the queue's ring has: pull for itself
	dirty   bool   // in Session.dirty
	waiting bool   // in queue.waiting; protected by queue.mu
	era     uint32 // counts relocations: offsets of an earlier era mean nothing any more
	resets  int    // queue.resets as last seen; written under queue.mu too
	fails   int    // pulls of its own that failed, or got nowhere, in a row

	boot      uint64 // the broker's when the message at next-1 was last seen
	ackedTill int64  // no later than this was stored what is done and has no key in pends, ms; 0: unknown
	begin     int64  // first offset that belongs to the subscription, and that it certainly delivers
	next      int64  // next offset to look at
	lastAt    int64  // the last message that the floor passed: its offset, UNIQ_KEY and store time
	lastKey   string
	lastStore int64
	pends     []pend // ascending by offset
	followers map[int64][]follower
	seen      map[string]struct{} // UNIQ_KEYs that were done before the queue was reset

	local      []*Entry // from a pull of its own; covers [next, localTo)
	localTo    int64
	localBytes int
}

// key names the cursor as it is persisted.
func (c *cursor) key() session.CursorKey {
	return session.CursorKey{Filter: c.sub.Filter, Broker: c.broker}
}

// floor is the persisted position: the lowest offset that is not done. Done ones at or behind c.next, which happen after
// a takeover, are not counted: their keys are not known yet.
func (c *cursor) floor() int64 {
	for i := range c.pends {
		if p := &c.pends[i]; p.state != pendDone || p.offset >= c.next {
			return min(p.offset, c.next)
		}
	}
	return c.next
}

// find returns the pend of offset, nil if there is none.
func (c *cursor) find(offset int64) *pend {
	if len(c.pends) == 0 || offset > c.pends[len(c.pends)-1].offset {
		return nil
	}
	i := sort.Search(len(c.pends), func(i int) bool { return c.pends[i].offset >= offset })
	if c.pends[i].offset == offset {
		return &c.pends[i]
	}
	return nil
}

// passed is the UNIQ_KEY of the message at next-1, "" if it is not known.
func (c *cursor) passed() string {
	if p := c.find(c.next - 1); p != nil {
		return p.key
	}
	if c.lastAt == c.next-1 {
		return c.lastKey
	}
	return ""
}

// unpass forgets what stood at next-1.
func (c *cursor) unpass() {
	if p := c.find(c.next - 1); p != nil {
		p.key = ""
	}
	if c.lastAt == c.next-1 {
		c.lastKey = ""
	}
}

// note records what became of the message at e.Offset and moves on behind it.
func (c *cursor) note(e *Entry, state progress) {
	if p := c.find(e.Offset); p != nil {
		p.state, p.key, p.store = state, e.Key, e.StoreMillis
	} else if state != pendDone || len(c.pends) > 0 {
		c.insert(pend{offset: e.Offset, store: e.StoreMillis, key: e.Key, state: state})
	} else {
		c.lastAt, c.lastKey, c.lastStore = e.Offset, e.Key, e.StoreMillis
	}
	c.next = max(c.next, e.Offset+1)
	if state == pendDone {
		c.settle()
		c.tell(e.Offset)
	}
}

// insert keeps pends ascending; nearly always it appends.
func (c *cursor) insert(p pend) {
	i := len(c.pends)
	for i > 0 && c.pends[i-1].offset > p.offset {
		i--
	}
	c.pends = append(c.pends, pend{})
	copy(c.pends[i+1:], c.pends[i:])
	c.pends[i] = p
}

// finish marks a message done that was in flight or delivered elsewhere.
func (c *cursor) finish(offset int64) {
	if p := c.find(offset); p != nil {
		p.state = pendDone
	}
	c.settle()
	c.tell(offset)
}

// settle drops what the floor has passed.
func (c *cursor) settle() {
	n := 0
	for n < len(c.pends) && c.pends[n].state == pendDone && c.pends[n].offset < c.next {
		n++
	}
	if n > 0 {
		last := c.pends[n-1]
		c.lastAt, c.lastKey = last.offset, last.key
		if last.store > 0 {
			c.lastStore = last.store
		}
		c.drop(n)
	}
	if c.place == atCrowded && len(c.pends) < c.session.maxPends() {
		c.place = atRest
		c.session.enqueue(c)
	}
	c.session.touch(c)
}

// drop removes the first n pends, without moving the others: there may be a window full of them.
func (c *cursor) drop(n int) {
	clear(c.pends[:n])
	switch {
	case n < len(c.pends):
		c.pends = c.pends[n:]
	case cap(c.pends) > 64:
		c.pends = nil
	default:
		c.pends = c.pends[:0]
	}
}

// skip moves on to an offset over messages that cannot be read. Whoever counted on this cursor to deliver them looks
// for itself, and the subscription does not vouch for anything before that offset any more.
func (c *cursor) skip(to int64) {
	if to <= c.next {
		return
	}
	from := c.next
	c.next, c.begin = to, max(c.begin, to)
	for i := range c.pends {
		if p := &c.pends[i]; p.state == pendRedo && p.offset < to {
			p.state = pendDone
		}
	}
	c.release(func(offset int64) bool { return offset >= from && offset < to && c.find(offset) == nil })
	c.settle()
}

// isDone reports whether the message at offset needs nothing more from this cursor.
func (c *cursor) isDone(offset int64) bool {
	p := c.find(offset)
	if offset >= c.next {
		return p != nil && p.state == pendDone
	}
	return p == nil || p.state == pendDone
}
