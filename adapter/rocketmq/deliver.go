package rocketmq

import (
	"sync"
	"time"
)

// takeLocked leaves out what the sink has had and queues the rest for it. It
// tells whether there was any. One result at a time waits: what comes while
// another is delivered is dropped and pulled again.
func (w *Watch) takeLocked(r PullResult) bool {
	if w.delivering || w.ready != nil {
		return false
	}
	if r.Status == Found {
		r.Messages = behind(r.Messages, w.offset)
		if len(r.Messages) == 0 {
			w.offset = max(w.offset, r.Next)
			return false
		}
		w.active = time.Now()
	}
	w.ready, w.boot = &r, r.Boot
	w.delivering = true
	w.p.deliver.add(w)
	return true
}

// behind returns the messages from offset on.
func behind(ms []*PulledMessage, offset int64) []*PulledMessage {
	for i, m := range ms {
		if m.LMQOffset >= offset {
			return ms[i:]
		}
	}
	return nil
}

// stopped is what deliver is when the client is closed meanwhile.
func (w *Watch) stopped() {}

// deliver calls w's sink.
func (w *Watch) deliver() {
	w.mu.Lock()
	r, gen := w.ready, w.gen
	w.ready = nil
	if r == nil || w.closed { // closed or resumed elsewhere meanwhile
		w.delivering = false
		w.armLocked()
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	more := w.sink.Pulled(*r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delivering = false
	if w.gen == gen {
		if r.Status != NoNew { // which says nothing of where to go on
			w.offset = r.Next
		}
		w.paused = !more
	}
	if w.held { // a probe found this: the held pull may still be deaf
		w.probeLaterLocked()
	}
	w.armLocked()
}

// delivery is a call of the user's that is due: one of the two is called.
type delivery interface {
	deliver()
	stopped() // the client was closed
}

// deliverQueue holds the watches whose sinks are to be called, and the POPs
// that are done. It is bounded by their number: each is in it once at most.
type deliverQueue struct {
	mu    sync.Mutex // protects the fields below
	cond  *sync.Cond
	queue fifo[delivery]
	ended bool
}

func (q *deliverQueue) add(d delivery) {
	q.mu.Lock()
	ended := q.ended
	if !ended {
		q.queue.push(d)
		q.cond.Signal()
	}
	q.mu.Unlock()
	if ended {
		d.stopped()
	}
}

func (q *deliverQueue) stop() {
	q.mu.Lock()
	q.ended = true
	left := q.queue
	q.queue = fifo[delivery]{}
	q.cond.Broadcast()
	q.mu.Unlock()
	for !left.empty() {
		left.pop().stopped()
	}
}

// loop makes the calls until stopped.
func (q *deliverQueue) loop() {
	for {
		q.mu.Lock()
		for q.queue.empty() && !q.ended {
			q.cond.Wait()
		}
		if q.ended {
			q.mu.Unlock()
			return
		}
		d := q.queue.pop()
		q.mu.Unlock()
		d.deliver()
	}
}
