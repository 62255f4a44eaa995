package rocketmq

import (
	"errors"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// popFlight is one POP on its way to the broker or held there.
type popFlight struct {
	q    *popQueue
	max  int
	wait time.Duration
	sent bool
}

func (f *popFlight) recentActivity(now time.Time) bool {
	f.q.s.mu.Lock()
	defer f.q.s.mu.Unlock()
	return f.q.recentlyActive(now)
}

// pumped sends f, or parks it until there is a connection, for its wait at most.
func (f *popFlight) pumped() {
	s, slot := f.q.s, f.q.slot
	if slot.park(f) {
		s.c.puller.delays.after(max(f.wait, retryFirst), func() {
			if slot.unpark(f) {
				s.landed(f, popAnswer{err: ErrNoBroker})
			}
		})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.send()
}

// send sends f, which has its place, unless nobody waits for it any more. s.mu
// is held.
func (f *popFlight) send() {
	q := f.q
	if q.flights > len(q.waiting) {
		q.leave()
		q.s.feed()
		q.idle()
		return
	}
	conn := q.slot.get()
	if conn == nil {
		q.s.c.puller.pump.add(f, true)
		return
	}
	f.sent = true
	q.sent++
	q.armed++
	born := q.s.clock.born(q.key.lmq.Broker, time.Now())
	conn.Go(popRequest(q.key, f.max, f.wait, born), f.wait+popOverdue, func(a *remoting.Command, err error) {
		q.s.clock.answered(q.key.lmq.Broker, born, a)
		q.s.landed(f, q.parse(a, err))
	})
	if f.wait > probeAfter && q.recentlyActive(time.Now()) {
		q.probeLater(probeAfter, false)
	}
}

// landed takes the answer to a flight.
func (s *poppers) landed(f *popFlight, a popAnswer) {
	q := f.q
	s.count(a)
	s.mu.Lock()
	q.leave()
	if f.sent {
		q.sent--
	}
	now := time.Now()
	q.used = now
	switch {
	case a.err == nil:
		q.failures, q.answered = 0, now
	case !errors.Is(a.err, ErrNoBroker) && !errors.Is(a.err, remoting.ErrClosed):
		q.failures++ // else the next waits for a connection anyhow
	}
	done, left := q.hand(a, now)
	if done == nil && q.flights < len(q.waiting) {
		done = q.first()
		done.rest, done.err = a.rest, a.err
		s.pending--
	}
	s.launch(q)
	s.feed()
	q.idle()
	s.mu.Unlock()
	s.close(done, left)
}

// leave gives up a flight's place. s.mu is held.
func (q *popQueue) leave() {
	q.flights--
	q.s.held--
	q.s.c.metrics.popsHeld.Dec()
}

// close ends what an answer brought about; no lock is held.
func (s *poppers) close(done *pop, left []Popped) {
	if done != nil {
		s.finish(done)
	}
	for _, m := range left {
		s.c.metrics.popReturned.Inc()
		s.c.ReturnPopped(m.Handle, 0, func(Handle, error) {}) // if it fails, it comes back later
	}
}
