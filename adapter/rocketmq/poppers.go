package rocketmq

import (
	"context"
	"errors"
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
	c     *Client
	clock popClock

	mu      sync.Mutex // protects the fields below, and all of popQueue and popFlight
	queues  map[popKey]*popQueue
	held    int             // flights
	pending int             // Pops not done
	starved fifo[*popQueue] // queues whose Pops need more flights than MaxPops allows
	stopped bool
}

func newPoppers(c *Client) *poppers { return &poppers{c: c, queues: make(map[popKey]*popQueue)} }

// add has p wait for the next messages of its queue.
func (s *poppers) add(k popKey, p *pop) {
	err := CheckGroup(k.group, k.lmq.Name)
	if err == nil {
		err = s.push(k, p)
	}
	if err != nil {
		p.err = err
		s.finish(p)
	}
}

func (s *poppers) push(k popKey, p *pop) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return ErrStopped
	case s.pending >= s.c.cfg.MaxPops*popsWaiting:
		return ErrBusy
	}
	s.pending++
	p.q = s.queue(k)
	p.q.waiting = append(p.q.waiting, p)
	if p.q.sent >= len(p.q.waiting) && p.q.recentlyActive(time.Now()) {
		p.q.probeLater(probeAfter, false) // no new flight: the old one may be deaf
	}
	s.launch(p.q)
	return nil
}

// cancel ends p if it waits.
func (s *poppers) cancel(p *pop) {
	s.mu.Lock()
	was := p.q != nil && p.q.drop(p)
	if was {
		s.pending--
		p.err = context.Canceled
		p.q.idle()
	}
	s.mu.Unlock()
	if was {
		s.finish(p)
	}
}

// finish has done called; no lock is held.
func (s *poppers) finish(p *pop) { s.c.puller.deliver.add(p) }

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
		p.err = ErrStopped
		s.finish(p)
	}
}

func (s *poppers) count(a popAnswer) {
	if errors.Is(a.err, errPopAnswer) || errors.Is(a.err, remoting.ErrMessage) {
		s.c.cfg.Logger.Warn("answer to a pop", "messages", len(a.messages), "error", a.err)
	}
	switch {
	case a.err != nil:
		s.c.metrics.popAnswers.WithLabelValues("error").Inc()
	case len(a.messages) > 0:
		s.c.metrics.popAnswers.WithLabelValues("found").Inc()
	default:
		s.c.metrics.popAnswers.WithLabelValues("none").Inc()
	}
}
