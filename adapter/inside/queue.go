package inside

import (
	"sync"

	"lmqgate/meta/message"
)

// Bounds of a queue: beyond them the messages wait in the log.
const (
	mostQueued      = 64
	mostQueuedBytes = 64 << 10
)

// queue holds what was delivered and not yet read.
type queue struct {
	came chan struct{} // holds an element while there may be something to read

	mu    sync.Mutex // protects the fields below
	list  []message.Arrival
	bytes int
	full  bool // Full was answered with true
	wake  func()
}

func newQueue() *queue { return &queue{came: make(chan struct{}, 1)} }

// weight counts the position too: with cursors of many brokers it is longer than most messages.
func weight(a *message.Arrival) int {
	return len(a.Message.Payload) + len(a.Message.Topic) + len(a.Position) + 200
}

// put adds a message, also beyond the bounds: the caller asks isFull before the next one.
func (q *queue) put(a message.Arrival) {
	q.mu.Lock()
	q.list = append(q.list, a)
	q.bytes += weight(&a)
	q.mu.Unlock()
	select {
	case q.came <- struct{}{}:
	default:
	}
}

func (q *queue) isFull() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) >= mostQueued || q.bytes >= mostQueuedBytes {
		q.full = true
	}
	return q.full
}

// get takes the first message. The call that wake stands for is made without a lock.
func (q *queue) get() (a message.Arrival, ok bool) {
	q.mu.Lock()
	if len(q.list) == 0 {
		q.mu.Unlock()
		return a, false
	}
	a = q.list[0]
	q.list[0] = message.Arrival{}
	q.list = q.list[1:]
	q.bytes -= weight(&a)
	var wake func()
	if q.full && len(q.list) <= mostQueued/2 && q.bytes <= mostQueuedBytes/2 {
		q.full, wake = false, q.wake
	}
	q.mu.Unlock()
	if wake != nil {
		wake()
	}
	return a, true
}

// wakes sets what is called when there is room again.
func (q *queue) wakes(fn func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wake = fn
}
