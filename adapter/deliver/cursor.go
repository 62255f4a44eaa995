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
	pendElsewhere          // another subscription of the session delivers it
	pendRedo               // its owner was unsubscribed before it delivered: look at it again
)

// pend is one message that was looked at and keeps the floor from passing, or stands behind such a one.
type pend struct {
	offset int64
	state  progress
	key    string
	store  int64
}

// follower waits for the owner of a message to be done with it.
type follower struct {
	cursor *cursor
	offset int64 // in the follower's LMQ
}

// place says who will let a cursor go on.
type place byte

const (
	atRest    place = iota // not attached to a queue yet, or gone
	atQueue                // waits at the end of its queue
	atReady                // in Session.ready
	atBlocked              // in Session.blocked: the window or the list of pends is full
	atPull                 // a pull of its own is under way
)

// cursor is a subscription's position in the LMQ of its filter on one broker. All fields are protected by Session.mu.
type cursor struct {
	session *Session
	sub     *subscription
	broker  string
	q       *queue
	place   place

	begin     int64 // first offset that belongs to the subscription
	next      int64 // next offset to look at
	locate    bool  // begin and next are not known: find the place by store time
	verify    bool  // next-1 must still be the message lastKey
	resets    int   // queue.resets as last seen; written under queue.mu too
	lastKey   string
	lastStore int64
	pends     []pend // ascending by offset
	followers map[int64][]follower
	local     []*Entry // from a pull of its own; covers [next, localTo)
	localTo   int64
	fails     int // pulls of its own that failed in a row
	dirty     bool
}

// floor is the persisted position: the lowest offset that is not done.
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
	i := sort.Search(len(c.pends), func(i int) bool { return c.pends[i].offset >= offset })
	if i < len(c.pends) && c.pends[i].offset == offset {
		return &c.pends[i]
	}
	return nil
}

// note records what became of the message at e.Offset and moves on behind it.
func (c *cursor) note(e *Entry, state progress) {
	if p := c.find(e.Offset); p != nil {
		p.state, p.key, p.store = state, e.Key, e.StoreMillis
	} else if state != pendDone || len(c.pends) > 0 {
		c.insert(pend{e.Offset, state, e.Key, e.StoreMillis})
	} else {
		c.lastKey, c.lastStore = e.Key, e.StoreMillis
	}
	c.next = max(c.next, e.Offset+1)
	if state == pendDone {
		c.settle(e.Offset)
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
	c.settle(offset)
}

// settle drops what the floor has passed and tells the followers of offset.
func (c *cursor) settle(offset int64) {
	n := 0
	for n < len(c.pends) && c.pends[n].state == pendDone && c.pends[n].offset < c.next {
		c.lastKey, c.lastStore = c.pends[n].key, c.pends[n].store
		n++
	}
	if n > 0 {
		c.pends = append(c.pends[:0], c.pends[n:]...)
		if len(c.pends) == 0 && cap(c.pends) > 64 {
			c.pends = nil
		}
	}
	c.session.touch(c)
	if len(c.followers) == 0 {
		return
	}
	list := c.followers[offset]
	delete(c.followers, offset)
	for _, f := range list {
		f.cursor.finish(f.offset)
	}
}

// isDone reports whether the message at offset needs nothing more from this cursor.
func (c *cursor) isDone(offset int64) bool {
	if offset >= c.next {
		p := c.find(offset)
		return p != nil && p.state == pendDone
	}
	p := c.find(offset)
	return p == nil || p.state == pendDone
}

// snapshot is the cursor as it is persisted.
func (c *cursor) snapshot() session.Cursor {
	s := session.Cursor{
		CursorKey: session.CursorKey{Filter: c.sub.Filter, Broker: c.broker},
		Begin:     c.begin, Next: c.floor(), LastKey: c.lastKey, LastStore: c.lastStore,
	}
	if c.locate {
		s.Begin, s.Next = unknown, unknown
		return s
	}
	for _, p := range c.pends {
		if p.state != pendDone || p.offset <= s.Next {
			continue
		}
		if n := len(s.Acked); n > 0 && s.Acked[n-1].Last == p.offset-1 {
			s.Acked[n-1].Last = p.offset
			continue
		}
		s.Acked = append(s.Acked, session.Range{First: p.offset, Last: p.offset})
	}
	return s
}

// unknown is the persisted position of a cursor whose place is still to be found by store time.
const unknown = -1

// restore sets the cursor from what was persisted. In-flight messages are added by the caller.
func (c *cursor) restore(s session.Cursor) {
	if s.Next == unknown {
		c.locate, c.lastStore = true, c.sub.SinceMillis
		return
	}
	c.begin, c.next, c.lastKey, c.lastStore = s.Begin, s.Next, s.LastKey, s.LastStore
	c.verify = c.lastKey != ""
	for _, r := range s.Acked {
		for o := r.First; o <= r.Last && len(c.pends) < c.session.maxPends(); o++ {
			c.pends = append(c.pends, pend{offset: o, state: pendDone})
		}
	}
}
