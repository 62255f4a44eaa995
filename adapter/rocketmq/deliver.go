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
	w.ready = &r
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

// deliverOne calls w's sink.
func (p *puller) deliverOne(w *Watch) {
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
		w.offset = r.Next
		w.paused = !more
	}
	if w.held { // a probe found this: the held pull may still be deaf
		w.probeLaterLocked()
	}
	w.armLocked()
}

// deliverQueue holds the watches whose sinks are to be called. It is bounded by
// the number of watches: each is in it once at most.
type deliverQueue struct {
	mu      sync.Mutex // protects the fields below
	cond    *sync.Cond
	queue   fifo
	stopped bool
}

func (q *deliverQueue) add(w *Watch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue.push(w)
	q.cond.Signal()
}

func (q *deliverQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.cond.Broadcast()
}

// loop calls deliver for each watch until stopped.
func (q *deliverQueue) loop(deliver func(*Watch)) {
	for {
		q.mu.Lock()
		for q.queue.empty() && !q.stopped {
			q.cond.Wait()
		}
		if q.stopped {
			q.mu.Unlock()
			return
		}
		w := q.queue.pop()
		q.mu.Unlock()
		deliver(w)
	}
}
