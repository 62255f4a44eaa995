package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	// ackRequests is how many batches of acknowledgements are under way to one
	// broker; what comes meanwhile gathers for the next.
	ackRequests = 4
	// ackBatch bounds the acknowledgements of one batch.
	ackBatch = 256
	// ackBacklog bounds the acknowledgements that gather for one broker.
	ackBacklog = 65536
	ackTimeout = 5 * time.Second
)

// acker sends acknowledgements, many in one request: a lone one goes at once,
// those that come while requests are under way go together.
type acker struct {
	c *Client

	mu      sync.Mutex // protects the fields below and all lanes
	lanes   map[string]*ackLane
	stopped bool
}

// ackLane is what goes to one broker.
type ackLane struct {
	a        *acker
	broker   string
	waiting  []*ack
	requests int
	failures int
	pausing  bool // after a failure, or for lack of a connection
}

type ack struct {
	h    Handle
	done func(error)
	sent bool // the broker may have got it
}

func newAcker(c *Client) *acker { return &acker{c: c, lanes: make(map[string]*ackLane)} }

// AckPopped acknowledges a message; it does not come back. It returns at once
// and never blocks. Until the invisible time is over it is tried again after
// whatever goes wrong, which does no harm. done is called exactly once, from any
// goroutine, possibly before AckPopped returns; it must not block. Errors are
// ErrExpired if the invisible time was over before the broker answered, ErrBusy
// beyond 65,536 unanswered ones of a broker, and ErrStopped. The message comes
// back then, but if the error is ErrUnknown too: the broker was asked, and it
// may come back or not.
//
// A broker that cannot store an acknowledgement logs that and answers as if it
// had: then, and when it crashes before its disk has it, the message comes back.
func (c *Client) AckPopped(h Handle, done func(error)) { c.acker.add(h, done) }

func (a *acker) add(h Handle, done func(error)) {
	a.c.work(1)
	a.mu.Lock()
	lane := a.lanes[h.broker]
	if lane == nil {
		lane = &ackLane{a: a, broker: h.broker}
		a.lanes[h.broker] = lane
	}
	var err error
	switch {
	case a.stopped:
		err = ErrStopped
	case !time.Now().Before(h.until):
		err = ErrExpired
	case len(lane.waiting) >= ackBacklog:
		err = ErrBusy
	default:
		lane.waiting = append(lane.waiting, &ack{h: h, done: done})
		lane.flush()
	}
	a.mu.Unlock()
	if err != nil {
		a.settle([]*ack{{h: h, done: done}}, err)
	}
}

// flush sends what waits, as far as it may. a.mu is held.
func (l *ackLane) flush() {
	for len(l.waiting) > 0 && l.requests < ackRequests && !l.pausing {
		conn := l.a.c.cluster.link(l.broker).control.get()
		if conn == nil {
			l.pause()
			return
		}
		batch := l.waiting[:min(len(l.waiting), ackBatch)]
		l.waiting = l.waiting[len(batch):]
		if len(l.waiting) == 0 {
			l.waiting = nil
		}
		for _, k := range batch {
			k.sent = true
		}
		l.requests++
		conn.Go(ackRequest(l.broker, batch), ackTimeout, func(r *remoting.Command, err error) {
			if err == nil && r.Code != remoting.Success {
				err = answerError(r)
			}
			l.answered(batch, err)
		})
	}
}

// pause has the lane go on after a backoff. a.mu is held.
func (l *ackLane) pause() {
	if l.pausing {
		return
	}
	l.pausing = true
	l.failures++
	l.a.c.puller.delays.after(backoff(l.failures, askRetryFirst, askRetryLimit), func() {
		l.a.mu.Lock()
		l.pausing = false
		late := l.expire(time.Now())
		l.flush()
		l.a.mu.Unlock()
		l.a.settle(late, ErrExpired)
	})
}

// expire takes out what it is too late for. a.mu is held.
func (l *ackLane) expire(now time.Time) (late []*ack) {
	kept := l.waiting[:0]
	for _, k := range l.waiting {
		if now.Before(k.h.until) {
			kept = append(kept, k)
		} else {
			late = append(late, k)
		}
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
	return late
}

// answered takes the answer to a batch. What failed waits again.
func (l *ackLane) answered(batch []*ack, err error) {
	now := time.Now()
	l.a.mu.Lock()
	l.requests--
	stopped := l.a.stopped
	var late []*ack
	if err != nil && !stopped {
		level := slog.LevelDebug
		if l.failures+1 == failuresToTell {
			level = slog.LevelWarn
		}
		l.a.c.cfg.Logger.Log(context.Background(), level, "acknowledge popped messages", "broker", l.broker, "messages", len(batch), "error", err)
		l.waiting = append(batch[:len(batch):len(batch)], l.waiting...)
		l.pause()
	} else {
		l.failures = 0
		l.flush()
	}
	l.a.mu.Unlock()
	switch {
	case stopped && err != nil:
		l.a.settle(batch, ErrStopped)
	case err == nil:
		good := make([]*ack, 0, len(batch))
		for _, k := range batch {
			if now.Before(k.h.until) {
				good = append(good, k)
			} else {
				late = append(late, k)
			}
		}
		l.a.settle(good, nil)
		l.a.settle(late, ErrExpired)
	}
}

// settle calls back; no lock is held.
func (a *acker) settle(list []*ack, err error) {
	result := "ok"
	switch {
	case errors.Is(err, ErrExpired):
		result = "expired"
	case err != nil:
		result = "error"
	}
	a.c.metrics.popAcks.WithLabelValues(result).Add(float64(len(list)))
	for _, k := range list {
		if err != nil && k.sent {
			k.done(fmt.Errorf("%w: %w", err, ErrUnknown))
		} else {
			k.done(err)
		}
	}
	a.c.work(-len(list))
}

// stop ends what waits; what is under way ends with its connection.
func (a *acker) stop() {
	a.mu.Lock()
	a.stopped = true
	var all []*ack
	for _, l := range a.lanes {
		all = append(all, l.waiting...)
		l.waiting = nil
	}
	a.mu.Unlock()
	a.settle(all, ErrStopped)
}
