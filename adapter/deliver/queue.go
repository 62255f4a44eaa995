package deliver

import (
	"sort"
	"sync"
	"sync/atomic"
)

// queue is one light message queue as this instance reads it: a watch near its end, and a ring of what it has read.
type queue struct {
	hub      *Hub
	ref      Ref
	attached atomic.Int32 // cursors; written under Hub.mu

	mu      sync.Mutex // protects the fields below
	ring    []*Entry   // what covers [from, to), ascending
	bytes   int        // of the ring's entries
	from    int64
	to      int64  // where the watch reads next
	top     int64  // the queue's end as a pull told it last
	last    mark   // of the message at to-1
	boot    uint64 // the broker's when that was seen last
	resets  int    // times the queue turned out to be reset or rolled back
	watch   Watch  // nil until a cursor has come to the end
	held    bool   // a pull is held or about to be; while it is not, nobody waits
	idle    int64  // since when it is not, Unix ms
	waiting []*cursor
	closed  bool
}

// reading is what a queue has for a cursor.
type reading int

const (
	readFound  reading = iota // entries
	readWait                  // the cursor is at the end and will be woken
	readBehind                // the ring does not have it: catch up
	readReset                 // the queue was reset since the cursor last looked
)

// read returns what stands at offset next, or notes the cursor for being woken. The entries must not be changed.
func (q *queue) read(c *cursor, next int64) ([]*Entry, reading) {
	entries, result := q.look(c, next)
	q.hub.metrics.reads[result].Inc()
	return entries, result
}

func (q *queue) look(c *cursor, next int64) ([]*Entry, reading) {
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
			c.behind, c.boot = false, q.boot
			return q.ring[i:], readFound
		}
		return nil, readBehind // a gap at the ring's end: let a pull tell
	}
	if c.behind || q.watch != nil && !q.held && q.now()-q.idle > longIdle {
		return nil, readBehind // and in the second case see whether the queue is still the same
	}
	q.wait(c, next)
	return nil, readWait
}

// longIdle is for how long nobody may have read at the end of a queue, in ms, before it is taken for what it was.
const longIdle = 1000

func (q *queue) now() int64 { return q.hub.cfg.Now().UnixMilli() }

// wait notes c and holds a pull if none is held. Called under q.mu.
func (q *queue) wait(c *cursor, next int64) {
	if q.closed {
		return
	}
	if !c.waiting {
		c.waiting = true
		q.waiting = append(q.waiting, c)
	}
	if len(q.waiting) == int(q.attached.Load()) {
		q.drop(0) // nobody lags: the ring is of no use
	}
	if q.held {
		return
	}
	q.held = true
	if next > q.to || q.watch == nil { // whoever is between reads for himself
		q.drop(0)
		q.from, q.to = next, next
		q.last, q.boot = mark{c.passed(), c.newest()}, c.boot
		if q.last.key == "" && next > 0 {
			seen := q.resets
			q.hub.spawn(func() { q.learn(next, seen) })
		}
	}
	if next == q.to && c.boot > q.boot && q.last.key != "" && c.passed() == q.last.key {
		q.boot = c.boot // the cursor has seen for itself
	}
	if q.watch != nil {
		q.watch.Resume(q.to)
		return
	}
	seen := q.resets
	q.watch = q.hub.log.Watch(q.ref, next, func(b Batch) bool { return q.pulled(b, seen) })
}

// pulled takes the answer of a held pull; false pauses the watch until a cursor waits again. seen tells answers of the
// watch from those of an earlier one, before a reset.
func (q *queue) pulled(b Batch, seen int) bool {
	q.mu.Lock()
	if q.closed || seen != q.resets {
		q.mu.Unlock()
		return false
	}
	q.top = b.Max
	more := false
	switch {
	case b.Moved && q.to > b.Max: // reset or rolled back
		q.restart()
	case b.Boot != q.boot && q.to > 0 && !(b.Moved && b.Min >= q.to): // q.held stays
		q.mu.Unlock()
		q.hub.spawn(func() { q.inspect(seen) })
		return false
	case b.Moved: // aged out: whoever stands before Min finds out by a pull of his own
		q.drop(0)
		q.from, q.to, q.held = b.Min, b.Min, false
		q.last, q.boot = mark{}, b.Boot
	default:
		q.boot = b.Boot
		q.push(b)
		more = len(q.waiting) > 0 // one batch is read ahead, no more
		q.held = more
	}
	if !more {
		q.idle = q.now()
	}
	var woken []*cursor
	if b.Moved || len(b.Entries) > 0 {
		woken = q.rouse()
	}
	q.mu.Unlock()
	q.hub.wakeAll(woken)
	return more
}

// rouse takes those who wait, to be woken. Called under q.mu.
func (q *queue) rouse() []*cursor {
	woken := q.waiting
	q.waiting = nil
	for _, c := range woken {
		c.waiting = false
	}
	return woken
}

// restart forgets the queue as it was: every cursor will find its place by store time. Called under q.mu.
func (q *queue) restart() {
	q.drop(0)
	q.resets++
	q.from, q.to, q.top, q.held = 0, 0, 0, false
	q.last, q.boot = mark{}, 0
	if q.watch != nil {
		q.watch.Close()
		q.watch = nil
	}
}

// reset is told by a cursor whose own pull found the queue shorter than it was. The cursor counts as having seen it.
func (q *queue) reset(c *cursor) {
	q.mu.Lock()
	var woken []*cursor
	if c.resets == q.resets && !q.closed {
		q.restart()
		woken = q.rouse()
	}
	c.resets = q.resets
	q.mu.Unlock()
	q.hub.wakeAll(woken)
}

// checked is told by a cursor that found the queue to be the one it knew, and its end there, 0 if that was not told.
func (q *queue) checked(top int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.top = max(q.top, top)
	q.idle = q.now()
}

// end is how far the watch has read, 0 if there is none.
func (q *queue) end() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.watch == nil {
		return 0
	}
	return q.to
}

func (q *queue) resetsSeen() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.resets
}

// forget removes a waiting cursor.
func (q *queue) forget(c *cursor) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.waiting {
		c.waiting = false
		q.waiting = without(q.waiting, c)
	}
}

// left is told that one cursor less is attached.
func (q *queue) left() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == int(q.attached.Load()) {
		q.drop(0)
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
