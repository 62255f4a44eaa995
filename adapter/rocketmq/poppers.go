package rocketmq

import (
	"errors"
	"slices"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	// popsWaiting times as many Pops as may be held may wait.
	popsWaiting = 8
	// popOverdue is how long past its time a held POP may be unanswered.
	popOverdue = 5 * time.Second
	// popCredit is for how long after an answer the next POP of a queue needs no
	// token.
	popCredit = time.Second
)

// poppers runs all Pops of a client.
//
// Requests at the broker (flights) are not tied to the Pops that had them sent:
// a queue has at least as many in flight, or on their way, as Pops are waiting,
// and an answer goes to the Pop that waits longest. So what a probe finds, or
// what comes for a Pop that was cancelled, leaves a flight over that serves the
// next Pop.
type poppers struct {
	c *Client

	mu      sync.Mutex // protects the fields below, and all of popQueue and popFlight
	queues  map[popKey]*popQueue
	held    int             // flights
	pending int             // Pops not done
	starved fifo[*popQueue] // queues whose Pops need more flights than MaxPops allows
	stopped bool
}

func newPoppers(c *Client) *poppers { return &poppers{c: c, queues: make(map[popKey]*popQueue)} }

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
	flights  int
	starved  bool
	probing  bool
	armed    uint32    // counts flights sent
	active   time.Time // when a message was last found
	answered time.Time // last good answer that has not had its flight yet
	failures int
	sweeping bool
	used     time.Time
}

// popFlight is one POP on its way to the broker or held there.
type popFlight struct {
	q    *popQueue
	max  int
	wait time.Duration
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

// launch sends flights for the Pops that have none. s.mu is held.
func (s *poppers) launch(q *popQueue) {
	for q.flights < len(q.waiting) {
		if s.held >= s.c.cfg.MaxPops {
			if !q.starved {
				q.starved = true
				s.starved.push(q)
			}
			return
		}
		p := q.waiting[q.flights]
		f := &popFlight{q: q, max: p.max, wait: p.wait}
		q.flights++
		s.held++
		s.c.metrics.popsHeld.Inc()
		now := time.Now()
		switch {
		case q.failures > 0:
			s.c.puller.delays.after(backoff(q.failures, retryFirst, retryLimit), func() { s.c.puller.pump.add(f, false) })
		case now.Sub(q.answered) < popCredit && q.slot.get() != nil:
			q.answered = time.Time{}
			f.send()
		default:
			s.c.puller.pump.add(f, q.recentlyActive(now))
		}
	}
}

// feed gives places that became free to the queues that wait for one.
func (s *poppers) feed() {
	for s.held < s.c.cfg.MaxPops && !s.starved.empty() {
		q := s.starved.pop()
		q.starved = false
		s.launch(q)
	}
}

func (q *popQueue) recentlyActive(now time.Time) bool { return now.Sub(q.active) < activeFor }

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

// send sends f, which has its place. s.mu is held.
func (f *popFlight) send() {
	q := f.q
	conn := q.slot.get()
	if conn == nil {
		q.s.c.puller.pump.add(f, true)
		return
	}
	q.armed++
	conn.Go(popRequest(q.key, f.max, f.wait), f.wait+popOverdue, func(a *remoting.Command, err error) {
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
	q.flights--
	s.held--
	s.c.metrics.popsHeld.Dec()
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

// stop ends all Pops; the client is being closed.
func (s *poppers) stop() {
	s.mu.Lock()
	s.stopped = true
	var all []*pop
	for _, q := range s.queues {
		all = append(all, q.waiting...)
		q.waiting = nil
	}
	s.pending = 0
	s.mu.Unlock()
	for _, p := range all {
		p.stopped()
	}
}

func (s *poppers) count(a popAnswer) {
	switch {
	case a.err != nil:
		s.c.metrics.popAnswers.WithLabelValues("error").Inc()
	case len(a.messages) > 0:
		s.c.metrics.popAnswers.WithLabelValues("found").Inc()
	default:
		s.c.metrics.popAnswers.WithLabelValues("none").Inc()
	}
}
