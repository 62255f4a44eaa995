package rocketmq

import (
	"slices"
	"time"
)

// popKey names a queue: Pops with equal keys share their flights.
type popKey struct {
	lmq       LMQ
	group     string
	invisible time.Duration
}

// popQueue is what POPs of one group and LMQ have in common. It is forgotten
// when it has been idle for a while.
type popQueue struct {
	s        *poppers
	key      popKey
	slot     *slot
	waiting  []*pop
	flights  int       // on their way or at the broker, as many as waiting or more
	sent     int       // of these, at the broker
	armed    uint32    // counts those ever sent
	probing  bool      // an unsuspended POP is at the broker
	starved  bool      // there are fewer flights than waiting, for lack of places
	active   time.Time // when a message was last found
	answered time.Time // last good answer that has not had its flight yet
	failures int       // in a row
	sweeping bool      // sweep will be called
	used     time.Time
}

func (s *poppers) queue(k popKey) *popQueue {
	q := s.queues[k]
	if q == nil {
		q = &popQueue{s: s, key: k, slot: s.c.cluster.link(k.lmq.Broker).pullSlot(k.lmq.Name), active: time.Now()}
		s.queues[k] = q
	}
	return q
}

// drop takes p out and tells whether it was waiting.
func (q *popQueue) drop(p *pop) bool {
	i := slices.Index(q.waiting, p)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// first takes out the Pop that waits longest.
func (q *popQueue) first() *pop {
	p := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return p
}

func (q *popQueue) recentlyActive(now time.Time) bool { return now.Sub(q.active) < activeFor }

// hand gives messages to the Pop that waits longest and returns those that
// nobody wants. s.mu is held.
func (q *popQueue) hand(a popAnswer, now time.Time) (done *pop, left []Popped) {
	if len(a.messages) == 0 {
		return nil, nil
	}
	q.active = now
	if len(q.waiting) == 0 {
		return nil, a.messages
	}
	done = q.first()
	q.s.pending--
	n := min(done.max, len(a.messages))
	done.messages, done.rest = a.messages[:n:n], a.rest
	return done, a.messages[n:]
}

// idle has q forgotten later if it has nothing to do. s.mu is held.
func (q *popQueue) idle() {
	if q.sweeping || len(q.waiting) > 0 || q.flights > 0 || q.probing {
		return
	}
	q.sweeping, q.used = true, time.Now()
	q.s.c.puller.delays.after(activeFor, q.sweep)
}

func (q *popQueue) sweep() {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.sweeping = false
	if time.Since(q.used) < activeFor || len(q.waiting) > 0 || q.flights > 0 || q.probing {
		q.idle()
		return
	}
	delete(q.s.queues, q.key)
}
