package deliver

import (
	"sort"
	"sync"
	"sync/atomic"
)

// queue is one light message queue as this instance reads it.
type queue struct {
	hub      *Hub
	ref      Ref
	attached atomic.Int32 // cursors; written under Hub.mu

	mu      sync.Mutex // protects the fields below
	ring    []*Entry   // what covers [from, to), ascending
	bytes   int        // payload bytes in ring
	from    int64
	to      int64 // where the watch reads next
	resets  int   // times the queue turned out to be reset or rolled back
	watch   Watch
	held    bool // a pull is held or about to be
	waiting []*cursor
	closed  bool
}

// reading is what a queue has for a cursor.
type reading int

const (
	readFound  reading = iota // entries
	readWait                  // the cursor is at the end and will be woken
	readBehind                // the ring has lost it: catch up
	readReset                 // the queue was reset since the cursor last looked
)

// read returns what stands at offset next, or notes the cursor for being woken. The entries must not be changed.
func (q *queue) read(c *cursor, next int64) ([]*Entry, reading) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.resets != q.resets {
		c.resets = q.resets
		return nil, readReset
	}
	if q.watch != nil && next < q.to {
		if next < q.from {
			return nil, readBehind
		}
		i := sort.Search(len(q.ring), func(i int) bool { return q.ring[i].Offset >= next })
		if i < len(q.ring) {
			return q.ring[i:], readFound
		}
		return nil, readBehind // a gap at the ring's end: let a pull tell
	}
	q.wait(c, next)
	return nil, readWait
}

// wait notes c and holds a pull if none is held. Called under q.mu.
func (q *queue) wait(c *cursor, next int64) {
	if q.closed {
		return
	}
	q.waiting = append(q.waiting, c)
	if len(q.waiting) == int(q.attached.Load()) {
		q.drop(0) // nobody lags: the ring is of no use
	}
	if q.held {
		return
	}
	if q.watch == nil || (len(q.waiting) == 1 && next > q.to) {
		q.drop(0)
		q.from, q.to = next, next
	}
	q.held = true
	if q.watch == nil {
		q.watch = q.hub.log.Watch(q.ref, q.to, q.pulled)
		return
	}
	q.watch.Resume(q.to)
}

// pulled takes the answer of a held pull; false pauses the watch until a cursor waits again.
func (q *queue) pulled(b Batch) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	switch {
	case b.Moved && q.to > b.Max: // reset or rolled back: every cursor finds its place by store time
		q.drop(0)
		q.resets++
		q.from, q.to = b.Max, b.Max
	case b.Moved:
		q.drop(0)
		q.from, q.to = b.Min, b.Min
	default:
		q.push(b)
	}
	var woken []*cursor
	if b.Moved || len(b.Entries) > 0 {
		woken, q.waiting = q.waiting, nil
	}
	more := !b.Moved && len(woken)+len(q.waiting) > 0 // one batch is read ahead, no more
	q.held = more
	q.mu.Unlock()
	if len(woken) > 0 {
		q.hub.spawn(func() { wakeAll(woken) })
	}
	return more
}

// wakeAll lets the sessions of the cursors go on.
func wakeAll(cursors []*cursor) {
	for _, c := range cursors {
		c.session.wake(c)
	}
}

// push appends a batch and trims the ring to its bounds. Called under q.mu.
func (q *queue) push(b Batch) {
	for _, e := range b.Entries {
		if e.Offset < q.to {
			continue // a probe and the held pull answered with the same
		}
		q.ring = append(q.ring, e)
		n := size(e)
		q.bytes += n
		q.hub.ringBytes.Add(int64(n))
	}
	q.to = max(q.to, b.Next)
	keep := q.hub.cfg.RingMessages
	if q.hub.ringBytes.Load() > q.hub.cfg.TotalBytes {
		keep = min(keep, max(len(b.Entries), 1))
	}
	q.drop(keep)
}

// drop trims the ring to at most keep messages and its byte bound, one message excepted. Called under q.mu. Readers may
// still hold the old slice, so it is never overwritten.
func (q *queue) drop(keep int) {
	n := 0
	freed := 0
	for n < len(q.ring) && (len(q.ring)-n > keep || (q.bytes-freed > q.hub.cfg.RingBytes && len(q.ring)-n > 1)) {
		freed += size(q.ring[n])
		n++
	}
	if n == 0 {
		return
	}
	q.from = q.ring[n-1].Offset + 1
	q.bytes -= freed
	q.hub.ringBytes.Add(-int64(freed))
	if n == len(q.ring) {
		q.ring, q.from = nil, q.to
		return
	}
	q.ring = append(make([]*Entry, 0, max(2*(len(q.ring)-n), 8)), q.ring[n:]...)
}

// size is what an entry costs in a ring, about.
func size(e *Entry) int {
	n := 256 + len(e.Dispatch) + len(e.Offsets)
	if e.Message != nil {
		n += len(e.Message.Payload) + len(e.Message.Topic)
	}
	return n
}

// forget removes a waiting cursor.
func (q *queue) forget(c *cursor) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.waiting {
		if w == c {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			return
		}
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	w := q.watch
	q.drop(0)
	q.mu.Unlock()
	if w != nil {
		w.Close()
	}
}
