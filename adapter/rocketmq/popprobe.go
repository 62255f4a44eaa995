package rocketmq

import (
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// A POP that the broker suspends just when a message comes is not woken by it
// (6 of 2,000). So behind a held POP of a queue that was active not long ago an
// unsuspended one follows. What it finds goes to the Pop that waits longest, and
// the held one is left over for the next.

// probeLater has the flights sent up to now probed. s.mu is held.
func (q *popQueue) probeLater(after time.Duration, again bool) {
	armed := q.armed
	q.s.c.puller.delays.after(after, func() { q.probe(armed, again) })
}

// probe sends an unsuspended POP if a flight is held for a Pop that waits, and no
// other was sent since; that one has a probe of its own coming.
func (q *popQueue) probe(armed uint32, again bool) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	conn := q.slot.get()
	if q.armed != armed || q.sent == 0 || q.probing || len(q.waiting) == 0 || conn == nil {
		return
	}
	q.probing = true
	born := q.s.clock.born(q.key.lmq.Broker, time.Now())
	conn.Go(popRequest(q.key, q.waiting[0].max, 0, born), pullTimeout, func(a *remoting.Command, err error) {
		q.s.clock.answered(q.key.lmq.Broker, born, a)
		q.probed(armed, again, q.parse(a, err))
	})
}

// probed takes the answer to a probe. All but messages is left to the flights.
func (q *popQueue) probed(armed uint32, again bool, a popAnswer) {
	s := q.s
	s.mu.Lock()
	q.probing = false
	done, left := q.hand(a, time.Now())
	if done != nil {
		s.c.metrics.probeFinds.Inc()
		q.answered, q.failures = time.Now(), 0
	} else if !again && q.armed == armed && len(q.waiting) > 0 {
		q.probeLater(probeAgain, true)
	}
	q.idle()
	s.mu.Unlock()
	s.close(done, left)
}
