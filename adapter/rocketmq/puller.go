package rocketmq

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	// activeFor is how long after its last message an LMQ counts as active.
	activeFor = 60 * time.Second
	// probeAfter is when an unsuspended pull follows a held one: by then the
	// broker has suspended it, or has lost the wake-up of a message that came
	// between its reading and suspending.
	probeAfter = 20 * time.Millisecond
	// probeAgain is when a second one follows a first that found nothing: on a
	// host short of CPU a broker's reading and suspending lie further apart.
	probeAgain = 200 * time.Millisecond
	// overdueAfter is how long past its time a held pull may be unanswered.
	overdueAfter = 10 * time.Second
	retryFirst   = 100 * time.Millisecond
	retryLimit   = 10 * time.Second
	// failuresToTell is the number of failures in a row that is worth a warning.
	failuresToTell = 5
)

// puller runs all watches of a client. What is shared: the timing wheel for
// probes and backoffs, the pump that lets pulls through a token bucket, and the
// goroutines that call sinks.
type puller struct {
	c       *Client
	delays  *delays
	bucket  *bucket
	pump    pump
	deliver deliverQueue
}

func newPuller(c *Client) *puller {
	p := &puller{c: c, delays: newDelays()}
	p.bucket = newBucket(c.cfg.PullRate, max(1, c.cfg.PullRate/10), time.Now())
	p.pump.wake = make(chan struct{}, 1)
	p.deliver.cond = sync.NewCond(&p.deliver.mu)
	return p
}

// start starts the goroutines; they end with the client.
func (p *puller) start() {
	p.c.wg.Go(func() { p.delays.loop(p.c.ctx) })
	p.c.wg.Go(func() { p.pump.loop(p.c.ctx, p.bucket) })
	for range p.c.cfg.Deliverers {
		p.c.wg.Go(func() { p.deliver.loop() })
	}
	p.c.wg.Go(func() {
		<-p.c.ctx.Done()
		p.c.acker.stop()
		p.deliver.stop()
	})
}

// enqueueAll lets ws through the pump; they are marked as waiting already.
func (p *puller) enqueueAll(ws map[waiter]struct{}) {
	now := time.Now()
	for w := range ws {
		p.pump.add(w, w.recentActivity(now))
	}
}

// enqueueLocked has w armed when the pump lets it.
func (w *Watch) enqueueLocked() {
	if w.waiting {
		return
	}
	w.waiting = true
	w.p.pump.add(w, w.recentlyActive(time.Now()))
}

func (w *Watch) recentActivity(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.recentlyActive(now)
}

// pumped is called by the pump when it is w's turn.
func (w *Watch) pumped() {
	if w.slot.park(w) {
		w.mu.Lock()
		closed := w.closed
		w.mu.Unlock()
		if closed { // Close may have come before park
			w.slot.unpark(w)
		}
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	w.armLocked()
}

// armLocked sends a held pull unless there is one or none is wanted.
func (w *Watch) armLocked() {
	if w.closed || w.paused || w.held || w.delivering || w.waiting {
		return
	}
	conn := w.slot.get()
	if conn == nil {
		w.enqueueLocked()
		return
	}
	w.held = true
	w.heldID++
	w.p.c.metrics.held.Inc()
	gen, id, offset, boot := w.gen, w.heldID, w.offset, w.link.boot.Load()
	// Held pulls that began together must not all end together.
	suspend := w.p.c.cfg.Suspend - jitter(w.p.c.cfg.Suspend/4)
	conn.GoPull(w.p.c.pullRequest(w.lmq, offset, MaxPull, suspend), suspend+overdueAfter, func(a *remoting.Command, err error) {
		w.answered(gen, id, offset, boot, a, err)
	})
	if w.recentlyActive(time.Now()) {
		w.probeLaterLocked()
	}
}

func (w *Watch) probeLaterLocked() {
	id := w.heldID
	w.p.delays.after(probeAfter, func() { w.probe(id, false) })
}

// probe sends an unsuspended pull behind held pull id, if that is still held. A
// queue that is armed again has another probe coming.
func (w *Watch) probe(id uint32, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	conn := w.slot.get()
	if !w.held || w.heldID != id || w.delivering || conn == nil {
		return
	}
	gen, offset, boot := w.gen, w.offset, w.link.boot.Load()
	conn.GoPull(w.p.c.pullRequest(w.lmq, offset, MaxPull, 0), pullTimeout, func(a *remoting.Command, err error) {
		w.probed(gen, id, offset, boot, again, a, err)
	})
}

// probed takes the answer to a probe behind held pull id. All but messages is
// left to the held pull.
func (w *Watch) probed(gen, id uint32, offset int64, boot uint64, again bool, a *remoting.Command, err error) {
	var r PullResult
	if err == nil {
		r, err = parsePull(a, w.lmq.Name, offset)
		r.Boot = boot
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.held || w.heldID != id || w.gen != gen || w.paused || w.closed {
		return // the held pull was answered first
	}
	if err == nil && r.Status == Found && w.takeLocked(r) {
		w.p.c.metrics.probeFinds.Inc()
	} else if !again {
		w.p.delays.after(probeAgain, func() { w.probe(id, true) })
	}
}

// answered takes the answer to held pull id.
func (w *Watch) answered(gen, id uint32, offset int64, boot uint64, a *remoting.Command, err error) {
	var r PullResult
	if err == nil {
		r, err = parsePull(a, w.lmq.Name, offset)
		r.Boot = boot
	}
	w.p.count(r, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gen != gen || !w.held || w.heldID != id {
		return
	}
	w.dropHeldLocked()
	if err != nil {
		w.failedLocked(gen, err)
		return
	}
	stuck := r.Status == Retry && r.Next <= w.offset
	if stuck {
		w.failedLocked(gen, errors.New("told to retry at once at the same offset"))
		return
	}
	w.failures = 0
	switch r.Status {
	case Found, OffsetMoved:
		if r.Status == OffsetMoved && offset != w.offset {
			break // said of an offset we left meanwhile
		}
		w.takeLocked(r)
	case Retry:
		w.offset = r.Next
	case NoNew: // armed again
		if r.Boot != w.boot {
			r.Next = w.offset // brokers may say 0
			w.takeLocked(r)
		}
	}
	w.armLocked()
}

func (p *puller) count(r PullResult, err error) {
	switch {
	case errors.Is(err, remoting.ErrTimeout):
		p.c.metrics.overdue.Inc()
		p.c.metrics.answers.WithLabelValues("overdue").Inc()
	case err != nil:
		p.c.metrics.answers.WithLabelValues("error").Inc()
	default:
		p.c.metrics.answers.WithLabelValues(r.Status.String()).Inc()
	}
}

// failedLocked has the pull made again, through the pump: at once after a lost
// connection (the pump waits for the next), else after a backoff.
func (w *Watch) failedLocked(gen uint32, err error) {
	w.failures++
	if errors.Is(err, remoting.ErrClosed) {
		w.enqueueLocked()
		return
	}
	level := slog.LevelDebug
	if w.failures == failuresToTell {
		level = slog.LevelWarn
	}
	w.p.c.cfg.Logger.Log(context.Background(), level, "held pull", "lmq", w.lmq.Name, "broker", w.lmq.Broker, "offset", w.offset, "error", err)
	if w.waiting {
		return
	}
	w.waiting = true
	w.p.delays.after(backoff(w.failures, retryFirst, retryLimit), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting = false
		w.enqueueLocked()
	})
}
